#include "scenarios/replay/worker.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"

namespace faultline::replay {
namespace {

constexpr size_t kMaxText = size_t{64} << 10;
constexpr unsigned kExitSeconds = 60;

// What precedes the two texts of a result.
struct WireHeader {
  SeedNumbers numbers;
  uint64_t headline_bytes;
  uint64_t details_bytes;
};

bool ReadAll(int descriptor, void* buffer, size_t size) {
  char* at = static_cast<char*>(buffer);
  while (size > 0) {
    const ssize_t got = read(descriptor, at, size);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

bool WriteAll(int descriptor, const void* buffer, size_t size) {
  const char* at = static_cast<const char*>(buffer);
  while (size > 0) {
    const ssize_t written = write(descriptor, at, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    at += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

bool SendResult(int descriptor, const SeedResult& result) {
  const WireHeader header = {result.numbers, std::min(result.headline.size(), kMaxText),
                             std::min(result.details.size(), kMaxText)};
  return WriteAll(descriptor, &header, sizeof(header)) &&
         WriteAll(descriptor, result.headline.data(), header.headline_bytes) &&
         WriteAll(descriptor, result.details.data(), header.details_bytes);
}

// The life of a worker's process: until the campaign closes the pipe or is gone.
[[noreturn]] void Work(const Worker::Job& job, int commands, int results) {
  uint64_t seed = 0;
  while (ReadAll(commands, &seed, sizeof(seed))) {
    (void)ftruncate(STDERR_FILENO, 0);
    if (!SendResult(results, job(seed))) break;
  }
  alarm(kExitSeconds);
  std::exit(0);  // not _exit: a sanitizer looks for leaks now
}

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

bool Open(Pipe* pipe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  *pipe = {ends[0], ends[1]};
  return true;
}

absl::Status SystemError(const char* what) {
  return absl::InternalError(absl::StrCat(what, ": ", strerror(errno)));
}

std::string DescribeEnd(int status) {
  if (WIFEXITED(status)) return absl::StrCat("ended with exit code ", WEXITSTATUS(status));
  return absl::StrCat("was killed by signal ", WTERMSIG(status), " (", strsignal(WTERMSIG(status)),
                      ")");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Worker>> Worker::Start(const Job& job,
                                                      const std::vector<int>& close_there) {
  Pipe commands;
  Pipe results;
  if (!Open(&commands) || !Open(&results)) return SystemError("pipe");
  const int errors = memfd_create("worker-stderr", MFD_CLOEXEC);
  if (errors < 0) return SystemError("memfd_create");
  fcntl(errors, F_SETFL, O_APPEND);
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid < 0) return SystemError("fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int descriptor : close_there) close(descriptor);
    close(commands.write_end);
    close(results.read_end);
    dup2(errors, STDERR_FILENO);
    Work(job, commands.read_end, results.write_end);
  }
  close(commands.read_end);
  close(results.write_end);
  return std::unique_ptr<Worker>(new Worker(pid, commands.write_end, results.read_end, errors));
}

Worker::~Worker() {
  if (pid_ > 0) {
    Kill();
    Reap();
  }
  close(commands_);
  close(results_);
  close(errors_);
}

void Worker::Assign(uint64_t seed) {
  FAULTLINE_CHECK(!busy()) << "a worker does one thing at a time";
  seed_ = seed;
  started_ = std::chrono::steady_clock::now();
  // A worker that is gone is noticed when its result is awaited.
  (void)WriteAll(commands_, &seed, sizeof(seed));
}

std::optional<SeedResult> Worker::Receive() {
  WireHeader header;
  if (!ReadAll(results_, &header, sizeof(header))) return std::nullopt;
  SeedResult result;
  result.numbers = header.numbers;
  result.headline.resize(std::min<size_t>(header.headline_bytes, kMaxText));
  result.details.resize(std::min<size_t>(header.details_bytes, kMaxText));
  if (!ReadAll(results_, result.headline.data(), result.headline.size())) return std::nullopt;
  if (!ReadAll(results_, result.details.data(), result.details.size())) return std::nullopt;
  seed_.reset();
  return result;
}

void Worker::Kill() { kill(pid_, SIGKILL); }

std::string Worker::Reap() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = 0;
  return DescribeEnd(status);
}

std::optional<std::string> Worker::Dismiss() {
  FAULTLINE_CHECK(!busy()) << "a busy worker is not dismissed";
  close(std::exchange(commands_, -1));
  std::string end = Reap();
  if (end == DescribeEnd(0)) return std::nullopt;
  return absl::StrCat("a worker ", end, " after its last seed\n", StandardError());
}

std::string Worker::StandardError() const {
  struct stat about;
  if (fstat(errors_, &about) != 0 || about.st_size <= 0) return "";
  const size_t size = static_cast<size_t>(about.st_size);
  std::string text(std::min(size, kMaxText), '\0');
  const ssize_t got =
      pread(errors_, text.data(), text.size(), static_cast<off_t>(size - text.size()));
  text.resize(static_cast<size_t>(std::max<ssize_t>(got, 0)));
  return text;
}

}  // namespace faultline::replay
