// Program: a small typed script of socket operations, which every world can run.
//
//   Program program = Program()
//                         .Phase()
//                         .Task(0).Listen(0, Family::kIpv4, 16)
//                         .Task(0).Accept(0, 0)
//                         .Task(1).Connect(0, 0)
//                         .Phase()
//                         .Task(0).Write(Server(0), 1000, {100, 1})
//                         .Task(1).Read(Client(0), 1000, {4096});
//
// A program is a list of phases, a phase is a list of tasks that run together, a task belongs to an
// actor and is a list of steps that run one after the other. A phase begins when every task of the
// one before has ended and what they sent has arrived: a phase's end is a barrier. What two tasks
// of one phase do to one socket may race.
//
// Sockets have numbers, one series a kind: listeners, connections, datagram sockets. A connection
// has two ends, whoever made it: `Client(n)` is what a connect makes, `Server(n)` what the accept
// makes that the program means for it.
//
// Reads and writes go to a position of the stream, counted from its beginning: whatever an earlier
// step has moved, or not moved, a later one makes up for.
//
// A value. `ToSource` prints it as the expression above, which compiles to the same program.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_PROGRAM_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/endpoint.h"

namespace faultline::conformance {

using Family = Endpoint::Family;

enum class StepKind : uint8_t {
  kListen,
  kCloseListener,
  kConnect,
  kAccept,
  kRead,
  kWrite,
  kHalfClose,
  kClose,
  kAbort,
  kDrop,
  kBind,
  kSend,
  kReceive,
  kCloseSocket,
  kSleep,
};
inline constexpr size_t kStepKinds = 15;

// "Listen", as the builder calls it.
std::string_view NameOf(StepKind kind);

// One end of a connection.
struct End {
  int connection = 0;
  bool server = false;

  friend bool operator==(const End&, const End&) = default;
};
constexpr End Client(int connection) { return {connection, false}; }
constexpr End Server(int connection) { return {connection, true}; }
constexpr End PeerOf(End end) { return {end.connection, !end.server}; }
// A number for each end: of the stream that it writes, too.
constexpr uint64_t KeyOf(End end) {
  return static_cast<uint64_t>(end.connection) * 2 + (end.server ? 1 : 0);
}

enum class Limit : uint8_t { kNone, kStop, kDeadline };

using Sizes = std::vector<uint32_t>;

struct Step {
  static constexpr uint64_t kToTheEnd = UINT64_MAX;
  static constexpr int kNobody = -1;

  StepKind kind = StepKind::kSleep;
  int id = 0;           // of the listener, the connection, or the datagram socket
  bool server = false;  // which end of the connection
  int other = kNobody;  // see the builder
  Family family = Family::kNone;
  uint64_t amount = 0;  // see the builder
  bool once = false;    // one read or write, of whatever it moves
  Sizes buffers{};      // of each read or write
  Limit limit = Limit::kNone;
  uint32_t after_us = 0;  // of the limit

  End end() const { return {id, server}; }
  bool OnConnection() const { return kind >= StepKind::kConnect && kind <= StepKind::kDrop; }
  bool OnListener() const { return kind <= StepKind::kAccept; }
  bool OnDatagrams() const { return kind >= StepKind::kBind && kind <= StepKind::kCloseSocket; }
  // Of those that are on a listener.
  int listener() const { return OnConnection() ? other : id; }

  friend bool operator==(const Step&, const Step&) = default;
};

struct TaskScript {
  int actor = 0;
  std::vector<Step> steps{};

  friend bool operator==(const TaskScript&, const TaskScript&) = default;
};

struct PhaseScript {
  std::vector<TaskScript> tasks{};

  friend bool operator==(const PhaseScript&, const PhaseScript&) = default;
};

class Program {
 public:
  static constexpr int kActors = 4;

  // --- The builder. A phase before a task, a task before a step ---
  Program& Phase();
  Program& Task(int actor);

  // Binds to the family's loopback address, or a new Unix path, and port 0.
  Program& Listen(int listener, Family family, int backlog);
  // Where `other` listens or has listened.
  Program& ListenAt(int listener, int other, int backlog);
  Program& CloseListener(int listener);
  // To where `listener` is or was.
  Program& Connect(int connection, int listener);
  Program& Accept(int connection, int listener);
  // Reads or writes until the stream stands at `position`, with buffers of these sizes in each
  // operation.
  Program& Read(End end, uint64_t position, Sizes buffers);
  Program& ReadToEnd(End end, Sizes buffers) { return Read(end, Step::kToTheEnd, buffers); }
  Program& ReadOnce(End end, Sizes buffers);
  Program& Write(End end, uint64_t position, Sizes buffers);
  Program& WriteOnce(End end, Sizes buffers);
  Program& HalfClose(End end);
  Program& Close(End end);
  Program& Abort(End end);
  Program& Drop(End end);  // destroys the stream
  // UDP, on the family's loopback address and port 0.
  Program& Bind(int socket, Family family);
  // Where `other` is or was.
  Program& BindAt(int socket, int other);
  // To where `to` is or was.
  Program& Send(int socket, int to, uint32_t bytes);
  Program& Receive(int socket, uint32_t capacity);
  Program& CloseSocket(int socket);
  Program& Sleep(uint32_t microseconds);

  // Of the last step: it is asked to stop after a time, or has a deadline.
  Program& StopAfter(uint32_t microseconds);
  Program& DeadlineAfter(uint32_t microseconds);
  // A step that was made elsewhere.
  Program& Add(Step step);

  std::vector<PhaseScript>& phases() { return phases_; }
  const std::vector<PhaseScript>& phases() const { return phases_; }
  // How many steps there are.
  size_t size() const;

  // C++ that makes this program.
  std::string ToSource() const;

  friend bool operator==(const Program&, const Program&) = default;

 private:
  std::vector<PhaseScript> phases_;
};

// One step as the builder has it: "Read(Client(0), 100, {7, 1}).StopAfter(2000)".
std::string ToSource(const Step& step);

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_PROGRAM_H_
