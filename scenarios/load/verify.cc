#include "scenarios/load/verify.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "runtime/scope.h"
#include "scenarios/ledger/any.h"
#include "scenarios/ledger/checkers/log_checker.h"
#include "scenarios/ledger/frames.h"
#include "scenarios/ledger/log.h"
#include "scenarios/load/log_reader.h"

namespace faultline::load {
namespace {

using ledger::CatchUpBody;
using ledger::Digest;
using ledger::DigestFromWire;
using ledger::DigestOfRequest;
using ledger::Findings;
using ledger::Greeting;
using ledger::Log;
using ledger::LogChecker;
using ledger::Party;
using ledger::ReplicaId;
using message::CatchUpDataFields;

// As much as a replica was allowed to take.
constexpr ledger::LogLimits kEverything{.max_entries = std::numeric_limits<uint64_t>::max(),
                                        .max_payload_bytes = std::numeric_limits<uint64_t>::max()};

// One replica's log as far as it has been read.
struct Mirror {
  Mirror(const LogReaderConfig& config, const Runtime& runtime, any::Connector connector)
      : server(config.server), reader(config, runtime, std::move(connector)) {}

  const Endpoint server;
  LogReader reader;
  std::optional<Greeting> greeting;  // of the first connection
  Log log{kEverything};
  absl::Status last_error;  // of the connection
  bool parted = false;      // it is no use to read on
};

absl::StatusOr<Greeting> CheckReplica(const Greeting& greeting) {
  const Party& who = greeting.who;
  if (who.kind == Party::Kind::kReplica && who.replica < ledger::kMaxReplicas) return greeting;
  return absl::InvalidArgumentError(absl::StrCat(ToString(who), " answered"));
}

class Verifier {
 public:
  Verifier(VerifyConfig config, const Runtime& runtime, const OutsideChecker* acknowledged,
           Findings* findings)
      : config_(std::move(config)),
        runtime_(runtime),
        acknowledged_(acknowledged),
        findings_(findings) {}

  absl::Status Prepare(const any::Environment& environment) {
    for (const Endpoint& server : config_.replicas) {
      absl::StatusOr<any::Connector> connector =
          any::MakeConnector(environment, config_.by, config_.transport);
      if (!connector.ok()) return connector.status();
      mirrors_.push_back(
          std::make_unique<Mirror>(LogReaderConfig{.server = server, .cluster = config_.cluster},
                                   runtime_, *std::move(connector)));
    }
    return absl::OkStatus();
  }

  Task<Verification> Run() {
    co_await ForEach(&Verifier::Meet);
    Mirror* primary = Introduce();
    if (primary != nullptr) co_await Compare(primary);
    co_await ForEach(&Verifier::Leave);
    co_return primary == nullptr ? Verification() : Report(primary->log);
  }

 private:
  Clock* clock() const { return runtime_.clock; }
  MonotonicTime GiveUp() const { return clock()->Now() + config_.patience; }

  Task<void> ForEach(Task<void> (Verifier::*step)(Mirror*)) {
    Scope scope(co_await ThisTask());
    for (const auto& mirror : mirrors_) scope.Spawn((this->*step)(mirror.get()));
    co_await scope.Join();
  }

  Task<void> Compare(Mirror* primary) {
    end_ = primary->greeting->op;
    co_await ReadLog(primary);
    co_await ForEach(&Verifier::ReadLog);
    CheckAcknowledged(primary->log);
    logs_->CheckConverged();
  }

  Task<void> Leave(Mirror* mirror) { co_await mirror->reader.Finish(); }

  // Connects for the first time.
  Task<void> Meet(Mirror* mirror) {
    const MonotonicTime give_up = GiveUp();
    while (!mirror->greeting.has_value() && clock()->Now() < give_up) {
      absl::StatusOr<Greeting> greeting = co_await mirror->reader.Connect();
      if (greeting.ok()) greeting = CheckReplica(*greeting);
      if (greeting.ok()) {
        mirror->greeting = *greeting;
        co_return;
      }
      mirror->last_error = greeting.status();
      if (absl::IsPermissionDenied(greeting.status())) break;
      absl::Status slept = co_await clock()->SleepFor(config_.pause);
      if (!slept.ok()) break;
    }
    findings_->Add("readable", absl::StrCat("no replica was met at ", mirror->server.ToString(),
                                            ": ", mirror->last_error.ToString()));
  }

  // Makes the checker know them. Returns the primary; null if it is not there.
  Mirror* Introduce() {
    size_t count = mirrors_.size();
    for (const auto& mirror : mirrors_) {
      if (mirror->greeting.has_value()) {
        count = std::max<size_t>(count, mirror->greeting->who.replica + size_t{1});
      }
    }
    logs_.emplace(static_cast<uint8_t>(count), findings_);
    std::vector<Mirror*> by_id(count);
    for (const auto& mirror : mirrors_) {
      if (mirror->greeting.has_value()) IntroduceOne(mirror.get(), &by_id);
    }
    if (by_id[0] == nullptr) {
      findings_->Add("readable", "none of the addresses is that of the primary, replica 0");
    }
    return by_id[0];
  }

  void IntroduceOne(Mirror* mirror, std::vector<Mirror*>* by_id) {
    const ReplicaId id = mirror->greeting->who.replica;
    if (Mirror* other = std::exchange((*by_id)[id], mirror); other != nullptr) {
      mirror->parted = true;
      (*by_id)[id] = other;
      findings_->Add("readable",
                     absl::StrCat(other->server.ToString(), " and ", mirror->server.ToString(),
                                  " are both replica ", int{id}));
      return;
    }
    logs_->OnReplicaStarted(id, mirror->greeting->incarnation, &mirror->log);
  }

  // Up to where the primary's log ended, or as far as it goes.
  Task<void> ReadLog(Mirror* mirror) {
    if (!mirror->greeting.has_value()) co_return;
    MonotonicTime give_up = GiveUp();
    while (mirror->log.last_op() < end_ && !mirror->parted && clock()->Now() < give_up) {
      const uint64_t before = mirror->log.last_op();
      mirror->last_error = co_await ReadMore(mirror);
      if (mirror->log.last_op() > before) {
        give_up = GiveUp();
      } else {
        absl::Status slept = co_await clock()->SleepFor(config_.pause);
        if (!slept.ok()) co_return;
      }
    }
    if (mirror->log.last_op() >= end_ || mirror->last_error.ok() || mirror->parted) co_return;
    findings_->Add("readable", absl::StrCat(Name(mirror), " at ", mirror->server.ToString(),
                                            " could not be read behind op ", mirror->log.last_op(),
                                            ": ", mirror->last_error.ToString()));
  }

  Task<absl::Status> ReadMore(Mirror* mirror) {
    if (!mirror->reader.connected()) {
      absl::StatusOr<Greeting> greeting = co_await mirror->reader.Connect();
      if (!greeting.ok()) co_return greeting.status();
      if (greeting->who != mirror->greeting->who) {
        co_return absl::InvalidArgumentError(
            absl::StrCat(ToString(greeting->who), " is there now"));
      }
    }
    absl::StatusOr<message::Message> chunk =
        co_await mirror->reader.Read(mirror->log.last_op() + 1);
    if (!chunk.ok()) co_return chunk.status();
    co_return Take(mirror, *chunk);
  }

  absl::Status Take(Mirror* mirror, const message::Message& chunk) {
    const CatchUpDataFields fields = chunk.Fields<CatchUpDataFields>();
    Log& log = mirror->log;
    if (fields.count == 0) return absl::OkStatus();
    if (fields.first_op != log.last_op() + 1) {
      return absl::InvalidArgumentError(absl::StrCat("entries from op ", fields.first_op,
                                                     " came instead of op ", log.last_op() + 1));
    }
    if (DigestFromWire(fields.parent) != log.chain()) {
      mirror->parted = true;
      findings_->Add(
          "same-log",
          absl::StrCat(Name(mirror), " took back what it had given up to op ", log.last_op()));
      return absl::OkStatus();
    }
    CatchUpBody body(chunk.body());
    while (std::optional<CatchUpBody::Item> item = body.Next()) {
      if (log.last_op() == end_) break;
      absl::StatusOr<uint64_t> op = log.Append(item->id, item->payload);
      if (!op.ok()) return op.status();
      logs_->OnAppended(mirror->greeting->who.replica, *op);
    }
    return body.status();
  }

  void CheckAcknowledged(const Log& primary) {
    acknowledged_->ForEachAcknowledged([&](const Acknowledged& entry) {
      ++acknowledged_count_;
      logs_->OnCompleted(entry.id, entry.op);
      if (entry.op > primary.last_op() || primary.at(entry.op).id != entry.id) return;
      const Digest stands = DigestOfRequest(entry.id, primary.at(entry.op).payload_digest);
      if (stands == entry.request) return;
      findings_->Add("unchanged", absl::StrCat(ToString(entry.id), " at op ", entry.op,
                                               " is not what its client sent"));
    });
  }

  Verification Report(const Log& primary) const {
    Verification report{
        .entries = primary.last_op(), .acknowledged = acknowledged_count_, .log = primary.chain()};
    for (const auto& mirror : mirrors_) {
      if (mirror->greeting.has_value() && !mirror->parted && mirror->log.last_op() == end_) {
        ++report.replicas;
      }
    }
    return report;
  }

  static std::string Name(const Mirror* mirror) { return ToString(mirror->greeting->who); }

  const VerifyConfig config_;
  const Runtime runtime_;
  const OutsideChecker* const acknowledged_;
  Findings* const findings_;
  std::vector<std::unique_ptr<Mirror>> mirrors_;
  std::optional<LogChecker> logs_;
  uint64_t end_ = 0;  // of the primary's log, when it was met
  uint64_t acknowledged_count_ = 0;
};

}  // namespace

Task<Verification> VerifyReplicas(VerifyConfig config, Runtime runtime,
                                  const OutsideChecker* acknowledged, Findings* findings) {
  any::Security* const security = config.transport.security;
  Scope background(runtime.executor);
  Verification verification;
  {
    Verifier verifier(std::move(config), runtime, acknowledged, findings);
    const absl::Status prepared = verifier.Prepare({runtime, &background});
    if (prepared.ok()) {
      verification = co_await verifier.Run();
    } else {
      findings->Add("readable", prepared.ToString());
    }
  }
  co_await ledger::EndTransports(&background, security);
  co_return verification;
}

}  // namespace faultline::load
