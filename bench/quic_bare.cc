// ngtcp2 on a bare socket (bare_quic.h), in the style of its examples.
//
//   bare      one call a packet at both ends, as their client sends
//   bare_gso  one call a burst at both ends, as their server sends

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "bench/bare_quic.h"
#include "bench/bare_socket.h"
#include "bench/credentials.h"
#include "bench/quic_contestants.h"
#include "runtime/check.h"

namespace faultline::bench {
namespace {

// --- Server ---

// Two buffers in turn: who has asked for the second echo has got the first.
class Echo final : public BareApplication {
 public:
  Echo(const Load& load, Counter* counter)
      : load_(load), counter_(counter), buffers_{Room(), Room()} {}

  void OnData(std::span<const uint8_t> data) override {
    std::vector<std::byte>& buffer = buffers_[turn_];
    FAULTLINE_CHECK(filled_ + data.size() <= buffer.size()) << "one message at a time";
    std::memcpy(buffer.data() + filled_, data.data(), data.size());
    filled_ += data.size();
    if (filled_ < buffer.size()) return;
    counter_->OnBytes(filled_);
    rest_ = buffer;
    filled_ = 0;
    turn_ = 1 - turn_;
  }
  std::span<const std::byte> Next(bool*) override { return rest_; }
  void OnTaken(size_t bytes) override { rest_ = rest_.subspan(bytes); }

 private:
  std::vector<std::byte> Room() const { return std::vector<std::byte>(load_.message_bytes); }

  const Load load_;
  Counter* const counter_;
  std::array<std::vector<std::byte>, 2> buffers_;
  size_t turn_ = 0;
  size_t filled_ = 0;
  std::span<const std::byte> rest_;
};

class Count final : public BareApplication {
 public:
  explicit Count(Counter* counter) : counter_(counter) {}

  void OnData(std::span<const uint8_t> data) override {
    counter_->OnBytes(data.size());
    left_ += counter_->TakeRounds() * kReplyBytes;
  }
  std::span<const std::byte> Next(bool*) override {
    const size_t at = (kReplyBytes - left_ % kReplyBytes) % kReplyBytes;
    return std::span(reply_).subspan(at).first(std::min(left_, kReplyBytes - at));
  }
  void OnTaken(size_t bytes) override { left_ -= bytes; }

 private:
  Counter* const counter_;
  const std::vector<std::byte> reply_ = MakeReply();
  size_t left_ = 0;
};

class Listen final : public BareApplication {
 public:
  void OnData(std::span<const uint8_t>) override { spoken_ = true; }
  std::span<const std::byte> Next(bool*) override { return {}; }
  void OnTaken(size_t) override {}

  bool spoken() const { return spoken_; }

 private:
  bool spoken_ = false;
};

class Server {
 public:
  Server(bool gso, const Announce& announce) : gso_(gso) { announce(socket_.port()); }

  // Serves the next client until it has closed.
  void ServeOne(BareApplication* application) {
    std::array<uint8_t, 2048> datagram;
    sockaddr_in from{};
    ngtcp2_pkt_hd first{};
    for (;;) {
      socket_.Wait(UINT64_MAX);
      const size_t size = socket_.Receive(datagram, &from);
      if (size == 0 || ngtcp2_accept(&first, datagram.data(), size) != 0) continue;
      BareQuic connection(&socket_, gso_, engine_.get(), from, first, application);
      connection.Read(std::span(datagram).first(size), from);
      connection.Write();
      while (!connection.over()) connection.Turn();
      return;
    }
  }

 private:
  const bool gso_;
  BareUdp socket_;
  const bssl::UniquePtr<SSL_CTX> engine_ = [] {
    bssl::UniquePtr<SSL_CTX> engine = NewServerEngine();
    ConfigureForQuic(engine.get(), /*server=*/true);
    return engine;
  }();
};

uint64_t ServeHandshakes(Server* server) {
  for (uint64_t count = 0;; ++count) {
    Listen listen;
    server->ServeOne(&listen);
    if (listen.spoken()) return count;
  }
}

template <bool kGso>
uint64_t Serve(const Load& load, const Announce& announce) {
  Server server(kGso, announce);
  if (load.shape == Shape::kHandshakes) return ServeHandshakes(&server);
  Counter counter(load);
  Echo echo(load, &counter);
  Count count(&counter);
  server.ServeOne(load.shape == Shape::kStream ? static_cast<BareApplication*>(&count) : &echo);
  return counter.messages();
}

// --- Client ---

class Client : public BareApplication {
 public:
  Client(const Load& load, const KeepGoing& keep_going)
      : load_(load), keep_going_(keep_going), messages_(MakeMessages(load)) {}

  uint64_t sent() const { return sent_; }
  virtual bool done() const = 0;

 protected:
  const Load load_;
  const KeepGoing& keep_going_;
  const std::vector<std::byte> messages_;
  uint64_t sent_ = 0;
  bool finished_ = false;
};

class PingPong final : public Client {
 public:
  using Client::Client;

  bool done() const override { return finished_; }
  void OnData(std::span<const uint8_t> data) override {
    received_ += data.size();
    if (received_ < load_.message_bytes) return;
    received_ = 0;
    taken_ = 0;
    if (++sent_ % kRoundTripsAtOnce == 0) finished_ = !keep_going_();
  }
  std::span<const std::byte> Next(bool*) override {
    if (finished_) return {};
    return std::span(messages_).first(load_.message_bytes).subspan(taken_);
  }
  void OnTaken(size_t bytes) override { taken_ += bytes; }

 private:
  size_t received_ = 0;
  size_t taken_ = 0;
};

class Stream final : public Client {
 public:
  using Client::Client;

  bool done() const override { return finished_ && answers() == sent_ / load_.round(); }
  void OnData(std::span<const uint8_t> data) override { received_ += data.size(); }

  std::span<const std::byte> Next(bool*) override {
    if (at_ == round_bytes()) {
      const uint64_t rounds = sent_ / load_.round();
      if (finished_ || rounds - answers() >= kRoundsUnderWay) return {};
      finished_ = !keep_going_();
      if (finished_) return {};
      at_ = 0;
    }
    return std::span(messages_).subspan(at_ % messages_.size());
  }
  void OnTaken(size_t bytes) override {
    at_ += bytes;
    if (at_ == round_bytes()) sent_ += load_.round();
  }

 private:
  size_t round_bytes() const { return load_.round() * load_.message_bytes; }
  uint64_t answers() const { return received_ / kReplyBytes; }

  uint64_t at_ = 0;  // in the round
  uint64_t received_ = 0;
};

class Goodbye final : public BareApplication {
 public:
  void OnData(std::span<const uint8_t>) override {}
  std::span<const std::byte> Next(bool* last) override {
    *last = true;
    return std::span(bytes_).subspan(taken_);
  }
  void OnTaken(size_t bytes) override { taken_ += bytes; }

 private:
  const std::array<std::byte, 1> bytes_{};
  size_t taken_ = 0;
};

class Dialer {
 public:
  Dialer(bool gso, uint16_t port) : gso_(gso), server_(Loopback(port)) {
    ConfigureForQuic(engine_.get(), /*server=*/false);
  }

  // A connection, from its handshake until `done` of it.
  template <typename Done>
  void Run(BareApplication* application, bool speaks, Done done) {
    BareUdp socket;
    BareQuic connection(&socket, gso_, engine_.get(), server_, application);
    connection.Write();
    while (!connection.ready()) connection.Turn();
    if (speaks) {
      connection.OpenStream();
      connection.Write();
    }
    while (!done(connection)) connection.Turn();
    connection.Close();
  }

 private:
  const bool gso_;
  const sockaddr_in server_;
  const bssl::UniquePtr<SSL_CTX> engine_ = NewClientEngine();
};

uint64_t DriveHandshakes(Dialer* dialer, const KeepGoing& keep_going) {
  uint64_t count = 0;
  Listen listen;
  do {
    dialer->Run(&listen, /*speaks=*/false, [](const BareQuic&) { return true; });
    ++count;
  } while (keep_going());
  Goodbye goodbye;
  dialer->Run(&goodbye, /*speaks=*/true,
              [](const BareQuic& connection) { return connection.delivered(); });
  return count;
}

template <bool kGso>
uint64_t Drive(const Load& load, uint16_t port, const KeepGoing& keep_going) {
  Dialer dialer(kGso, port);
  if (load.shape == Shape::kHandshakes) return DriveHandshakes(&dialer, keep_going);
  PingPong ping(load, keep_going);
  Stream stream(load, keep_going);
  Client* const client = load.shape == Shape::kStream ? static_cast<Client*>(&stream) : &ping;
  dialer.Run(client, /*speaks=*/true, [client](const BareQuic&) { return client->done(); });
  return client->sent();
}

}  // namespace

const Contestant kBareQuic = {"bare", &Serve<false>, &Drive<false>, /*over_tcp=*/false};
const Contestant kBareGsoQuic = {"bare_gso", &Serve<true>, &Drive<true>,
                                 /*over_tcp=*/false};

}  // namespace faultline::bench
