// Standalone Asio, as somebody writes it who knows Asio: an io_context without locks, for its one
// thread, member functions as handlers (their memory is recycled), reads of a big buffer, writes
// with `async_write_some` in place of `async_write`, which would cut them at 64 KiB and 16 buffers.
//
// Asio takes at most 64 buffers in one call. So batches of small frames are copied into one buffer,
// which is faster than 8 calls; large frames are gathered, 64 at a time, without a copy.

#include <asio.hpp>
#include <span>
#include <string>
#include <vector>

#include "bench/tcp_inbox.h"
#include "bench/tcp_workload.h"

namespace faultline::bench {
namespace {

using asio::ip::tcp;

constexpr size_t kGatherFrom = 1024;  // bytes of a message
constexpr size_t kBuffersMax = 64;

void Check(const asio::error_code& error) {
  if (!error) return;
  errno = error.value();
  Die("asio");
}

tcp::endpoint Loopback(uint16_t port) {
  return tcp::endpoint(asio::ip::address_v4::loopback(), port);
}

// A part of a batch that has not been sent yet.
class Outgoing {
 public:
  void Start(std::span<const std::byte> bytes, size_t buffer_bytes) {
    rest_ = bytes;
    buffer_bytes_ = buffer_bytes;
  }
  bool empty() const { return rest_.empty(); }
  void Consume(size_t bytes) { rest_ = rest_.subspan(bytes); }

  // The next 64 buffers; the first may be the rest of one. `bytes` lie one behind the other: where
  // a buffer ends follows from what is left.
  std::span<const asio::const_buffer> Next() {
    buffers_.clear();
    std::span<const std::byte> rest = rest_;
    while (!rest.empty() && buffers_.size() < kBuffersMax) {
      size_t partial = rest.size() % buffer_bytes_;
      size_t size = partial != 0 ? partial : buffer_bytes_;
      buffers_.emplace_back(rest.data(), size);
      rest = rest.subspan(size);
    }
    return buffers_;
  }

 private:
  std::span<const std::byte> rest_;
  size_t buffer_bytes_ = 1;
  std::vector<asio::const_buffer> buffers_;
};

class End {
 public:
  explicit End(const Load& load) : load_(load) {}
  virtual ~End() = default;

 protected:
  virtual void OnSent() = 0;
  virtual void OnRead(size_t bytes) = 0;
  virtual void OnEnd() = 0;

  void Open() { socket_.set_option(tcp::no_delay(true)); }

  void Send(std::span<const std::byte> bytes, size_t buffer_bytes) {
    outgoing_.Start(bytes, buffer_bytes);
    SendRest();
  }
  void Send(std::span<const std::byte> bytes) { Send(bytes, bytes.size()); }

  void Read(std::byte* to, size_t size) {
    socket_.async_read_some(asio::mutable_buffer(to, size),
                            [this](const asio::error_code& error, size_t bytes) {
                              if (error == asio::error::eof) return OnEnd();
                              Check(error);
                              OnRead(bytes);
                            });
  }
  void ReadInbox() { Read(inbox_.room(), inbox_.room_bytes()); }

  bool frames() const { return load_.content == Content::kFrames; }

  const Load load_;
  asio::io_context io_{ASIO_CONCURRENCY_HINT_UNSAFE};
  tcp::socket socket_{io_};
  Inbox inbox_;

 private:
  void SendRest() {
    socket_.async_write_some(outgoing_.Next(), [this](const asio::error_code& error, size_t bytes) {
      Check(error);
      outgoing_.Consume(bytes);
      outgoing_.empty() ? OnSent() : SendRest();
    });
  }

  Outgoing outgoing_;
};

// --- Server ---

class Server : public End {
 public:
  explicit Server(const Load& load) : End(load), counter_(load) {}

  uint64_t Run(const Announce& announce) {
    tcp::acceptor acceptor(io_, Loopback(0));
    announce(acceptor.local_endpoint().port());
    acceptor.accept(socket_);
    Open();
    ReadInbox();
    io_.run();
    return counter_.messages();
  }

 protected:
  void OnEnd() override { socket_.close(); }

  Counter counter_;
};

class EchoServer final : public Server {
 public:
  using Server::Server;

 private:
  void OnRead(size_t bytes) override {
    inbox_.Filled(bytes);
    frames() ? EchoFrame() : EchoBytes();
  }
  void OnSent() override { ReadInbox(); }

  void EchoBytes() {
    if (inbox_.bytes() < load_.message_bytes) return ReadInbox();
    counter_.OnBytes(load_.message_bytes);
    Send({inbox_.data(), load_.message_bytes});
    inbox_.DropAll();
  }

  // There is one, since the client waits for it: it stays where it is until it was sent.
  void EchoFrame() {
    std::span<const std::byte> echo;
    inbox_.TakeAll([&](const std::byte* frame, size_t size) {
      counter_.OnFrame(frame, size);
      echo = {frame, size};
    });
    echo.empty() ? ReadInbox() : Send(echo);
  }
};

class CountServer final : public Server {
 public:
  using Server::Server;

 private:
  void OnRead(size_t bytes) override {
    if (frames()) {
      inbox_.Filled(bytes);
      inbox_.TakeAll(
          [this](const std::byte* frame, size_t size) { counter_.OnFrame(frame, size); });
    } else {
      counter_.OnBytes(bytes);
    }
    rounds_ += counter_.TakeRounds();
    AnswerOrRead();
  }
  void OnSent() override { AnswerOrRead(); }

  void AnswerOrRead() {
    if (rounds_ == 0) return ReadInbox();
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
      : End(load), keep_going_(keep_going), messages_(MakeMessages(load)) {}

  uint64_t Run(uint16_t port) {
    socket_.connect(Loopback(port));
    Open();
    Start();
    io_.run();
    return sent_;
  }

 protected:
  virtual void Start() = 0;

  // Half-closes, and reads on until the server has ended.
  void Finish() {
    socket_.shutdown(tcp::socket::shutdown_send);
    finished_ = true;
    inbox_.DropAll();
    ReadInbox();
  }
  void OnEnd() override {
    if (!finished_) Die("the server has ended");
    socket_.close();
  }

  const KeepGoing& keep_going_;
  const std::vector<std::byte> messages_;
  uint64_t sent_ = 0;
  bool finished_ = false;
};

class PingPongClient final : public Client {
 public:
  using Client::Client;

 private:
  void Start() override { Send(std::span(messages_).first(load_.message_bytes)); }
  void OnSent() override { ReadInbox(); }

  void OnRead(size_t bytes) override {
    inbox_.Filled(bytes);
    if (!TakeEcho()) return ReadInbox();
    if (++sent_ % kRoundTripsAtOnce == 0 && !keep_going_()) return Finish();
    Start();
  }

  bool TakeEcho() {
    bool whole = inbox_.bytes() >= load_.message_bytes;
    if (frames()) {
      whole = false;
      inbox_.TakeAll([&whole](const std::byte*, size_t) { whole = true; });
    } else if (whole) {
      inbox_.DropAll();
    }
    return whole;
  }
};

class StreamClient final : public Client {
 public:
  using Client::Client;

 private:
  void Start() override {
    if (!frames()) return Send(messages_);
    if (load_.message_bytes >= kGatherFrom) return Send(messages_, load_.message_bytes);
    staged_.resize(messages_.size());
    for (size_t at = 0; at < messages_.size(); at += load_.message_bytes) {
      std::memcpy(staged_.data() + at, messages_.data() + at, load_.message_bytes);
    }
    Send(staged_);
  }

  void OnSent() override {
    sent_ += load_.batch();
    if (sent_ % load_.round() != 0) return Start();
    if (sent_ / load_.round() >= kRoundsUnderWay) return ReadInbox();
    GoOn();
  }

  void OnRead(size_t bytes) override {
    if (finished_) return ReadInbox();
    inbox_.Filled(bytes);
    if (inbox_.bytes() < kReplyBytes) return ReadInbox();
    inbox_.DropAll();
    GoOn();
  }

  void GoOn() { keep_going_() ? Start() : Finish(); }

  std::vector<std::byte> staged_;
};

uint64_t Drive(const Load& load, uint16_t port, const KeepGoing& keep_going) {
  if (load.shape == Shape::kStream) return StreamClient(load, keep_going).Run(port);
  return PingPongClient(load, keep_going).Run(port);
}

}  // namespace

const Contestant kAsio = {"asio", &Serve, &Drive};

}  // namespace faultline::bench
