// Ours: streams of runtime/epoll for bytes, connections of transports/tcp for frames, as users have
// them: each frame that comes is a `Message` that may be kept, each batch is a `FrozenBatch` of
// shared messages. By default, that is: small messages that are sent lie packed (BufferPacker), and
// those that come share the receive buffer.
//
//   aligned   each message in a buffer of its own, at a multiple of 4096, at both ends
//   threads   as by default, but the server has a second thread: its counts are atomic then. (The
//             client has not: this process would not be known as one with one thread afterwards.)

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "bench/faultline_ends.h"
#include "bench/tcp_workload.h"
#include "runtime/backend/backend.h"
#include "runtime/buffer_packer.h"
#include "runtime/endpoint.h"
#include "runtime/frozen.h"
#include "transports/tcp/tcp.h"

namespace faultline::bench {
namespace {

struct Variant {
  bool aligned = false;
  bool threads = false;
  backend::Backend backend = backend::Backend::kEpoll;

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

// --- Bytes ---

Task<void> ServeTcpBytes(Runtime runtime, const Load* load, const Announce* announce,
                         Counter* counter) {
  auto listener = Must(runtime.network->Listen(Endpoint::Ipv4Loopback(0), {}));
  (*announce)(listener->local_address().port());
  std::unique_ptr<Stream> stream = Must(co_await listener->Accept());
  co_await ServeBytes(stream.get(), load, counter);
  Must(stream->Close());
}

Task<void> DriveTcpBytes(Runtime runtime, const Load* load, uint16_t port,
                         const KeepGoing* keep_going, uint64_t* sent) {
  std::unique_ptr<Stream> stream =
      Must(co_await runtime.network->Connect(Endpoint::Ipv4Loopback(port), {}));
  *sent = co_await DriveBytes(stream.get(), load, keep_going);
  Must(stream->ShutdownWrite());
  co_await DropRest(stream.get());
  Must(stream->Close());
}

// --- Frames ---

Task<void> ServeFrames(Runtime runtime, Variant variant, const Load* load, const Announce* announce,
                       Counter* counter) {
  auto listener =
      Must(tcp::Listener::Listen(runtime.network, runtime.buffers, Endpoint::Ipv4Loopback(0),
                                 {.connection = variant.connection()}));
  (*announce)(listener.local_address().port());
  tcp::Connection connection = Must(co_await listener.Accept());
  co_await ServeMessages(std::move(connection), load, runtime.buffers, counter);
}

std::unique_ptr<kernel::Loop> MakeLoop(Variant variant) {
  return std::move(Must(backend::MakeLoop(variant.backend)).loop);
}

template <Variant kVariant>
uint64_t Serve(const Load& load, const Announce& announce) {
  std::optional<ParkedThread> other;
  if (kVariant.threads) other.emplace();
  Counter counter(load);
  const std::unique_ptr<kernel::Loop> loop = MakeLoop(kVariant);
  loop->Run(load.content == Content::kBytes
                ? ServeTcpBytes(loop->runtime(), &load, &announce, &counter)
                : ServeFrames(loop->runtime(), kVariant, &load, &announce, &counter));
  return counter.messages();
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
  *sent = co_await DriveMessages(std::move(connection), load, &messages, keep_going);
}

template <Variant kVariant>
uint64_t Drive(const Load& load, uint16_t port, const KeepGoing& keep_going) {
  uint64_t sent = 0;
  const std::unique_ptr<kernel::Loop> loop = MakeLoop(kVariant);
  loop->Run(load.content == Content::kBytes
                ? DriveTcpBytes(loop->runtime(), &load, port, &keep_going, &sent)
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
const Contestant kFaultlineUring =
    Make<Variant{.backend = backend::Backend::kIoUring}>("faultline_io_uring");
const Contestant kFaultlineThreads = Make<Variant{.threads = true}>("faultline_threads");

}  // namespace faultline::bench
