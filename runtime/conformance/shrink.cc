#include "runtime/conformance/shrink.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>
#include <vector>

namespace faultline::conformance {
namespace {

// Phases without tasks and tasks without steps say nothing.
Program WithoutEmpty(Program program) {
  for (PhaseScript& phase : program.phases()) {
    std::erase_if(phase.tasks, [](const TaskScript& task) { return task.steps.empty(); });
  }
  std::erase_if(program.phases(), [](const PhaseScript& phase) { return phase.tasks.empty(); });
  return program;
}

bool HasPosition(const Step& step) {
  return (step.kind == StepKind::kRead || step.kind == StepKind::kWrite) && !step.once &&
         step.amount != Step::kToTheEnd;
}

class Shrinker {
 public:
  Shrinker(Program program, const std::function<bool(const Program&)>& shows, int tries)
      : best_(std::move(program)), shows_(shows), tries_(tries) {}

  Program Run() {
    do {
      changed_ = false;
      DropPhases();
      DropTasks();
      DropSteps();
      LowerPositions();
      ForEachOfBest([this](Step* step) { return Plainer(step); });
      ForEachOfBest([](Step* step) { return FewerBuffers(step); });
      JoinTasks();
    } while (changed_ && tries_ > 0);
    return best_;
  }

 private:
  // Takes `candidate` over if it is something else and still shows it.
  bool Try(Program candidate) {
    candidate = WithoutEmpty(std::move(candidate));
    if (candidate == best_ || tries_ <= 0) return false;
    --tries_;
    if (!shows_(candidate)) return false;
    best_ = std::move(candidate);
    return changed_ = true;
  }

  void DropPhases() {
    for (size_t i = best_.phases().size(); i-- > 0;) {
      Program smaller = best_;
      smaller.phases().erase(smaller.phases().begin() + static_cast<ptrdiff_t>(i));
      Try(std::move(smaller));
    }
  }

  void DropTasks() {
    for (size_t p = best_.phases().size(); p-- > 0;) {
      for (size_t t = p < best_.phases().size() ? best_.phases()[p].tasks.size() : 0; t-- > 0;) {
        if (p >= best_.phases().size() || t >= best_.phases()[p].tasks.size()) continue;
        Program smaller = best_;
        auto& tasks = smaller.phases()[p].tasks;
        tasks.erase(tasks.begin() + static_cast<ptrdiff_t>(t));
        Try(std::move(smaller));
      }
    }
  }

  // The steps of `program` in its order.
  static std::vector<Step*> StepsOf(Program* program) {
    std::vector<Step*> steps;
    for (PhaseScript& phase : program->phases()) {
      for (TaskScript& task : phase.tasks) {
        for (Step& step : task.steps) steps.push_back(&step);
      }
    }
    return steps;
  }

  void DropSteps() {
    for (size_t i = best_.size(); i-- > 0;) {
      Program smaller = best_;
      size_t at = 0;
      for (PhaseScript& phase : smaller.phases()) {
        for (TaskScript& task : phase.tasks) {
          std::erase_if(task.steps, [&](const Step&) { return at++ == i; });
        }
      }
      Try(std::move(smaller));
    }
  }

  // One position at a time, wherever it occurs.
  void LowerPositions() {
    std::set<uint64_t> positions;
    for (const Step* step : StepsOf(&best_)) {
      if (HasPosition(*step)) positions.insert(step->amount);
    }
    for (uint64_t position : positions) {
      for (uint64_t lower : {uint64_t{1}, uint64_t{100}, position / 2}) {
        if (lower == 0 || lower >= position) continue;
        Program smaller = best_;
        for (Step* step : StepsOf(&smaller)) {
          if (HasPosition(*step) && step->amount == position) step->amount = lower;
        }
        if (Try(std::move(smaller))) break;
      }
    }
  }

  // Changes one step after the other; `change` returns false where there is nothing to change.
  template <typename Change>
  void ForEachOfBest(Change change) {
    for (size_t i = 0; i < best_.size(); ++i) {
      Program other = best_;
      if (change(StepsOf(&other)[i])) Try(std::move(other));
    }
  }

  static bool FewerBuffers(Step* step) {
    if (step->buffers.empty() || step->buffers == Sizes{100}) return false;
    step->buffers = {100};
    return true;
  }

  bool Plainer(Step* step) const {
    if (step->kind == StepKind::kListen) {
      step->amount = 16;
      if (step->family != Family::kNone) step->family = Family::kIpv4;
    } else if (step->kind == StepKind::kBind && step->family != Family::kNone) {
      step->family = Family::kIpv4;
    } else if (step->kind == StepKind::kSend || step->kind == StepKind::kReceive) {
      step->amount = 1;
    } else {
      return false;
    }
    return true;
  }

  // All tasks for one actor.
  void JoinTasks() {
    Program plainer = best_;
    for (PhaseScript& phase : plainer.phases()) {
      for (TaskScript& task : phase.tasks) task.actor = 0;
    }
    Try(std::move(plainer));
  }

  Program best_;
  const std::function<bool(const Program&)>& shows_;
  int tries_;
  bool changed_ = false;
};

}  // namespace

Program Shrink(const Program& program, const std::function<bool(const Program&)>& shows,
               int tries) {
  return Shrinker(program, shows, tries).Run();
}

}  // namespace faultline::conformance
