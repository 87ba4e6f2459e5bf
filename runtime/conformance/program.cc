#include "runtime/conformance/program.h"

#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "runtime/check.h"

namespace faultline::conformance {
namespace {

constexpr std::array<std::string_view, kStepKinds> kNames = {
    "Listen", "CloseListener", "Connect", "Accept", "Read",    "Write",       "HalfClose", "Close",
    "Abort",  "Drop",          "Bind",    "Send",   "Receive", "CloseSocket", "Sleep"};

Step OnEnd(StepKind kind, End end) {
  return {.kind = kind, .id = end.connection, .server = end.server};
}

Step Moving(StepKind kind, End end, uint64_t position, Sizes buffers, bool once) {
  Step step = OnEnd(kind, end);
  step.amount = position;
  step.buffers = std::move(buffers);
  step.once = once;
  return step;
}

std::string FamilySource(Family family) {
  switch (family) {
    case Family::kIpv4:
      return "Family::kIpv4";
    case Family::kIpv6:
      return "Family::kIpv6";
    case Family::kUnix:
      return "Family::kUnix";
    case Family::kNone:
      break;
  }
  return "Family::kNone";
}

std::string EndSource(const Step& step) {
  return absl::StrCat(step.server ? "Server(" : "Client(", step.id, ")");
}

std::string MovingSource(const Step& step) {
  std::string name = step.kind == StepKind::kRead ? "Read" : "Write";
  std::string buffers = absl::StrCat("{", absl::StrJoin(step.buffers, ", "), "})");
  if (step.once) return absl::StrCat(name, "Once(", EndSource(step), ", ", buffers);
  if (step.amount == Step::kToTheEnd) {
    return absl::StrCat(name, "ToEnd(", EndSource(step), ", ", buffers);
  }
  return absl::StrCat(name, "(", EndSource(step), ", ", step.amount, ", ", buffers);
}

std::string CallSource(const Step& step) {
  const std::string name(NameOf(step.kind));
  switch (step.kind) {
    case StepKind::kListen:
      if (step.other == Step::kNobody) {
        return absl::StrCat("Listen(", step.id, ", ", FamilySource(step.family), ", ", step.amount,
                            ")");
      }
      return absl::StrCat("ListenAt(", step.id, ", ", step.other, ", ", step.amount, ")");
    case StepKind::kConnect:
    case StepKind::kAccept:
      return absl::StrCat(name, "(", step.id, ", ", step.other, ")");
    case StepKind::kRead:
    case StepKind::kWrite:
      return MovingSource(step);
    case StepKind::kHalfClose:
    case StepKind::kClose:
    case StepKind::kAbort:
    case StepKind::kDrop:
      return absl::StrCat(name, "(", EndSource(step), ")");
    case StepKind::kBind:
      if (step.other == Step::kNobody) {
        return absl::StrCat("Bind(", step.id, ", ", FamilySource(step.family), ")");
      }
      return absl::StrCat("BindAt(", step.id, ", ", step.other, ")");
    case StepKind::kSend:
      return absl::StrCat("Send(", step.id, ", ", step.other, ", ", step.amount, ")");
    case StepKind::kReceive:
      return absl::StrCat("Receive(", step.id, ", ", step.amount, ")");
    case StepKind::kCloseListener:
    case StepKind::kCloseSocket:
      return absl::StrCat(name, "(", step.id, ")");
    case StepKind::kSleep:
      return absl::StrCat("Sleep(", step.amount, ")");
  }
}

}  // namespace

std::string_view NameOf(StepKind kind) { return kNames[static_cast<size_t>(kind)]; }

Program& Program::Phase() {
  phases_.emplace_back();
  return *this;
}

Program& Program::Task(int actor) {
  FAULTLINE_CHECK(!phases_.empty() && actor >= 0 && actor < kActors) << "a task is in a phase";
  phases_.back().tasks.push_back({actor, {}});
  return *this;
}

Program& Program::Add(Step step) {
  FAULTLINE_CHECK(!phases_.empty() && !phases_.back().tasks.empty()) << "a step is in a task";
  phases_.back().tasks.back().steps.push_back(std::move(step));
  return *this;
}

Program& Program::Listen(int listener, Family family, int backlog) {
  return Add({.kind = StepKind::kListen,
              .id = listener,
              .family = family,
              .amount = static_cast<uint64_t>(backlog)});
}
Program& Program::ListenAt(int listener, int other, int backlog) {
  return Add({.kind = StepKind::kListen,
              .id = listener,
              .other = other,
              .amount = static_cast<uint64_t>(backlog)});
}
Program& Program::CloseListener(int listener) {
  return Add({.kind = StepKind::kCloseListener, .id = listener});
}
Program& Program::Connect(int connection, int listener) {
  return Add({.kind = StepKind::kConnect, .id = connection, .other = listener});
}
Program& Program::Accept(int connection, int listener) {
  return Add({.kind = StepKind::kAccept, .id = connection, .server = true, .other = listener});
}

Program& Program::Read(End end, uint64_t position, Sizes buffers) {
  return Add(Moving(StepKind::kRead, end, position, std::move(buffers), false));
}
Program& Program::ReadOnce(End end, Sizes buffers) {
  return Add(Moving(StepKind::kRead, end, 0, std::move(buffers), true));
}
Program& Program::Write(End end, uint64_t position, Sizes buffers) {
  return Add(Moving(StepKind::kWrite, end, position, std::move(buffers), false));
}
Program& Program::WriteOnce(End end, Sizes buffers) {
  return Add(Moving(StepKind::kWrite, end, 0, std::move(buffers), true));
}
Program& Program::HalfClose(End end) { return Add(OnEnd(StepKind::kHalfClose, end)); }
Program& Program::Close(End end) { return Add(OnEnd(StepKind::kClose, end)); }
Program& Program::Abort(End end) { return Add(OnEnd(StepKind::kAbort, end)); }
Program& Program::Drop(End end) { return Add(OnEnd(StepKind::kDrop, end)); }

Program& Program::Bind(int socket, Family family) {
  return Add({.kind = StepKind::kBind, .id = socket, .family = family});
}
Program& Program::BindAt(int socket, int other) {
  return Add({.kind = StepKind::kBind, .id = socket, .other = other});
}
Program& Program::Send(int socket, int to, uint32_t bytes) {
  return Add({.kind = StepKind::kSend, .id = socket, .other = to, .amount = bytes});
}
Program& Program::Receive(int socket, uint32_t capacity) {
  return Add({.kind = StepKind::kReceive, .id = socket, .amount = capacity});
}
Program& Program::CloseSocket(int socket) {
  return Add({.kind = StepKind::kCloseSocket, .id = socket});
}
Program& Program::Sleep(uint32_t microseconds) {
  return Add({.kind = StepKind::kSleep, .amount = microseconds});
}

Program& Program::StopAfter(uint32_t microseconds) {
  Step& last = phases_.back().tasks.back().steps.back();
  last.limit = Limit::kStop;
  last.after_us = microseconds;
  return *this;
}
Program& Program::DeadlineAfter(uint32_t microseconds) {
  StopAfter(microseconds);
  phases_.back().tasks.back().steps.back().limit = Limit::kDeadline;
  return *this;
}

size_t Program::size() const {
  size_t steps = 0;
  for (const PhaseScript& phase : phases_) {
    for (const TaskScript& task : phase.tasks) steps += task.steps.size();
  }
  return steps;
}

std::string ToSource(const Step& step) {
  std::string source = CallSource(step);
  if (step.limit == Limit::kStop) absl::StrAppend(&source, ".StopAfter(", step.after_us, ")");
  if (step.limit == Limit::kDeadline) {
    absl::StrAppend(&source, ".DeadlineAfter(", step.after_us, ")");
  }
  return source;
}

std::string Program::ToSource() const {
  std::string source = "Program()";
  for (const PhaseScript& phase : phases_) {
    absl::StrAppend(&source, "\n    .Phase()");
    for (const TaskScript& task : phase.tasks) {
      absl::StrAppend(&source, "\n    .Task(", task.actor, ")");
      for (const Step& step : task.steps) {
        absl::StrAppend(&source, "\n    .", conformance::ToSource(step));
      }
    }
  }
  return absl::StrCat(source, "\n");
}

}  // namespace faultline::conformance
