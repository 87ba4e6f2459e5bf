// What both ends of a connection of ours do, over whatever carries bytes or messages: the same work
// as the peers' (tcp_workload.h), in the way that users write it.
#ifndef FAULTLINE_BENCH_FAULTLINE_ENDS_H_
#define FAULTLINE_BENCH_FAULTLINE_ENDS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "bench/tcp_workload.h"
#include "runtime/check.h"
#include "runtime/frozen.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/message/concepts.h"
#include "transports/message/frame_error.h"
#include "transports/message/message.h"

namespace faultline::bench {

inline constexpr size_t kReadBytes = size_t{256} << 10;  // as the peers read
inline constexpr size_t kMessageMax = message::kDefaultMaxMessageSize;

template <typename T>
T Must(absl::StatusOr<T> result) {
  FAULTLINE_CHECK(result.ok()) << result.status();
  return *std::move(result);
}

inline void Must(const absl::Status& status) { FAULTLINE_CHECK(status.ok()) << status; }

// --- Bytes ---

// Echoes or counts, until the client has finished.
Task<void> ServeBytes(Stream* stream, const Load* load, Counter* counter);
// How many messages it has sent.
Task<uint64_t> DriveBytes(Stream* stream, const Load* load, const KeepGoing* keep_going);
// Drops what comes until the peer has finished.
Task<void> DropRest(Stream* stream);

// --- Messages ---

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

inline void Count(const message::Message& message, Counter* counter) {
  counter->OnFrame(message.frozen().data(), message.size());
}

template <message::Reader Reader, message::Writer Writer>
Task<void> EchoMessages(Reader* reader, Writer* writer, Counter* counter) {
  FrozenBatch batch;
  while (true) {
    absl::StatusOr<message::Message> message = co_await reader->ReadMessage(kMessageMax);
    if (message::IsConnectionClosed(message.status())) co_return;
    Must(message.status());
    Count(*message, counter);
    batch.Add((*std::move(message)).frozen());
    Must(co_await writer->SendBatch(&batch));
  }
}

template <message::Reader Reader, message::Writer Writer>
Task<void> CountMessages(Reader* reader, Writer* writer, BufferPool* pool, Counter* counter) {
  const Frozen reply = pool->Copy(MakeReply());
  FrozenBatch batch;
  while (true) {
    absl::StatusOr<message::Message> message = co_await reader->ReadMessage(kMessageMax);
    if (message::IsConnectionClosed(message.status())) co_return;
    Must(message.status());
    Count(*message, counter);
    while (auto next = reader->TryNext(kMessageMax)) {
      if (!next->ok()) break;
      Count(**next, counter);
    }
    for (uint64_t rounds = counter->TakeRounds(); rounds > 0; --rounds) batch.Add(reply);
    if (!batch.empty()) Must(co_await writer->SendBatch(&batch));
  }
}

// Echoes or counts, until the client has finished; then finishes as well.
template <message::Connection Connection>
Task<void> ServeMessages(Connection connection, const Load* load, BufferPool* pool,
                         Counter* counter) {
  auto [reader, writer] = std::move(connection).Split();
  if (load->shape == Shape::kPingPong) {
    co_await EchoMessages(&reader, &writer, counter);
  } else {
    co_await CountMessages(&reader, &writer, pool, counter);
  }
  Must(writer.FinishWrites());
}

template <message::Reader Reader, message::Writer Writer>
Task<uint64_t> CallMessages(Reader* reader, Writer* writer, const std::vector<Frozen>* messages,
                            const KeepGoing* keep_going) {
  FrozenBatch batch;
  uint64_t sent = 0;
  do {
    for (uint64_t i = 0; i < kRoundTripsAtOnce; ++i, ++sent) {
      batch.Add(messages->front());
      Must(co_await writer->SendBatch(&batch));
      Must((co_await reader->ReadMessage(kMessageMax)).status());
    }
  } while ((*keep_going)());
  co_return sent;
}

template <message::Reader Reader, message::Writer Writer>
Task<uint64_t> StreamMessages(Reader* reader, Writer* writer, const Load* load,
                              const std::vector<Frozen>* messages, const KeepGoing* keep_going) {
  FrozenBatch batch;
  uint64_t rounds = 0;
  do {
    for (uint64_t sent = 0; sent < load->round(); sent += load->batch()) {
      for (const Frozen& message : *messages) batch.Add(message);
      Must(co_await writer->SendBatch(&batch));
    }
    if (++rounds >= kRoundsUnderWay) Must((co_await reader->ReadMessage(kMessageMax)).status());
  } while ((*keep_going)());
  co_return rounds * load->round();
}

// Sends, finishes, and reads what still comes. How many messages it has sent.
template <message::Connection Connection>
Task<uint64_t> DriveMessages(Connection connection, const Load* load,
                             const std::vector<Frozen>* messages, const KeepGoing* keep_going) {
  auto [reader, writer] = std::move(connection).Split();
  const uint64_t sent = co_await (load->shape == Shape::kStream
                                      ? StreamMessages(&reader, &writer, load, messages, keep_going)
                                      : CallMessages(&reader, &writer, messages, keep_going));
  Must(writer.FinishWrites());
  absl::StatusOr<message::Message> rest = absl::UnknownError("none yet");
  do {
    rest = co_await reader.ReadMessage(kMessageMax);
  } while (rest.ok());
  FAULTLINE_CHECK(message::IsConnectionClosed(rest.status())) << rest.status();
  co_return sent;
}

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_FAULTLINE_ENDS_H_
