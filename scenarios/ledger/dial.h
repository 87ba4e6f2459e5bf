// Dial: connects and shakes hands, within deadlines.
//
//   absl::StatusOr<Dialed<Connection>> dialed =
//       co_await Dial(&connector, endpoint, frames.Ping(greeting), clock, times);
//   ... dialed->answer is a pong ...
#ifndef FAULTLINE_SCENARIOS_LEDGER_DIAL_H_
#define FAULTLINE_SCENARIOS_LEDGER_DIAL_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/clock.h"
#include "runtime/combine.h"
#include "runtime/endpoint.h"
#include "runtime/frozen.h"
#include "runtime/task.h"
#include "transports/message/concepts.h"
#include "transports/message/message.h"

namespace faultline::ledger {

struct DialTimes {
  Duration connect_timeout = 2s;
  Duration handshake_grace = 10s;
};

template <message::Connection Connection>
struct Dialed {
  typename Connection::Reader reader;
  typename Connection::Writer writer;
  message::Message answer;  // a pong
};

// What a reject says. `primary` is whom it names.
//   kNotPrimary: FailedPrecondition; kOverloaded: ResourceExhausted; kSuperseded: AlreadyExists;
//   kWrongCluster: PermissionDenied; kShuttingDown, kNotReady: Unavailable
absl::Status StatusOfReject(const message::RejectFields& reject);

// OK for a pong. Errors: those of `StatusOfReject`; InvalidArgument, it is neither.
absl::Status CheckAnswer(const message::Message& answer);

namespace internal {

template <typename Connection>
Task<absl::StatusOr<Dialed<Connection>>> ShakeHands(typename Connection::Reader reader,
                                                    typename Connection::Writer writer,
                                                    Frozen ping) {
  FrozenBatch batch;
  batch.Add(std::move(ping));
  absl::Status sent = co_await writer.SendBatch(&batch);
  if (!sent.ok()) co_return sent;
  absl::StatusOr<message::Message> answer = co_await reader.ReadMessage(message::kHeaderSize);
  if (!answer.ok()) co_return answer.status();
  if (absl::Status status = CheckAnswer(*answer); !status.ok()) co_return status;
  co_return Dialed<Connection>{std::move(reader), std::move(writer), *std::move(answer)};
}

}  // namespace internal

// `connector` and `clock` outlive the call. Errors: those of `Connect` and of `CheckAnswer`, of
// reading and writing; DeadlineExceeded; Cancelled.
template <message::Connector Connector>
Task<absl::StatusOr<Dialed<typename Connector::Connection>>> Dial(Connector* connector,
                                                                  Endpoint endpoint, Frozen ping,
                                                                  Clock* clock, DialTimes times) {
  using Connection = typename Connector::Connection;
  absl::StatusOr<Connection> connection = co_await Deadline(
      clock, clock->Now() + times.connect_timeout, connector->Connect(std::move(endpoint)));
  if (!connection.ok()) co_return connection.status();
  auto halves = std::move(*connection).Split();
  co_return co_await Deadline(
      clock, clock->Now() + times.handshake_grace,
      internal::ShakeHands<Connection>(std::move(halves.first), std::move(halves.second),
                                       std::move(ping)));
}

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_DIAL_H_
