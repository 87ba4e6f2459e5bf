// Traces in files: written while a run goes on, read back record by record, so that neither needs
// more memory than a buffer.
//
//   absl::StatusOr<std::unique_ptr<TraceWriter>> writer = TraceWriter::Open(path, kBinary);
//   scenario.Run(options, {.sink = writer->get()});
//   absl::Status written = (*writer)->Finish();
#ifndef FAULTLINE_SCENARIOS_REPLAY_TRACE_FILE_H_
#define FAULTLINE_SCENARIOS_REPLAY_TRACE_FILE_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "scenarios/replay/files.h"
#include "sim/trace.h"

namespace faultline::replay {

enum class TraceForm : uint8_t { kBinary, kText };

class TraceWriter final : public sim::TraceSink {
 public:
  // "-" is standard output. Errors: InvalidArgument, the file cannot be opened.
  static absl::StatusOr<std::unique_ptr<TraceWriter>> Open(const std::string& path, TraceForm form);

  void OnRecord(const sim::TraceRecord& record) override;

  // Once, after the run. Errors: DataLoss, not everything could be written.
  absl::Status Finish();

 private:
  TraceWriter(File file, std::string path, TraceForm form);

  File file_;
  const std::string path_;
  const TraceForm form_;
};

class TraceReader {
 public:
  // Errors: InvalidArgument, the file cannot be read or is no trace.
  static absl::StatusOr<TraceReader> Open(const std::string& path);

  // The next record; nothing at the end, and at the first one that is damaged.
  std::optional<sim::TraceRecord> Next();
  // Why it ended. Errors: InvalidArgument, the file is damaged.
  const absl::Status& status() const { return status_; }

 private:
  explicit TraceReader(File file) : file_(std::move(file)) {}

  File file_;
  absl::Status status_;
};

// Tells several sinks. Not owned.
class TeeSink final : public sim::TraceSink {
 public:
  void Add(sim::TraceSink* sink) { sinks_.push_back(sink); }
  bool empty() const { return sinks_.empty(); }

  void OnRecord(const sim::TraceRecord& record) override {
    for (sim::TraceSink* sink : sinks_) sink->OnRecord(record);
  }

 private:
  std::vector<sim::TraceSink*> sinks_;
};

// Prints the trace in `path` to `out`, a line a record. Errors: InvalidArgument.
absl::Status ShowTrace(const std::string& path, std::FILE* out);

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_TRACE_FILE_H_
