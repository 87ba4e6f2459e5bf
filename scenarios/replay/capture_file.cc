#include "scenarios/replay/capture_file.h"

#include <cstddef>
#include <cstdio>
#include <span>
#include <utility>

namespace faultline::replay {

absl::StatusOr<std::unique_ptr<CaptureFile>> CaptureFile::Open(const std::string& path) {
  absl::StatusOr<File> file = OpenFile(path, "wb");
  if (!file.ok()) return file.status();
  return std::unique_ptr<CaptureFile>(new CaptureFile(*std::move(file), path));
}

CaptureFile::CaptureFile(File file, std::string path)
    : file_(std::move(file)),
      path_(std::move(path)),
      capture_([to = file_.get()](std::span<const std::byte> bytes) {
        std::fwrite(bytes.data(), 1, bytes.size(), to);
      }) {}

absl::Status CaptureFile::Finish() {
  capture_.Finish();
  return FinishFile(std::move(file_), path_);
}

}  // namespace faultline::replay
