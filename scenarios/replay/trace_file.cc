#include "scenarios/replay/trace_file.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace faultline::replay {
namespace {

void PrintLine(const sim::TraceRecord& record, std::FILE* out) {
  const std::string line = record.ToString() + "\n";
  std::fwrite(line.data(), 1, line.size(), out);
}

// A stream of its own on standard output, so that closing it leaves that open.
absl::StatusOr<File> OpenStandardOutput() {
  std::fflush(stdout);
  File file(fdopen(dup(STDOUT_FILENO), "w"));
  if (file == nullptr) return absl::InvalidArgumentError("standard output is closed");
  return file;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TraceWriter>> TraceWriter::Open(const std::string& path,
                                                               TraceForm form) {
  absl::StatusOr<File> file = path == "-" ? OpenStandardOutput() : OpenFile(path, "wb");
  if (!file.ok()) return file.status();
  return std::unique_ptr<TraceWriter>(new TraceWriter(*std::move(file), path, form));
}

TraceWriter::TraceWriter(File file, std::string path, TraceForm form)
    : file_(std::move(file)), path_(std::move(path)), form_(form) {
  if (form_ == TraceForm::kText) return;
  const std::string header = sim::SerializeTraceHeader();
  std::fwrite(header.data(), 1, header.size(), file_.get());
}

void TraceWriter::OnRecord(const sim::TraceRecord& record) {
  if (form_ == TraceForm::kText) {
    PrintLine(record, file_.get());
  } else {
    std::fwrite(&record, sizeof(record), 1, file_.get());
  }
}

absl::Status TraceWriter::Finish() { return FinishFile(std::move(file_), path_); }

absl::StatusOr<TraceReader> TraceReader::Open(const std::string& path) {
  absl::StatusOr<File> file = OpenFile(path, "rb");
  if (!file.ok()) return file.status();
  const std::string expected = sim::SerializeTraceHeader();
  std::string header(expected.size(), '\0');
  const size_t read = std::fread(header.data(), 1, header.size(), file->get());
  absl::Status parsed = sim::ParseTrace(std::string_view(header).substr(0, read)).status();
  if (!parsed.ok()) return parsed;
  return TraceReader(*std::move(file));
}

std::optional<sim::TraceRecord> TraceReader::Next() {
  sim::TraceRecord record;
  const size_t read = std::fread(&record, 1, sizeof(record), file_.get());
  if (read == 0) return std::nullopt;
  if (read < sizeof(record)) {
    status_ = absl::InvalidArgumentError("trace: the last record is cut short");
  } else if (record.kind >= sim::TraceKind::kCount) {
    status_ = absl::InvalidArgumentError("trace: a record is of an unknown kind");
  }
  if (!status_.ok()) return std::nullopt;
  return record;
}

absl::Status ShowTrace(const std::string& path, std::FILE* out) {
  absl::StatusOr<TraceReader> reader = TraceReader::Open(path);
  if (!reader.ok()) return reader.status();
  while (std::optional<sim::TraceRecord> record = reader->Next()) PrintLine(*record, out);
  return reader->status();
}

}  // namespace faultline::replay
