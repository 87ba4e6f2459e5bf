// What `//bench:tcp` asks of each contestant: two ends of one TCP connection over loopback, a
// process each.
//
// Both ends run on one processor, or each on one of its own (`Cores`). On one, a round trip is what
// the two ends do, one after the other. On two it is mostly what it takes to wake the other one up.
//
// The server listens, accepts one connection, serves it until the client has half-closed, and ends.
//
//   kPingPong  the client sends a message and waits for its echo
//   kStream    the client sends messages in batches; the server counts them, and answers each round
//              of them with one message. At most two rounds are under way, so that the connection
//              is never idle and never without an end.
//
// Those of `//bench:transports` shake hands as well, over connections of their own:
//
//   kHandshakes  the client connects, and closes in order as soon as the handshake is done; again
//                and again. The last connection brings a byte: it ends the server.
//   kIdle        the client opens `connections` connections; nothing is said on any. The server
//                ends when the client has closed them.
//
//   kBytes     a message is so many bytes. Both ends know the size; nobody looks at the bytes.
//   kFrames    a message is a frame of transports/message. The receiver finds the frames by their
//              sizes, checks everything that makes a frame valid, both seals included, and hands
//              each one to a counter.
#ifndef FAULTLINE_BENCH_TCP_WORKLOAD_H_
#define FAULTLINE_BENCH_TCP_WORKLOAD_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace faultline::bench {

enum class Shape { kPingPong, kStream, kHandshakes, kIdle };
enum class Content { kBytes, kFrames };
enum class Cores { kOne, kTwo };

inline constexpr size_t kBatchMessagesMax = 512;
inline constexpr size_t kBatchBytesMax = size_t{512} << 10;
inline constexpr size_t kRoundBytes = size_t{4} << 20;
inline constexpr uint64_t kRoundsUnderWay = 2;
inline constexpr size_t kReplyBytes = 256;         // the answer to a round; a header's size
inline constexpr uint64_t kRoundTripsAtOnce = 64;  // between two looks at the watch
inline constexpr int kPatienceSeconds = 60;        // then an end gives up, loudly

struct Load {
  Shape shape;
  Content content;
  size_t message_bytes;
  Cores cores = Cores::kOne;
  size_t connections = 1;  // kIdle alone

  size_t batch() const;    // messages in a batch
  uint64_t round() const;  // messages in a round; whole batches
};

// Whether to go on, and for so many messages or round trips: one `step`.
using KeepGoing = std::function<bool()>;
using Announce = std::function<void(uint16_t port)>;

// How one library speaks TCP, or what is on top of it. Both functions return how many messages they
// have seen whole: the server those that came, the client those that it sent; or how many
// connections they have had. `keep_going` is asked after each step, after each of these.
struct Contestant {
  const char* name;
  uint64_t (*serve)(const Load& load, const Announce& announce);
  uint64_t (*drive)(const Load& load, uint16_t port, const KeepGoing& keep_going);
  bool over_tcp = true;
};

extern const Contestant kBare;            // tcp_bare.cc
extern const Contestant kAsio;            // asio_tcp.cc
extern const Contestant kFaultline;       // tcp_faultline.cc
extern const Contestant kFaultlineUring;  // the same on io_uring
// Variants of it, for frames.
extern const Contestant kFaultlineAligned;
extern const Contestant kFaultlineThreads;

// `batch()` messages to send: valid frames, or any bytes. One behind the other.
std::vector<std::byte> MakeMessages(const Load& load);
// What the server answers a round with: a frame of 256 bytes.
std::vector<std::byte> MakeReply();

// What happens to a message that has come.
class Counter {
 public:
  explicit Counter(const Load& load) : load_(load) {}

  // Not inlined: a frame leaves the reader's code, in each contestant.
  void OnFrame(const std::byte* frame, size_t size);
  // `bytes` more of a stream without frames.
  void OnBytes(size_t bytes) { bytes_ += bytes; }

  uint64_t messages() const { return bytes_ / load_.message_bytes; }
  // Rounds that are complete and were not answered yet; they count as answered then.
  uint64_t TakeRounds();

 private:
  const Load load_;
  uint64_t bytes_ = 0;
  uint64_t first_bytes_ = 0;  // so that somebody has looked at each frame
  uint64_t answered_ = 0;
};

// Ends the program with what errno says.
[[noreturn]] void Die(const char* what);

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_TCP_WORKLOAD_H_
