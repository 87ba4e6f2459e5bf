#include "scenarios/replay/failure_note.h"

#include <cstdio>

#include "runtime/check.h"

namespace faultline::replay {
namespace {

const char* note = nullptr;

void PrintNote() { std::fprintf(stderr, "replay it with:\n  %s\n", note); }

}  // namespace

FailureNote::FailureNote(const std::string& command) {
  FAULTLINE_CHECK(note == nullptr) << "one note at a time";
  note = command.c_str();
  SetCheckFailureNote(&PrintNote);
}

FailureNote::~FailureNote() {
  SetCheckFailureNote(nullptr);
  note = nullptr;
}

}  // namespace faultline::replay
