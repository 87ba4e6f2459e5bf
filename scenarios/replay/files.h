// Files that the user names, and scratch files.
#ifndef FAULTLINE_SCENARIOS_REPLAY_FILES_H_
#define FAULTLINE_SCENARIOS_REPLAY_FILES_H_

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace faultline::replay {

// A relative path is meant from where the user stands. `bazel run` starts programs elsewhere and
// says where the user stands in BUILD_WORKING_DIRECTORY.
std::string UserPath(const std::string& path);

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

// fopen(3). Errors: InvalidArgument, with the path and the reason.
absl::StatusOr<File> OpenFile(const std::string& path, const char* mode);
// Closes, and tells of everything that went wrong with `file` so far. Errors: DataLoss.
absl::Status FinishFile(File file, const std::string& path);

// Errors: InvalidArgument.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path);
// Errors: InvalidArgument, DataLoss.
absl::Status WriteWholeFile(const std::string& path, std::string_view content);

// A file without a name that disappears with this. Other processes that this one starts open it by
// `path`.
class ScratchFile {
 public:
  // Errors: Internal, the system has no room for it.
  static absl::StatusOr<ScratchFile> Make();
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&&) = delete;
  ~ScratchFile();

  const std::string& path() const { return path_; }
  int descriptor() const { return descriptor_; }

 private:
  explicit ScratchFile(int descriptor);

  int descriptor_;
  std::string path_;
};

}  // namespace faultline::replay

#endif  // FAULTLINE_SCENARIOS_REPLAY_FILES_H_
