// libwebsockets with its own loop (lws_peer.c): what its users write. A message is a frame of
// transports/message; the receiver checks it where it lies, by inlined code.
//
//   lws        a message each time that the connection is writable, as the documentation asks for
//   lws_burst  as many messages as the socket takes

#include <cstring>
#include <span>
#include <vector>

#include "bench/bare_socket.h"
#include "bench/lws_peer.h"
#include "bench/tcp_frames.h"
#include "bench/ws_contestants.h"

namespace faultline::bench {
namespace {

// What both ends do with what comes.
class End {
 public:
  explicit End(const Load& load) : load_(load) {}
  virtual ~End() = default;

  LwsPeer calls(bool bursts) {
    return {.self = this,
            .received = &Received,
            .next = &Next,
            .message_bytes = load_.message_bytes < kReplyBytes ? kReplyBytes : load_.message_bytes,
            .bursts = bursts,
            .patience_seconds = kPatienceSeconds};
  }

 protected:
  // A message, whole and valid. Returns how many are to be sent now.
  virtual int OnMessage(const std::byte* bytes, size_t size) = 0;
  // As `LwsPeer::next`.
  virtual int Next(std::byte* room) = 0;

  static int Copy(std::span<const std::byte> message, std::byte* room) {
    std::memcpy(room, message.data(), message.size());
    return static_cast<int>(message.size());
  }

  const Load load_;

 private:
  static int Received(void* self, const uint8_t* bytes, size_t size, int last) {
    return static_cast<End*>(self)->OnPart({reinterpret_cast<const std::byte*>(bytes), size},
                                           last != 0);
  }
  static int Next(void* self, uint8_t* room) {
    return static_cast<End*>(self)->Next(reinterpret_cast<std::byte*>(room));
  }

  // Messages that come in one piece stay where they are.
  int OnPart(std::span<const std::byte> part, bool last) {
    if (last && parts_.empty()) return Take(part);
    parts_.insert(parts_.end(), part.begin(), part.end());
    if (!last) return 0;
    const int wanted = Take(parts_);
    parts_.clear();
    return wanted;
  }

  int Take(std::span<const std::byte> message) {
    if (message.size() < kFrameHeader || CheckHeader(message.data()) != message.size() ||
        !BodyMatches(message.data(), message.size())) {
      Die("a wrong message");
    }
    return OnMessage(message.data(), message.size());
  }

  std::vector<std::byte> parts_;
};

// --- Server ---

class EchoServer final : public End {
 public:
  EchoServer(const Load& load, Counter* counter) : End(load), counter_(counter) {}

 private:
  int OnMessage(const std::byte* bytes, size_t size) override {
    counter_->OnFrame(bytes, size);
    echo_.assign(bytes, bytes + size);
    return 1;
  }
  int Next(std::byte* room) override {
    if (echo_.empty()) return 0;
    const int size = Copy(echo_, room);
    echo_.clear();
    return size;
  }

  Counter* const counter_;
  std::vector<std::byte> echo_;
};

class CountServer final : public End {
 public:
  CountServer(const Load& load, Counter* counter) : End(load), counter_(counter) {}

 private:
  int OnMessage(const std::byte* bytes, size_t size) override {
    counter_->OnFrame(bytes, size);
    if (counter_->messages() % load_.round() == 0) due_ += counter_->TakeRounds();
    return static_cast<int>(due_);
  }
  int Next(std::byte* room) override {
    if (due_ == 0) return 0;
    --due_;
    return Copy(reply_, room);
  }

  Counter* const counter_;
  const std::vector<std::byte> reply_ = MakeReply();
  uint64_t due_ = 0;
};

template <bool kBursts>
uint64_t Serve(const Load& load, const Announce& announce) {
  Counter counter(load);
  const int fd = BareListener(announce).Accept();
  EchoServer echo(load, &counter);
  CountServer count(load, &counter);
  const LwsPeer calls = load.shape == Shape::kStream ? count.calls(kBursts) : echo.calls(kBursts);
  if (LwsPeerServe(&calls, fd) != 0) Die("libwebsockets serves");
  return counter.messages();
}

// --- Client ---

class Client : public End {
 public:
  Client(const Load& load, const KeepGoing& keep_going)
      : End(load), keep_going_(keep_going), messages_(MakeMessages(load)) {}

  uint64_t sent() const { return sent_; }

 protected:
  std::span<const std::byte> MessageAt(size_t index) const {
    return std::span(messages_).subspan(index * load_.message_bytes, load_.message_bytes);
  }

  const KeepGoing& keep_going_;
  const std::vector<std::byte> messages_;
  uint64_t sent_ = 0;
};

class PingPongClient final : public Client {
 public:
  using Client::Client;

 private:
  int OnMessage(const std::byte*, size_t) override {
    waiting_ = false;
    if (sent_ % kRoundTripsAtOnce == 0) finished_ = !keep_going_();
    return 1;
  }
  int Next(std::byte* room) override {
    if (finished_) return -1;
    if (waiting_) return 0;
    waiting_ = true;
    ++sent_;
    return Copy(MessageAt(0), room);
  }

  bool waiting_ = false;
  bool finished_ = false;
};

class StreamClient final : public Client {
 public:
  using Client::Client;

 private:
  int OnMessage(const std::byte*, size_t) override {
    ++answers_;
    return 1;
  }
  int Next(std::byte* room) override {
    if (!asked_ && sent_ % load_.round() == 0 && sent_ > 0) {
      if (rounds_under_way() >= kRoundsUnderWay) return 0;
      finished_ = !keep_going_();
      asked_ = true;
    }
    if (finished_) return rounds_under_way() > 0 ? 0 : -1;
    const size_t index = sent_ % load_.batch();
    ++sent_;
    asked_ = false;
    return Copy(MessageAt(index), room);
  }

  uint64_t rounds_under_way() const { return sent_ / load_.round() - answers_; }

  uint64_t answers_ = 0;
  bool asked_ = false;
  bool finished_ = false;
};

template <bool kBursts>
uint64_t Drive(const Load& load, uint16_t port, const KeepGoing& keep_going) {
  StreamClient stream(load, keep_going);
  PingPongClient ping(load, keep_going);
  Client* const client = load.shape == Shape::kStream ? static_cast<Client*>(&stream) : &ping;
  const LwsPeer calls = client->calls(kBursts);
  if (LwsPeerDrive(&calls, port) != 0) Die("libwebsockets connects");
  return client->sent();
}

}  // namespace

const Contestant kLibwebsockets = {"lws", &Serve<false>, &Drive<false>};
const Contestant kLibwebsocketsBurst = {"lws_burst", &Serve<true>, &Drive<true>};

}  // namespace faultline::bench
