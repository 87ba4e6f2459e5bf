#include "runtime/conformance/generate.h"

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "runtime/conformance/random.h"

namespace faultline::conformance {
namespace {

constexpr uint32_t kWaitUs = 2000;    // for what should not come
constexpr uint64_t kFits = 12 << 10;  // bytes that nobody reads: every world takes them
constexpr uint64_t kTooMuch = uint64_t{1} << 30;

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {}

  Program Make() {
    MakeListeners();
    const uint64_t connections = 1 + random_.Below(3);
    for (uint64_t i = 0; i < connections; ++i) MakeConnection(Any(listeners_));
    if (random_.Chance({1, 4})) MakeDatagramSockets();
    const uint64_t phases = 2 + random_.Below(6);
    for (uint64_t i = 0; i < phases; ++i) MakePhase();
    return program_;
  }

 private:
  struct Listener {
    int id;
    int actor;
    Family family;
    uint64_t backlog;
    bool open = true;
  };
  struct Side {
    uint64_t written = 0;  // if all goes as planned
    uint64_t read = 0;
    bool finished = false;  // has half-closed, or more
    bool gone = false;
    bool flooded = false;  // has written as much as there was room for
  };
  struct Connection {
    int id;
    int actors[2];
    Side sides[2]{};
    uint64_t moved_in = 0;  // the last phase in which it made a move
  };
  struct Datagrams {
    int id;
    int actor;
    uint64_t waiting = 0;  // datagrams that it has not received
    bool open = true;
  };

  template <typename T>
  T& Any(std::vector<T>& of) {
    return of[random_.Below(of.size())];
  }
  uint64_t AnyOf(std::initializer_list<uint64_t> values) {
    return values.begin()[random_.Below(values.size())];
  }
  int AnyActor() { return static_cast<int>(random_.Below(Program::kActors)); }

  // --- Sockets ---

  void MakeListeners() {
    program_.Phase();
    const uint64_t count = 1 + random_.Below(2);
    for (uint64_t i = 0; i < count; ++i) AddListener();
  }

  void AddListener() {
    const Family family =
        std::initializer_list<Family>{Family::kIpv4, Family::kIpv4, Family::kIpv6, Family::kUnix}
            .begin()[random_.Below(4)];
    Listener listener{next_listener_++, AnyActor(), family, AnyOf({0, 1, 2, 16})};
    program_.Task(listener.actor)
        .Listen(listener.id, listener.family, static_cast<int>(listener.backlog));
    listeners_.push_back(listener);
  }

  void MakeConnection(const Listener& listener) {
    Connection connection{.id = next_connection_++, .actors = {AnyActor(), listener.actor}};
    program_.Phase().Task(connection.actors[0]).Connect(connection.id, listener.id);
    if (random_.Chance({1, 3})) program_.Phase();
    program_.Task(connection.actors[1]).Accept(connection.id, listener.id);
    connections_.push_back(connection);
  }

  void MakeDatagramSockets() {
    program_.Phase();
    const Family family = random_.Chance({1, 2}) ? Family::kIpv4 : Family::kIpv6;
    const uint64_t count = 2 + random_.Below(2);
    for (uint64_t i = 0; i < count; ++i) {
      Datagrams socket{next_datagrams_++, AnyActor()};
      program_.Task(socket.actor).Bind(socket.id, family);
      datagrams_.push_back(socket);
    }
  }

  // --- Moves ---

  void MakePhase() {
    program_.Phase();
    ++phase_;
    const uint64_t moves = 1 + random_.Below(3);
    for (uint64_t i = 0; i < moves; ++i) Move();
  }

  void Move() {
    const uint64_t kind = random_.Below(12);
    if (kind == 0) return ListenerMove();
    if (kind == 1 && !datagrams_.empty()) return DatagramMove();
    Connection& connection = Any(connections_);
    if (connection.moved_in == phase_) return;
    connection.moved_in = phase_;
    ConnectionMove(&connection);
  }

  void ConnectionMove(Connection* c) {
    const int side = static_cast<int>(random_.Below(2));
    if (c->sides[side].flooded && random_.Chance({1, 2})) return Drain(c, side);
    switch (random_.Below(16)) {
      case 0:
      case 1:
      case 2:
        return Transfer(c, side, false);
      case 3:
        Transfer(c, side, false);
        return Transfer(c, 1 - side, false);
      case 4:
      case 5:
        return WriteUnread(c, side);
      case 6:
        return ReadSome(c, side);
      case 7:
        return Transfer(c, side, true);
      case 8:
      case 9:
        return Finish(c, side);
      case 10:
        return Wait(c, side);
      case 11:
        return Fill(c, side);
      case 12:
      case 13:
        return Probe(c, side);
      case 14:
        return RaceWithStop(c, side);
      default:
        return RaceWithEnd(c, side);
    }
  }

  static End EndOf(const Connection& c, int side) { return {c.id, side == 1}; }
  Program& TaskOf(const Connection& c, int side) { return program_.Task(c.actors[side]); }

  Sizes SomeBuffers() {
    Sizes sizes;
    const uint64_t count = AnyOf({1, 1, 1, 2, 3, 7});
    for (uint64_t i = 0; i < count; ++i) {
      sizes.push_back(static_cast<uint32_t>(AnyOf({1, 10, 100, 1000, 1460, 4096, 16384, 70000})));
    }
    return sizes;
  }
  // Buffers for `bytes` in not too many operations.
  Sizes BuffersFor(uint64_t bytes) {
    Sizes sizes = SomeBuffers();
    uint64_t total = 0;
    for (uint32_t size : sizes) total += size;
    if (total * 200 < bytes) sizes.push_back(static_cast<uint32_t>(bytes / 20));
    return sizes;
  }

  bool CanTransfer(const Connection& c, int side) const {
    const Side& writer = c.sides[side];
    return !writer.finished && !writer.gone && !writer.flooded && !c.sides[1 - side].gone;
  }

  // `side` writes and the other reads, to the same place; or to the end.
  void Transfer(Connection* c, int side, bool to_the_end) {
    if (!CanTransfer(*c, side)) return Probe(c, side);
    Side& writer = c->sides[side];
    const uint64_t bytes = AnyOf({1, 10, 1000, 5000, 70000, 300000});
    writer.written += bytes;
    TaskOf(*c, side).Write(EndOf(*c, side), writer.written, BuffersFor(bytes));
    if (to_the_end) {
      program_.HalfClose(EndOf(*c, side));
      writer.finished = true;
    }
    const uint64_t read_to = to_the_end ? Step::kToTheEnd : writer.written;
    Side& reader = c->sides[1 - side];
    const Sizes buffers = BuffersFor(writer.written - reader.read);
    TaskOf(*c, 1 - side).Read(EndOf(*c, 1 - side), read_to, buffers);
    reader.read = writer.written;
  }

  void WriteUnread(Connection* c, int side) {
    if (!CanTransfer(*c, side)) return Probe(c, side);
    Side& writer = c->sides[side];
    const uint64_t unread = writer.written - c->sides[1 - side].read;
    if (unread >= kFits) return;
    const uint64_t bytes = 1 + random_.Below(kFits - unread);
    writer.written += bytes;
    TaskOf(*c, side).Write(EndOf(*c, side), writer.written, {static_cast<uint32_t>(bytes), 10});
  }

  void ReadSome(Connection* c, int side) {
    Side& reader = c->sides[side];
    const uint64_t there = c->sides[1 - side].written;
    if (there <= reader.read) return Probe(c, side);
    if (random_.Chance({1, 3})) {
      TaskOf(*c, side).ReadOnce(EndOf(*c, side), SomeBuffers()).DeadlineAfter(kWaitUs);
    } else {
      reader.read += 1 + random_.Below(there - reader.read);
      TaskOf(*c, side).Read(EndOf(*c, side), reader.read, SomeBuffers()).DeadlineAfter(kWaitUs);
    }
  }

  void Finish(Connection* c, int side) {
    Side& end = c->sides[side];
    Program& task = TaskOf(*c, side);
    const uint64_t kind = random_.Below(5);
    if (kind <= 1) {
      task.HalfClose(EndOf(*c, side));
    } else {
      kind == 2   ? task.Close(EndOf(*c, side))
      : kind == 3 ? task.Abort(EndOf(*c, side))
                  : task.Drop(EndOf(*c, side));
      end.gone = true;
    }
    end.finished = true;
  }

  // Something that waits, and is stopped.
  void Wait(Connection* c, int side) {
    TaskOf(*c, side).ReadOnce(EndOf(*c, side), SomeBuffers());
    SomeLimit();
  }

  void SomeLimit() {
    const auto after = static_cast<uint32_t>(AnyOf({0, 100, 1000, kWaitUs}));
    random_.Chance({1, 2}) ? program_.StopAfter(after) : program_.DeadlineAfter(after);
  }

  // Writes until there is no room.
  void Fill(Connection* c, int side) {
    if (!CanTransfer(*c, side) || !random_.Chance({1, 3})) return Probe(c, side);
    TaskOf(*c, side).Write(EndOf(*c, side), kTooMuch, {65536}).StopAfter(2 * kWaitUs);
    c->sides[side].flooded = true;
  }

  // The flood ends, and the other side reads it.
  void Drain(Connection* c, int side) {
    Side& writer = c->sides[side];
    if (writer.gone || c->sides[1 - side].gone) return Probe(c, side);
    TaskOf(*c, side).HalfClose(EndOf(*c, side));
    TaskOf(*c, 1 - side).ReadToEnd(EndOf(*c, 1 - side), {65536, 1000});
    writer.finished = true;
  }

  // A step that may do anything, whatever the stream has gone through.
  void Probe(Connection* c, int side) {
    const End end = EndOf(*c, side);
    Program& task = TaskOf(*c, side);
    const uint64_t steps = 1 + random_.Below(3);
    for (uint64_t i = 0; i < steps; ++i) {
      switch (random_.Below(6)) {
        case 0:
        case 1:
          task.ReadOnce(end, SomeBuffers()).DeadlineAfter(kWaitUs);
          break;
        case 2:
          task.ReadToEnd(end, {65536}).DeadlineAfter(kWaitUs);
          break;
        case 3:
        case 4:
          task.WriteOnce(end, {static_cast<uint32_t>(AnyOf({1, 100}))}).DeadlineAfter(kWaitUs);
          break;
        default:
          task.HalfClose(end);
          c->sides[side].finished = true;
      }
    }
  }

  // A read that is stopped about when the bytes come.
  void RaceWithStop(Connection* c, int side) {
    if (!CanTransfer(*c, side)) return Probe(c, side);
    const uint64_t unread = c->sides[side].written - c->sides[1 - side].read;
    if (unread >= kFits) return;
    c->sides[side].written += 1000;
    TaskOf(*c, 1 - side).Read(EndOf(*c, 1 - side), c->sides[side].written, SomeBuffers());
    SomeLimit();
    TaskOf(*c, side)
        .Sleep(static_cast<uint32_t>(AnyOf({0, 100, 1000})))
        .Write(EndOf(*c, side), c->sides[side].written, {700, 50});
  }

  // One end ends while the other does something.
  void RaceWithEnd(Connection* c, int side) {
    if (c->sides[side].gone) return Probe(c, 1 - side);
    Program& task = TaskOf(*c, side).Sleep(static_cast<uint32_t>(AnyOf({0, 0, 100, 500})));
    random_.Chance({1, 2}) ? task.Abort(EndOf(*c, side)) : task.Close(EndOf(*c, side));
    c->sides[side].gone = c->sides[side].finished = true;
    Probe(c, 1 - side);
  }

  // --- Listeners ---

  void ListenerMove() {
    Listener& listener = Any(listeners_);
    switch (random_.Below(6)) {
      case 0:
        return Press(&listener);
      case 1:
        program_.Task(listener.actor).CloseListener(listener.id);
        listener.open = false;
        return;
      case 2:
        program_.Task(AnyActor()).Connect(next_connection_++, listener.id).DeadlineAfter(kWaitUs);
        return;
      case 3:
        program_.Task(listener.actor).Accept(next_connection_++, listener.id);
        return SomeLimit();
      case 4:
        program_.Task(listener.actor).ListenAt(next_listener_++, listener.id, 1);
        return;
      default:
        program_.Task(AnyActor()).Connect(next_connection_++, listener.id).DeadlineAfter(kWaitUs);
        program_.Task(listener.actor).CloseListener(listener.id);
        listener.open = false;
    }
  }

  // More connects than there is room for; then some accepts.
  void Press(Listener* listener) {
    if (listener->backlog > 2) return;
    const int first = next_connection_;
    Program& task = program_.Task(AnyActor());
    for (uint64_t i = 0; i < listener->backlog + 2; ++i) {
      task.Connect(next_connection_++, listener->id).DeadlineAfter(kWaitUs);
    }
    program_.Phase();
    ++phase_;
    program_.Task(listener->actor);
    for (int id = first; id < next_connection_; ++id) {
      program_.Accept(id, listener->id).DeadlineAfter(kWaitUs);
    }
  }

  // --- Datagrams ---

  void DatagramMove() {
    Datagrams& socket = Any(datagrams_);
    switch (random_.Below(8)) {
      case 0:
        program_.Task(socket.actor).CloseSocket(socket.id);
        socket.open = false;
        return;
      case 1:
        program_.Task(socket.actor).BindAt(next_datagrams_++, socket.id);
        return;
      case 2:
      case 3:
        program_.Task(socket.actor).Receive(socket.id, SomeDatagram());
        return SomeLimit();
      default:
        return Exchange(&socket, &Any(datagrams_));
    }
  }

  uint32_t SomeDatagram() { return static_cast<uint32_t>(AnyOf({0, 1, 100, 1472, 1473, 9000})); }
  // At the edge of what there is.
  uint32_t LongDatagram() {
    return static_cast<uint32_t>(AnyOf({9000, 65507, 65508, 65527, 65528}));
  }

  void Exchange(Datagrams* from, Datagrams* to) {
    Program& task = program_.Task(from->actor);
    const uint64_t count = 1 + random_.Below(3);
    for (uint64_t i = 0; i < count; ++i) {
      task.Send(from->id, to->id, i == 0 ? LongDatagram() : SomeDatagram());
    }
    program_.Phase();
    ++phase_;
    program_.Task(to->actor);
    for (uint64_t i = 0; i < count; ++i) {
      program_.Receive(to->id, random_.Chance({1, 2}) ? SomeDatagram() : LongDatagram())
          .DeadlineAfter(kWaitUs);
    }
  }

  SeededRandom random_;
  Program program_;
  std::vector<Listener> listeners_;
  std::vector<Connection> connections_;
  std::vector<Datagrams> datagrams_;
  int next_listener_ = 0;
  int next_connection_ = 0;
  int next_datagrams_ = 0;
  uint64_t phase_ = 0;
};

}  // namespace

Program Generate(uint64_t seed) { return Generator(seed).Make(); }

}  // namespace faultline::conformance
