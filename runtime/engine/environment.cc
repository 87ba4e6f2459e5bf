#include "runtime/engine/environment.h"

#include <sys/random.h>
#include <time.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <span>

#include "runtime/check.h"
#include "runtime/engine/calls.h"
#include "runtime/engine/record_ciphers.h"
#include "runtime/errors.h"

namespace faultline::engine {
namespace {

constinit thread_local const Entered* current = nullptr;
constinit thread_local int kernel_refusals = 0;
constinit thread_local RecordCiphers::Choose choose_record_cipher = nullptr;

void RequireKernelAllowed() {
  FAULTLINE_CHECK(kernel_refusals == 0)
      << "in a simulation an engine draws from an environment that was entered";
}

void FillFromKernel(std::span<std::byte> bytes) {
  RequireKernelAllowed();
  while (!bytes.empty()) {
    ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    FAULTLINE_CHECK(got > 0 || errno == EINTR) << ErrnoStatus(errno, "getrandom");
    if (got > 0) bytes = bytes.subspan(static_cast<size_t>(got));
  }
}

int64_t KernelSeconds() {
  RequireKernelAllowed();
  timespec now{};
  FAULTLINE_CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0) << ErrnoStatus(errno, "clock_gettime");
  return now.tv_sec;
}

}  // namespace

// Who answers on this thread.
struct Answers {
  static const Environment* Current() {
    return current == nullptr ? nullptr : &current->environment_;
  }
};

Entered::Entered(const Environment& environment) : environment_(environment), outer_(current) {
  FAULTLINE_CHECK(environment.entropy != nullptr && environment.clock != nullptr)
      << "an environment has entropy and a clock";
  current = this;
}

Entered::~Entered() {
  FAULTLINE_CHECK(current == this) << "an environment was entered across a suspension";
  current = outer_;
}

KernelRefused::KernelRefused() { ++kernel_refusals; }
KernelRefused::~KernelRefused() { --kernel_refusals; }

RecordCiphers::RecordCiphers(Choose choose) {
  FAULTLINE_CHECK(choose_record_cipher == nullptr) << "the ciphers are replaced already";
  choose_record_cipher = choose;
}
RecordCiphers::~RecordCiphers() { choose_record_cipher = nullptr; }

}  // namespace faultline::engine

void faultline_engine_random(void* bytes, size_t size) {
  std::span<std::byte> room(static_cast<std::byte*>(bytes), size);
  const faultline::engine::Environment* environment = faultline::engine::Answers::Current();
  if (environment == nullptr) return faultline::engine::FillFromKernel(room);
  environment->entropy->Fill(room);
}

int64_t faultline_engine_wall_seconds() {
  const faultline::engine::Environment* environment = faultline::engine::Answers::Current();
  if (environment == nullptr) return faultline::engine::KernelSeconds();
  faultline::Duration since_1970 = environment->clock->WallNow().time_since_epoch();
  return std::chrono::floor<std::chrono::seconds>(since_1970).count();
}

const void* faultline_engine_record_cipher(const void* cipher) {
  auto* choose = faultline::engine::choose_record_cipher;
  return choose == nullptr ? cipher : choose(cipher);
}
