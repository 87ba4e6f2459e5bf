// TemporaryDirectory: for tests, a fresh directory whose path is short enough for a Unix socket's
// name (a test's own directory is not); it goes with its owner.
#ifndef FAULTLINE_RUNTIME_KERNEL_TEMPORARY_DIRECTORY_H_
#define FAULTLINE_RUNTIME_KERNEL_TEMPORARY_DIRECTORY_H_

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "runtime/check.h"

namespace faultline::kernel {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/faultline-XXXXXX";
    FAULTLINE_CHECK(mkdtemp(name) != nullptr) << "no temporary directory";
    path_ = name;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace faultline::kernel

#endif  // FAULTLINE_RUNTIME_KERNEL_TEMPORARY_DIRECTORY_H_
