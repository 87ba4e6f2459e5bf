// LogReader: reads the log of one replica from outside, a chunk at a time.
//
//   LogReader reader({.server = endpoint}, runtime, *any::MakeConnector(...));
//   absl::Status connected = co_await reader.Connect();
//   absl::StatusOr<message::Message> chunk = co_await reader.Read(log.last_op() + 1);
//   ... chunk->Fields<CatchUpDataFields>(), CatchUpBody(chunk->body()) ...
//
// One call at a time. After an error the connection is gone; `Connect` makes another one.
#ifndef FAULTLINE_SCENARIOS_LOAD_LOG_READER_H_
#define FAULTLINE_SCENARIOS_LOAD_LOG_READER_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/endpoint.h"
#include "runtime/runtime.h"
#include "runtime/task.h"
#include "scenarios/ledger/dial.h"
#include "scenarios/ledger/frames.h"
#include "scenarios/ledger/types.h"
#include "transports/any/open.h"
#include "transports/message/message.h"

namespace faultline::load {

struct LogReaderConfig {
  Endpoint server{};  // where the replica listens for clients
  message::Uint128 cluster{1, 0};
  ledger::DialTimes dial{};
  Duration read_timeout = 5s;
  size_t max_message_size = size_t{64} << 20;
};

class LogReader {
 public:
  // `runtime`'s parts outlive it.
  LogReader(const LogReaderConfig& config, const Runtime& runtime, any::Connector connector);
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

  // The answer says who the replica is, and how far its log goes. Errors: those of `ledger::Dial`.
  Task<absl::StatusOr<ledger::Greeting>> Connect();
  bool connected() const { return connection_.has_value(); }

  // Catch-up data from `first_op` on; it has no entries if the replica's log ends before. Errors:
  // DeadlineExceeded, Cancelled, those of the connection; InvalidArgument, it was something else.
  Task<absl::StatusOr<message::Message>> Read(uint64_t first_op);

  // Ends the connection in good order, if there is one.
  Task<void> Finish();

 private:
  Task<absl::StatusOr<message::Message>> Exchange(Frozen request);
  Task<absl::Status> SayGoodbye();

  const LogReaderConfig config_;
  const Runtime runtime_;
  const ledger::FrameMaker frames_;
  any::Connector connector_;
  uint64_t attempt_ = 0;
  uint64_t sequence_ = 0;
  std::optional<ledger::Dialed<any::Connection>> connection_;
};

}  // namespace faultline::load

#endif  // FAULTLINE_SCENARIOS_LOAD_LOG_READER_H_
