#include "scenarios/replay/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace faultline::replay {

std::string UserPath(const std::string& path) {
  const char* stands_in = std::getenv("BUILD_WORKING_DIRECTORY");
  if (path.starts_with('/') || stands_in == nullptr) return path;
  return absl::StrCat(stands_in, "/", path);
}

absl::StatusOr<File> OpenFile(const std::string& path, const char* mode) {
  File file(std::fopen(path.c_str(), mode));
  if (file != nullptr) return file;
  return absl::InvalidArgumentError(absl::StrCat("cannot open ", path, ": ", strerror(errno)));
}

absl::Status FinishFile(File file, const std::string& path) {
  const bool failed_before = std::ferror(file.get()) != 0;
  const bool failed = std::fclose(file.release()) != 0 || failed_before;
  if (!failed) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("cannot write ", path, ": ", strerror(errno)));
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path) {
  absl::StatusOr<File> file = OpenFile(path, "rb");
  if (!file.ok()) return file.status();
  std::string content;
  std::array<char, 1 << 16> buffer;
  while (size_t read = std::fread(buffer.data(), 1, buffer.size(), file->get())) {
    content.append(buffer.data(), read);
  }
  if (std::ferror(file->get()) == 0) return content;
  return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", strerror(errno)));
}

absl::Status WriteWholeFile(const std::string& path, std::string_view content) {
  absl::StatusOr<File> file = OpenFile(path, "wb");
  if (!file.ok()) return file.status();
  std::fwrite(content.data(), 1, content.size(), file->get());
  return FinishFile(*std::move(file), path);
}

absl::StatusOr<ScratchFile> ScratchFile::Make() {
  const char* folder = std::getenv("TMPDIR");
  const int descriptor = open(folder == nullptr ? "/tmp" : folder, O_TMPFILE | O_RDWR, 0600);
  if (descriptor >= 0) return ScratchFile(descriptor);
  return absl::InternalError(absl::StrCat("no scratch file: ", strerror(errno)));
}

ScratchFile::ScratchFile(int descriptor)
    : descriptor_(descriptor), path_(absl::StrCat("/dev/fd/", descriptor)) {}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

ScratchFile::~ScratchFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace faultline::replay
