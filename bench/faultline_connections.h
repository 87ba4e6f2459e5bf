// What both ends of a transport of ours do with its listeners and connectors: a load's one
// connection, or its many.
#ifndef FAULTLINE_BENCH_FAULTLINE_CONNECTIONS_H_
#define FAULTLINE_BENCH_FAULTLINE_CONNECTIONS_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "bench/faultline_ends.h"
#include "bench/tcp_workload.h"
#include "runtime/buffer_packer.h"
#include "runtime/check.h"
#include "runtime/endpoint.h"
#include "runtime/frozen.h"
#include "runtime/scope.h"
#include "runtime/task.h"
#include "transports/message/concepts.h"
#include "transports/message/frame_error.h"

namespace faultline::bench {

// --- Server ---

// Reads to the end of the connection; whether a message came.
template <message::Reader Reader>
Task<bool> Outlast(Reader* reader) {
  bool spoken = false;
  while (true) {
    absl::StatusOr<message::Message> message = co_await reader->ReadMessage(kMessageMax);
    if (message::IsConnectionClosed(message.status())) co_return spoken;
    Must(message.status());
    spoken = true;
  }
}

// The same, and finishes then.
template <message::Connection Connection>
Task<bool> ServeToEnd(Connection connection) {
  auto [reader, writer] = std::move(connection).Split();
  const bool spoken = co_await Outlast(&reader);
  Must(writer.FinishWrites());
  co_return spoken;
}

template <message::Listener Listener>
Task<uint64_t> ServeHandshakes(Listener* listener) {
  for (uint64_t count = 0;; ++count) {
    if (co_await ServeToEnd(Must(co_await listener->Accept()))) co_return count;
  }
}

template <message::Connection Connection>
Task<void> Hold(Connection connection) {
  FAULTLINE_CHECK(!co_await ServeToEnd(std::move(connection))) << "an idle connection speaks";
}

template <message::Listener Listener>
Task<uint64_t> ServeIdle(Listener* listener, const Load* load) {
  Scope scope(co_await ThisTask());
  for (size_t i = 0; i < load->connections; ++i) {
    scope.Spawn(Hold(Must(co_await listener->Accept())));
  }
  co_await scope.Join();
  co_return load->connections;
}

// How many messages, or connections, have come.
template <message::Listener Listener>
Task<uint64_t> ServeLoad(Listener* listener, const Load* load, BufferPool* pool) {
  if (load->shape == Shape::kHandshakes) co_return co_await ServeHandshakes(listener);
  if (load->shape == Shape::kIdle) co_return co_await ServeIdle(listener, load);
  Counter counter(*load);
  co_await ServeMessages(Must(co_await listener->Accept()), load, pool, &counter);
  co_return counter.messages();
}

// --- Client ---

// Finishes, and waits until the server has.
template <message::Connection Connection>
Task<void> Part(Connection connection) {
  auto [reader, writer] = std::move(connection).Split();
  Must(writer.FinishWrites());
  FAULTLINE_CHECK(!co_await Outlast(&reader)) << "a server that was not asked speaks";
}

template <message::Connection Connection>
Task<void> SayGoodbye(Connection connection, BufferPool* pool) {
  auto [reader, writer] = std::move(connection).Split();
  FrozenBatch goodbye;
  goodbye.Add(pool->Copy(MakeReply()));
  Must(co_await writer.SendBatch(&goodbye));
  Must(writer.FinishWrites());
  FAULTLINE_CHECK(!co_await Outlast(&reader)) << "a server that was not asked speaks";
}

template <message::Connector Connector>
Task<uint64_t> DriveHandshakes(Connector* connector, Endpoint server, BufferPool* pool,
                               const KeepGoing* keep_going) {
  uint64_t count = 0;
  do {
    co_await Part(Must(co_await connector->Connect(server)));
    ++count;
  } while ((*keep_going)());
  co_await SayGoodbye(Must(co_await connector->Connect(server)), pool);
  co_return count;
}

template <message::Connector Connector>
Task<uint64_t> DriveIdle(Connector* connector, Endpoint server, const KeepGoing* keep_going) {
  std::vector<typename Connector::Connection> connections;
  do {
    connections.push_back(Must(co_await connector->Connect(server)));
  } while ((*keep_going)());
  const uint64_t count = connections.size();
  for (auto& connection : connections) co_await Part(std::move(connection));
  co_return count;
}

// How many messages it has sent, or connections made.
template <message::Connector Connector>
Task<uint64_t> DriveLoad(Connector* connector, Endpoint server, const Load* load, BufferPool* pool,
                         const KeepGoing* keep_going) {
  if (load->shape == Shape::kHandshakes) {
    co_return co_await DriveHandshakes(connector, server, pool, keep_going);
  }
  if (load->shape == Shape::kIdle) co_return co_await DriveIdle(connector, server, keep_going);
  BufferPacker packer(pool);
  const std::vector<Frozen> messages = Share(&packer, MakeMessages(*load), load->message_bytes);
  co_return co_await DriveMessages(Must(co_await connector->Connect(server)), load, &messages,
                                   keep_going);
}

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_FAULTLINE_CONNECTIONS_H_
