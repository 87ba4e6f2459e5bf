// Standalone Asio over TLS, as somebody writes it who knows Asio: asio::ssl::stream, on the same
// BoringSSL, in an io_context without locks, for its one thread. It moves ciphertext through a pair
// of memory BIOs; `async_write` cuts a batch into records.

#include <asio.hpp>
#include <asio/ssl.hpp>
#include <span>
#include <utility>
#include <vector>

#include "bench/credentials.h"
#include "bench/tls_contestants.h"

namespace faultline::bench {
namespace {

using asio::ip::tcp;
using Secure = asio::ssl::stream<tcp::socket>;

constexpr size_t kReadBytes = size_t{256} << 10;

void Check(const asio::error_code& error) {
  if (!error) return;
  std::fputs(error.message().c_str(), stderr);
  Die(": asio over TLS");
}

tcp::endpoint Loopback(uint16_t port) {
  return tcp::endpoint(asio::ip::address_v4::loopback(), port);
}

class End {
 public:
  End(const Load& load, bssl::UniquePtr<SSL_CTX> engine)
      : load_(load), context_(engine.release()), buffer_(kReadBytes) {}
  virtual ~End() = default;

 protected:
  virtual void OnSent() = 0;
  virtual void OnRead(size_t bytes) = 0;
  virtual void OnEnd() = 0;

  void Open() { stream_.next_layer().set_option(tcp::no_delay(true)); }

  void Send(std::span<const std::byte> bytes) {
    asio::async_write(stream_, asio::const_buffer(bytes.data(), bytes.size()),
                      [this](const asio::error_code& error, size_t) {
                        Check(error);
                        OnSent();
                      });
  }

  // Behind the first `filled_` bytes.
  void Read() {
    stream_.async_read_some(
        asio::mutable_buffer(buffer_.data() + filled_, buffer_.size() - filled_),
        [this](const asio::error_code& error, size_t bytes) {
          if (error == asio::error::eof) return OnEnd();
          Check(error);
          OnRead(bytes);
        });
  }

  void ShutDown() {
    stream_.async_shutdown([this](const asio::error_code& error) {
      if (error != asio::error::eof) Check(error);
      stream_.next_layer().close();
    });
  }

  const Load load_;
  asio::io_context io_{ASIO_CONCURRENCY_HINT_UNSAFE};
  asio::ssl::context context_;
  Secure stream_{io_, context_};
  std::vector<std::byte> buffer_;
  size_t filled_ = 0;
};

// --- Server ---

class Server : public End {
 public:
  explicit Server(const Load& load) : End(load, NewServerEngine()), counter_(load) {}

  uint64_t Run(const Announce& announce) {
    tcp::acceptor acceptor(io_, Loopback(0));
    announce(acceptor.local_endpoint().port());
    acceptor.accept(stream_.next_layer());
    Open();
    stream_.handshake(Secure::server);
    Read();
    io_.run();
    return counter_.messages();
  }

 protected:
  void OnEnd() override { ShutDown(); }

  Counter counter_;
};

class EchoServer final : public Server {
 public:
  using Server::Server;

 private:
  void OnRead(size_t bytes) override {
    filled_ += bytes;
    if (filled_ < load_.message_bytes) return Read();
    counter_.OnBytes(load_.message_bytes);
    Send(std::span(buffer_).first(std::exchange(filled_, 0)));
  }
  void OnSent() override { Read(); }
};

class CountServer final : public Server {
 public:
  using Server::Server;

 private:
  void OnRead(size_t bytes) override {
    counter_.OnBytes(bytes);
    rounds_ += counter_.TakeRounds();
    AnswerOrRead();
  }
  void OnSent() override { AnswerOrRead(); }

  void AnswerOrRead() {
    if (rounds_ == 0) return Read();
    --rounds_;
    Send(reply_);
  }

  const std::vector<std::byte> reply_ = MakeReply();
  uint64_t rounds_ = 0;
};

uint64_t Serve(const Load& load, const Announce& announce) {
  if (load.shape == Shape::kStream) return CountServer(load).Run(announce);
  return EchoServer(load).Run(announce);
}

// --- Client ---

class Client : public End {
 public:
  Client(const Load& load, const KeepGoing& keep_going)
      : End(load, NewClientEngine()), keep_going_(keep_going), messages_(MakeMessages(load)) {}

  uint64_t Run(uint16_t port) {
    stream_.next_layer().connect(Loopback(port));
    Open();
    stream_.set_verify_callback(asio::ssl::host_name_verification(kServerName));
    stream_.handshake(Secure::client);
    Start();
    io_.run();
    return sent_;
  }

 protected:
  virtual void Start() = 0;
  void OnEnd() override { Die("the server has ended"); }

  const KeepGoing& keep_going_;
  const std::vector<std::byte> messages_;
  uint64_t sent_ = 0;
};

class PingPongClient final : public Client {
 public:
  using Client::Client;

 private:
  void Start() override { Send(std::span(messages_).first(load_.message_bytes)); }
  void OnSent() override { Read(); }

  void OnRead(size_t bytes) override {
    filled_ += bytes;
    if (filled_ < load_.message_bytes) return Read();
    filled_ = 0;
    if (++sent_ % kRoundTripsAtOnce == 0 && !keep_going_()) return ShutDown();
    Start();
  }
};

class StreamClient final : public Client {
 public:
  using Client::Client;

 private:
  void Start() override { Send(messages_); }

  void OnSent() override {
    sent_ += load_.batch();
    if (sent_ % load_.round() != 0) return Start();
    if (sent_ / load_.round() >= kRoundsUnderWay) return Read();
    GoOn();
  }

  void OnRead(size_t bytes) override {
    filled_ += bytes;
    if (filled_ < kReplyBytes) return Read();
    filled_ -= kReplyBytes;
    ++answers_;
    finished_ ? Finish() : GoOn();
  }

  void GoOn() {
    if (keep_going_()) return Start();
    finished_ = true;
    Finish();
  }
  // Every round is answered before the end: a shutdown takes no data.
  void Finish() { answers_ < sent_ / load_.round() ? Read() : ShutDown(); }

  uint64_t answers_ = 0;
  bool finished_ = false;
};

uint64_t Drive(const Load& load, uint16_t port, const KeepGoing& keep_going) {
  if (load.shape == Shape::kStream) return StreamClient(load, keep_going).Run(port);
  return PingPongClient(load, keep_going).Run(port);
}

}  // namespace

const Contestant kAsioTls = {"asio", &Serve, &Drive};

}  // namespace faultline::bench
