// Ours: streams of runtime/epoll for bytes, connections of transports/tcp for frames, as users have
// them: each frame that comes is a `Message` that may be kept, each batch is a `FrozenBatch` of
// shared messages. By default, that is: small messages that are sent lie packed (BufferPacker), and
// those that come share the receive buffer.
//
//   aligned   each message in a buffer of its own, at a multiple of 4096, at both ends
//   threads   as by default, but the server has a second thread: its counts are atomic then. (The
//             client has not: this process would not be known as one with one thread afterwards.)

#include <atomic>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/tcp_workload.h"
#include "runtime/buffer_packer.h"
#include "runtime/check.h"
#include "runtime/endpoint.h"
#include "runtime/epoll/loop.h"
#include "runtime/frozen.h"
#include "runtime/stream_io.h"
#include "transports/message/frame_error.h"
#include "transports/message/message.h"
#include "transports/tcp/tcp.h"

namespace faultline::bench {
namespace {

struct Variant {
  bool aligned = false;
  bool threads = false;

  tcp::ConnectionOptions connection() const { return {.reader = {.own_buffers = aligned}}; }
};

// A thread that does nothing but be there.
class ParkedThread {
 public:
  ParkedThread() : thread_([this] { over_.wait(false); }) {}
  ParkedThread(const ParkedThread&) = delete;
  ParkedThread& operator=(const ParkedThread&) = delete;
  ~ParkedThread() {
    over_.store(true);
    over_.notify_one();
    thread_.join();
  }

 private:
  std::atomic<bool> over_{false};
  std::thread thread_;
};

constexpr size_t kReadBytes = size_t{256} << 10;  // as the peers read
constexpr size_t kMax = message::kDefaultMaxMessageSize;

template <typename T>
T Must(absl::StatusOr<T> result) {
  FAULTLINE_CHECK(result.ok()) << result.status();
  return *std::move(result);
}

void Must(const absl::Status& status) { FAULTLINE_CHECK(status.ok()) << status; }

// As `MessageBuilder` makes them: from a packer, or each in a buffer of the pool.
template <typename Source>
std::vector<Frozen> Share(Source* source, const std::vector<std::byte>& wire, size_t size) {
  std::vector<Frozen> messages;
  for (size_t at = 0; at < wire.size(); at += size) {
    Unfrozen message = source->Allocate(size);
    std::memcpy(message.data(), wire.data() + at, size);
    messages.push_back(std::move(message).Freeze());
  }
  return messages;
}

// --- Server, bytes ---

Task<void> EchoBytes(Stream* stream, const Load* load, Counter* counter) {
  std::vector<std::byte> message(load->message_bytes);
  size_t filled = 0;
  while (size_t got = Must(co_await stream->Read(std::span(message).subspan(filled)))) {
    filled += got;
    if (filled < message.size()) continue;
    counter->OnBytes(std::exchange(filled, 0));
    Must(co_await WriteAll(stream, message));
  }
}

Task<void> CountBytes(Stream* stream, Counter* counter) {
  const std::vector<std::byte> reply = MakeReply();
  std::vector<std::byte> buffer(kReadBytes);
  while (size_t got = Must(co_await stream->Read(buffer))) {
    counter->OnBytes(got);
    for (uint64_t rounds = counter->TakeRounds(); rounds > 0; --rounds) {
      Must(co_await WriteAll(stream, reply));
    }
  }
}

Task<void> ServeBytes(Runtime runtime, const Load* load, const Announce* announce,
                      Counter* counter) {
  auto listener = Must(runtime.network->Listen(Endpoint::Ipv4Loopback(0), {}));
  (*announce)(listener->local_address().port());
  std::unique_ptr<Stream> stream = Must(co_await listener->Accept());
  if (load->shape == Shape::kStream) {
    co_await CountBytes(stream.get(), counter);
  } else {
    co_await EchoBytes(stream.get(), load, counter);
  }
  Must(stream->Close());
}

// --- Server, frames ---

void Count(const message::Message& message, Counter* counter) {
  counter->OnFrame(message.frozen().data(), message.size());
}

Task<void> EchoFrames(tcp::Connection* connection, Counter* counter) {
  FrozenBatch batch;
  while (true) {
    absl::StatusOr<message::Message> message = co_await connection->ReadMessage(kMax);
    if (message::IsConnectionClosed(message.status())) co_return;
    Must(message.status());
    Count(*message, counter);
    batch.Add((*std::move(message)).frozen());
    Must(co_await connection->SendBatch(&batch));
  }
}

Task<void> CountFrames(tcp::Reader* reader, tcp::Writer* writer, BufferPool* pool,
                       Counter* counter) {
  const Frozen reply = pool->Copy(MakeReply());
  FrozenBatch batch;
  while (true) {
    absl::StatusOr<message::Message> message = co_await reader->ReadMessage(kMax);
    if (message::IsConnectionClosed(message.status())) co_return;
    Must(message.status());
    Count(*message, counter);
    while (auto next = reader->TryNext(kMax)) {
      if (!next->ok()) break;
      Count(**next, counter);
    }
    for (uint64_t rounds = counter->TakeRounds(); rounds > 0; --rounds) batch.Add(reply);
    if (!batch.empty()) Must(co_await writer->SendBatch(&batch));
  }
}

Task<void> ServeFrames(Runtime runtime, Variant variant, const Load* load, const Announce* announce,
                       Counter* counter) {
  auto listener =
      Must(tcp::Listener::Listen(runtime.network, runtime.buffers, Endpoint::Ipv4Loopback(0), {}));
  (*announce)(listener.local_address().port());
  tcp::Connection connection = Must(co_await listener.Accept());
  if (load->shape == Shape::kPingPong) {
    co_await EchoFrames(&connection, counter);
    Must(connection.Close());
    co_return;
  }
  auto [reader, writer] = std::move(connection).Split();
  co_await CountFrames(&reader, &writer, runtime.buffers, counter);
  Must(writer.FinishWrites());
}

std::unique_ptr<epoll::Loop> MakeLoop() { return Must(epoll::Loop::Create({})); }

template <Variant kVariant>
uint64_t Serve(const Load& load, const Announce& announce) {
  std::optional<ParkedThread> other;
  if (kVariant.threads) other.emplace();
  Counter counter(load);
  std::unique_ptr<epoll::Loop> loop = MakeLoop();
  loop->Run(load.content == Content::kBytes
                ? ServeBytes(loop->runtime(), &load, &announce, &counter)
                : ServeFrames(loop->runtime(), kVariant, &load, &announce, &counter));
  return counter.messages();
}

// --- Client, bytes ---

Task<void> ReadWhole(Stream* stream, std::vector<std::byte>* message) {
  for (size_t filled = 0; filled < message->size();) {
    size_t got = Must(co_await stream->Read(std::span(*message).subspan(filled)));
    FAULTLINE_CHECK(got > 0) << "the server has ended";
    filled += got;
  }
}

Task<uint64_t> PingPongBytes(Stream* stream, const Load* load, const KeepGoing* keep_going) {
  const std::vector<std::byte> messages = MakeMessages(*load);
  const std::span<const std::byte> message = std::span(messages).first(load->message_bytes);
  std::vector<std::byte> echo(load->message_bytes);
  uint64_t sent = 0;
  do {
    for (uint64_t i = 0; i < kRoundTripsAtOnce; ++i, ++sent) {
      Must(co_await WriteAll(stream, message));
      co_await ReadWhole(stream, &echo);
    }
  } while ((*keep_going)());
  co_return sent;
}

Task<uint64_t> StreamBytes(Stream* stream, const Load* load, const KeepGoing* keep_going) {
  const std::vector<std::byte> messages = MakeMessages(*load);
  std::vector<std::byte> reply(kReplyBytes);
  uint64_t rounds = 0;
  do {
    for (uint64_t sent = 0; sent < load->round(); sent += load->batch()) {
      Must(co_await WriteAll(stream, messages));
    }
    if (++rounds >= kRoundsUnderWay) co_await ReadWhole(stream, &reply);
  } while ((*keep_going)());
  co_return rounds * load->round();
}

Task<void> DriveBytes(Runtime runtime, const Load* load, uint16_t port, const KeepGoing* keep_going,
                      uint64_t* sent) {
  std::unique_ptr<Stream> stream =
      Must(co_await runtime.network->Connect(Endpoint::Ipv4Loopback(port), {}));
  *sent = co_await (load->shape == Shape::kStream ? StreamBytes(stream.get(), load, keep_going)
                                                  : PingPongBytes(stream.get(), load, keep_going));
  Must(stream->ShutdownWrite());
  std::vector<std::byte> rest(kReplyBytes);
  while (Must(co_await stream->Read(rest)) > 0) {
  }
  Must(stream->Close());
}

// --- Client, frames ---

Task<uint64_t> PingPongFrames(tcp::Connection* connection, const std::vector<Frozen>* messages,
                              const KeepGoing* keep_going) {
  FrozenBatch batch;
  uint64_t sent = 0;
  do {
    for (uint64_t i = 0; i < kRoundTripsAtOnce; ++i, ++sent) {
      batch.Add(messages->front());
      Must(co_await connection->SendBatch(&batch));
      Must((co_await connection->ReadMessage(kMax)).status());
    }
  } while ((*keep_going)());
  co_return sent;
}

Task<uint64_t> StreamFrames(tcp::Connection* connection, const Load* load,
                            const std::vector<Frozen>* messages, const KeepGoing* keep_going) {
  FrozenBatch batch;
  uint64_t rounds = 0;
  do {
    for (uint64_t sent = 0; sent < load->round(); sent += load->batch()) {
      for (const Frozen& message : *messages) batch.Add(message);
      Must(co_await connection->SendBatch(&batch));
    }
    if (++rounds >= kRoundsUnderWay) Must((co_await connection->ReadMessage(kMax)).status());
  } while ((*keep_going)());
  co_return rounds * load->round();
}

Task<void> DriveFrames(Runtime runtime, Variant variant, const Load* load, uint16_t port,
                       const KeepGoing* keep_going, uint64_t* sent) {
  BufferPacker packer(runtime.buffers);
  const std::vector<std::byte> wire = MakeMessages(*load);
  const std::vector<Frozen> messages = variant.aligned
                                           ? Share(runtime.buffers, wire, load->message_bytes)
                                           : Share(&packer, wire, load->message_bytes);
  tcp::Connector connector(runtime.network, runtime.buffers, {.connection = variant.connection()});
  tcp::Connection connection = Must(co_await connector.Connect(Endpoint::Ipv4Loopback(port)));
  *sent = co_await (load->shape == Shape::kStream
                        ? StreamFrames(&connection, load, &messages, keep_going)
                        : PingPongFrames(&connection, &messages, keep_going));
  auto [reader, writer] = std::move(connection).Split();
  Must(writer.FinishWrites());
  absl::StatusOr<message::Message> rest = absl::UnknownError("none yet");
  do {
    rest = co_await reader.ReadMessage(kMax);
  } while (rest.ok());
  FAULTLINE_CHECK(message::IsConnectionClosed(rest.status())) << rest.status();
}

template <Variant kVariant>
uint64_t Drive(const Load& load, uint16_t port, const KeepGoing& keep_going) {
  uint64_t sent = 0;
  std::unique_ptr<epoll::Loop> loop = MakeLoop();
  loop->Run(load.content == Content::kBytes
                ? DriveBytes(loop->runtime(), &load, port, &keep_going, &sent)
                : DriveFrames(loop->runtime(), kVariant, &load, port, &keep_going, &sent));
  return sent;
}

template <Variant kVariant>
constexpr Contestant Make(const char* name) {
  return {name, &Serve<kVariant>, &Drive<kVariant>};
}

}  // namespace

const Contestant kFaultline = Make<Variant{}>("faultline");
const Contestant kFaultlineAligned = Make<Variant{.aligned = true}>("faultline_aligned");
const Contestant kFaultlineThreads = Make<Variant{.threads = true}>("faultline_threads");

}  // namespace faultline::bench
