#include "scenarios/load/log_reader.h"

#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/combine.h"

namespace faultline::load {
namespace {

using ledger::ClientId;
using ledger::Party;
using message::CatchUpDataFields;
using message::Command;

ClientId DrawId(Entropy* entropy) {
  ClientId id;
  while (id == ClientId()) entropy->Fill(std::as_writable_bytes(std::span(&id, 1)));
  return id;
}

}  // namespace

LogReader::LogReader(const LogReaderConfig& config, const Runtime& runtime,
                     any::Connector connector)
    : config_(config),
      runtime_(runtime),
      frames_(runtime.buffers, config.cluster, Party::Reader(DrawId(runtime.entropy)), 0),
      connector_(std::move(connector)) {}

Task<absl::StatusOr<ledger::Greeting>> LogReader::Connect() {
  connection_.reset();
  auto dialed =
      co_await ledger::Dial(&connector_, config_.server, frames_.Ping({.sequence = ++attempt_}),
                            runtime_.clock, config_.dial);
  if (!dialed.ok()) co_return dialed.status();
  connection_.emplace(*std::move(dialed));
  co_return ledger::ReadGreeting(connection_->answer);
}

Task<absl::StatusOr<message::Message>> LogReader::Read(uint64_t first_op) {
  FAULTLINE_CHECK(connected()) << "nobody to read from";
  Frozen request = frames_.CatchUpRequest(first_op, ledger::Digest(), ++sequence_);
  absl::StatusOr<message::Message> answer = co_await Deadline(
      runtime_.clock, runtime_.clock->Now() + config_.read_timeout, Exchange(std::move(request)));
  if (answer.ok() && (answer->command() != Command::kCatchUpData ||
                      answer->Fields<CatchUpDataFields>().sequence != sequence_)) {
    const std::string_view name = message::CommandName(answer->command());
    answer = absl::InvalidArgumentError(absl::StrCat(
        "entries were asked for, and a ", absl::string_view(name.data(), name.size()), " came"));
  }
  if (!answer.ok()) connection_.reset();
  co_return answer;
}

Task<absl::StatusOr<message::Message>> LogReader::Exchange(Frozen request) {
  FrozenBatch batch;
  batch.Add(std::move(request));
  absl::Status sent = co_await connection_->writer.SendBatch(&batch);
  if (!sent.ok()) co_return sent;
  co_return co_await connection_->reader.ReadMessage(config_.max_message_size);
}

Task<void> LogReader::Finish() {
  if (!connected()) co_return;
  (void)co_await Deadline(runtime_.clock, runtime_.clock->Now() + config_.read_timeout,
                          SayGoodbye());
  connection_.reset();
}

// Half-closes, and waits until the replica has done the same.
Task<absl::Status> LogReader::SayGoodbye() {
  absl::Status status = connection_->writer.FinishWrites();
  while (status.ok()) {
    absl::StatusOr<message::Message> rest =
        co_await connection_->reader.ReadMessage(config_.max_message_size);
    status = rest.status();
  }
  co_return status;
}

}  // namespace faultline::load
