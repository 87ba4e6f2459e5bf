// Talker: one end of a connection, talking: a writer that follows a script and a reader that
// judges, over any transport.
//
//   Talker talker(runtime, &checker, {.dialer = connection->local_address(), .from_dialer = true});
//   co_await talker.Talk(*std::move(connection), script);
#ifndef FAULTLINE_SCENARIOS_CATALOGUE_TALKER_H_
#define FAULTLINE_SCENARIOS_CATALOGUE_TALKER_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/combine.h"
#include "runtime/frozen.h"
#include "runtime/runtime.h"
#include "runtime/task.h"
#include "scenarios/catalogue/talk_checker.h"
#include "transports/message/concepts.h"
#include "transports/message/message.h"

namespace faultline::catalogue {

// What both ends know of each other.
struct TalkLimits {
  size_t max_message_size = size_t{32} << 10;  // that a reader takes
  size_t max_body = size_t{16} << 10;          // that a polite sender sends
  uint64_t max_batches = 12;
  uint64_t max_batch = 24;  // messages
  Duration patience = 30s;  // for a whole talk
  bool excused = false;     // faults may keep a talk from ending
};

class Talker {
 public:
  // The pointers outlive it. `own` is the direction in which this end sends.
  Talker(const Runtime& runtime, TalkChecker* checker, TalkId own, TalkLimits limits)
      : runtime_(runtime), checker_(checker), own_(std::move(own)), limits_(limits) {}

  // Until both directions have ended, or for so long. The connection dies with it.
  template <message::Connection Connection>
  Task<void> Talk(Connection connection, Ending ending) {
    auto [reader, writer] = std::move(connection).Split();
    absl::Status talked =
        co_await Deadline(runtime_.clock, runtime_.clock->Now() + limits_.patience,
                          BothWays(std::move(reader), std::move(writer), ending));
    if (!talked.ok()) checker_->OnGaveUp(own_, limits_.excused);
  }

 private:
  Random* random() const { return runtime_.random; }

  template <message::Reader Reader, message::Writer Writer>
  Task<absl::Status> BothWays(Reader reader, Writer writer, Ending ending) {
    (void)co_await All(Write(std::move(writer), ending), Read(std::move(reader)));
    if ((co_await CurrentStop()).stop_requested()) co_return absl::CancelledError("stopped");
    co_return absl::OkStatus();
  }

  // --- Sending ---

  template <message::Writer Writer>
  Task<void> Write(Writer writer, Ending ending) {
    salt_ = checker_->OnBegin(own_, ending);
    const uint64_t batches = random()->Below(limits_.max_batches + 1);
    for (uint64_t i = 0; i < batches; ++i) {
      (void)co_await runtime_.clock->SleepFor(random()->Between(Duration::zero(), 20ms));
      const bool last = i + 1 == batches;
      if (!co_await SendOne(&writer, ending == Ending::kCancel && last)) co_return;
    }
    if (ending == Ending::kAbort) co_return writer.Abort();
    if (ending == Ending::kTooLarge) co_return co_await SendTooLarge(std::move(writer));
    checker_->OnFinishing(salt_);
    (void)writer.FinishWrites();
  }

  // False if the writer is dead.
  template <message::Writer Writer>
  Task<bool> SendOne(Writer* writer, bool give_up) {
    FrozenBatch batch;
    Fill(&batch, 1 + random()->Below(limits_.max_batch));
    checker_->OnSending(salt_, batch.size());
    const Duration patience = give_up ? random()->Between(Duration::zero(), 1ms) : Duration(1h);
    absl::Status sent = co_await Deadline(runtime_.clock, runtime_.clock->Now() + patience,
                                          writer->SendBatch(&batch));
    if (sent.ok()) co_return true;
    writer_failed_ = true;
    FrozenBatch another;
    Fill(&another, 1);
    checker_->OnSendFailed(salt_, co_await writer->SendBatch(&another));
    co_return false;
  }

  template <message::Writer Writer>
  Task<void> SendTooLarge(Writer writer) {
    FrozenBatch batch;
    batch.Add(
        MakeTalkMessage(runtime_.buffers, salt_, ++number_, limits_.max_message_size).frozen());
    checker_->OnSending(salt_, 1);
    checker_->OnFinishing(salt_);
    if ((co_await writer.SendBatch(&batch)).ok()) (void)writer.FinishWrites();
  }

  void Fill(FrozenBatch* batch, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const size_t size =
          random()->Below(4) == 0 ? random()->Below(limits_.max_body) : random()->Below(200);
      batch->Add(MakeTalkMessage(runtime_.buffers, salt_, ++number_, size).frozen());
    }
  }

  // --- Receiving ---

  template <message::Reader Reader>
  Task<void> Read(Reader reader) {
    TalkChecker::Heard heard{.talk = {own_.dialer, !own_.from_dialer}};
    const bool impatient = random()->Below(2) == 0;
    while (true) {
      const bool failed_before = writer_failed_;
      absl::StatusOr<message::Message> message = co_await ReadOne(&reader, impatient);
      if (message.ok()) {
        checker_->OnMessage(&heard, *message);
      } else if (!absl::IsDeadlineExceeded(message.status())) {
        co_return checker_->OnEnd(heard, message.status(), failed_before);
      }
      if (random()->Below(16) == 0) {
        (void)co_await runtime_.clock->SleepFor(random()->Between(Duration::zero(), 30ms));
      }
    }
  }

  // An impatient reader gives up again and again, and must not lose anything by it.
  template <message::Reader Reader>
  Task<absl::StatusOr<message::Message>> ReadOne(Reader* reader, bool impatient) {
    if (auto next = reader->TryNext(limits_.max_message_size)) co_return *std::move(next);
    const Duration patience = impatient ? random()->Between(Duration::zero(), 3ms) : Duration(1h);
    co_return co_await Deadline(runtime_.clock, runtime_.clock->Now() + patience,
                                reader->ReadMessage(limits_.max_message_size));
  }

  const Runtime runtime_;
  TalkChecker* const checker_;
  const TalkId own_;
  const TalkLimits limits_;
  uint64_t salt_ = 0;
  uint64_t number_ = 0;
  bool writer_failed_ = false;
};

}  // namespace faultline::catalogue

#endif  // FAULTLINE_SCENARIOS_CATALOGUE_TALKER_H_
