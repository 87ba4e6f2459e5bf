#include "runtime/check.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace faultline {
namespace {

std::atomic<CheckFailureNote> failure_note{nullptr};

}  // namespace

void SetCheckFailureNote(CheckFailureNote note) { failure_note.store(note); }

namespace internal {

CheckFailure::CheckFailure(const char* file, int line, const char* condition)
    : message_(new std::ostringstream) {
  *message_ << file << ":" << line << ": check failed: " << condition << " ";
}

CheckFailure::~CheckFailure() {
  std::fprintf(stderr, "%s\n", message_->str().c_str());
  if (CheckFailureNote note = failure_note.exchange(nullptr)) note();
  std::fflush(stderr);
  std::abort();
}

}  // namespace internal
}  // namespace faultline
