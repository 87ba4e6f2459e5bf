#include "runtime/conformance/history.h"

#include <algorithm>

namespace faultline::conformance {
namespace {

// A stop that comes sooner than this races with whatever completes the step.
constexpr uint32_t kEarlyUs = 1500;

std::pair<int, bool> Name(End end) { return {end.connection, end.server}; }
// Of the direction that a read or a write moves.
End WriterOf(const Step& step) {
  return step.kind == StepKind::kWrite ? step.end() : PeerOf(step.end());
}
bool Moves(const Step& step) {
  return step.kind == StepKind::kRead || step.kind == StepKind::kWrite;
}
bool Ends(const Step& step) {
  return step.kind == StepKind::kClose || step.kind == StepKind::kAbort ||
         step.kind == StepKind::kDrop;
}
bool Makes(const Step& step) {
  return step.kind == StepKind::kConnect || step.kind == StepKind::kAccept;
}
bool SameTask(const Place& a, const Place& b) { return a.phase == b.phase && a.task == b.task; }

}  // namespace

History::History(const Program* program, const Observation* a, const Observation* b)
    : program_(program), a_(a), b_(b) {
  for (const PhaseScript& phase : program->phases()) {
    auto& tasks = open_.emplace_back();
    for (const TaskScript& task : phase.tasks) tasks.emplace_back(task.steps.size());
  }
  for (size_t phase = 0; phase < program->phases().size(); ++phase) Visit(phase);
}

void History::Visit(size_t phase) {
  std::map<int, Uses> connections;
  std::map<int, Uses> listeners;
  std::map<int, Uses> datagrams;
  ForEachStep(*program_, [&](const Place& place, const Step& step) {
    if (place.phase != phase) return;
    if (step.OnListener()) listeners[step.listener()].push_back({place, &step});
    if (step.kind == StepKind::kListen && step.other != Step::kNobody) {
      listeners[step.other].push_back({place, &step});
    }
    if (step.OnConnection()) connections[step.id].push_back({place, &step});
    if (step.OnDatagrams()) datagrams[step.id].push_back({place, &step});
    if ((step.kind == StepKind::kSend || step.kind == StepKind::kBind) &&
        step.other != Step::kNobody && step.other != step.id) {
      datagrams[step.other].push_back({place, &step});
    }
  });
  // The end of a listener is something that happens to those who wait in its backlog.
  for (const auto& [id, uses] : listeners) {
    for (const Used& use : uses) {
      if (use.step->kind != StepKind::kCloseListener) continue;
      for (const auto& [connection, listener] : waiting_) {
        if (listener == id) connections[connection].push_back(use);
      }
    }
  }
  for (const auto& [id, uses] : listeners) VisitListener(id, uses);
  for (const auto& [id, uses] : connections) VisitConnection(id, uses);
  for (const auto& [id, uses] : datagrams) VisitDatagrams(id, uses);
}

// --- Listeners ---

void History::VisitListener(int id, const Uses& uses) {
  const bool other = other_listeners_.contains(id);
  for (const Used& use : uses) {
    Openness& openness = open(use);
    openness.other_past |= other;
    openness.limit_races |= use.step->limit != Limit::kNone && use.step->after_us < kEarlyUs;
    for (const Used& rival : uses) {
      if (SameTask(rival.place, use.place)) continue;
      // One that connects and one that accepts get along.
      const bool pair =
          rival.step->kind != use.step->kind && Makes(*rival.step) && Makes(*use.step);
      if (!pair) openness.rivals = true;
      if (pair && use.step->limit != Limit::kNone) openness.limit_races = true;
    }
    if (use.step->kind == StepKind::kConnect) waiting_[use.step->id] = id;
    if (use.step->kind == StepKind::kAccept) waiting_.erase(use.step->id);
    const bool leaves_open = openness.rivals || openness.limit_races || other;
    if (!leaves_open) continue;
    if (Differs(use) || openness.rivals) other_listeners_.insert(id);
    if (Makes(*use.step) && (Differs(use) || openness.rivals || other)) {
      other_connections_.insert(use.step->id);
    }
  }
}

// --- Connections ---

void History::VisitConnection(int id, const Uses& uses) {
  const bool raced = raced_.contains(id);
  const bool other = other_connections_.contains(id);
  bool races = false;
  for (const Used& use : uses) {
    Openness& openness = open(use);
    if (!use.step->OnConnection() || Makes(*use.step)) continue;
    openness.reset_raced |= raced;
    openness.other_past |= other;
    for (const Used& cause : uses) {
      if (cause.place == use.place || !MayReset(cause, uses)) continue;
      if (SameTask(cause.place, use.place) && cause.place.step > use.place.step) continue;
      openness.reset_races = races = true;
    }
    for (const Used& rival : uses) {
      const bool same_end = rival.step->OnConnection() && rival.step->end() == use.step->end();
      const bool apart =
          Moves(*rival.step) && Moves(*use.step) && rival.step->kind != use.step->kind;
      if (same_end && !apart && !SameTask(rival.place, use.place)) openness.rivals = true;
    }
  }
  NoteFins(uses);
  NoteLimits(uses);
  NotePositions(uses);
  if (races) raced_.insert(id);
  for (const Used& use : uses) {
    if (Ends(*use.step)) gone_.insert(Name(use.step->end()));
    // One world resets and the other does not: so it stays.
    if (use.step->kind == StepKind::kClose && LeavesUnread(use, *a_) != LeavesUnread(use, *b_)) {
      raced_.insert(id);
    }
  }
}

void History::NoteFins(const Uses& uses) {
  for (const Used& use : uses) {
    if (use.step->kind != StepKind::kHalfClose) continue;
    for (const Used& other : uses) {
      const bool fin =
          other.step->kind == StepKind::kHalfClose || other.step->kind == StepKind::kClose;
      const bool later = SameTask(other.place, use.place) && other.place.step >= use.place.step;
      if (fin && !later) open(use).fin_races = true;
    }
  }
}

// What a limited step waits for may come from another task of its phase; a stop may come too early
// for what is there already.
void History::NoteLimits(const Uses& uses) {
  for (const Used& use : uses) {
    if (use.step->limit == Limit::kNone || !Moves(*use.step)) continue;
    Openness& openness = open(use);
    if (use.step->after_us < kEarlyUs) openness.limit_races = true;
    for (const Used& rival : uses) {
      const bool apart = !SameTask(rival.place, use.place);
      if (apart && rival.step->end() == PeerOf(use.step->end())) openness.limit_races = true;
    }
  }
}

void History::NotePositions(const Uses& uses) {
  // What opens a direction in this phase, and where.
  std::vector<std::pair<std::pair<int, bool>, Place>> openers;
  for (const Used& use : uses) {
    const Openness& openness = open(use);
    if (!use.step->OnConnection()) continue;
    if (openness.rivals || openness.reset_races || openness.reset_raced || openness.other_past) {
      open_positions_.insert(Name(use.step->end()));
      open_positions_.insert(Name(PeerOf(use.step->end())));
    } else if (Moves(*use.step) && (use.step->once || use.step->limit != Limit::kNone)) {
      openers.emplace_back(Name(WriterOf(*use.step)), use.place);
    }
  }
  for (const Used& use : uses) {
    if (!Moves(*use.step)) continue;
    const auto direction = Name(WriterOf(*use.step));
    open(use).other_position = open(use).other_amount = open_positions_.contains(direction);
    for (const auto& [opened, place] : openers) {
      if (opened != direction) continue;
      open(use).other_position = true;
      open(use).other_amount |= place != use.place;
    }
  }
  for (const auto& opener : openers) open_positions_.insert(opener.first);
}

bool History::MayReset(const Used& use, const Uses& uses) const {
  switch (use.step->kind) {
    case StepKind::kAbort:
    case StepKind::kDrop:
    case StepKind::kCloseListener:
      return true;
    case StepKind::kClose:
      return MayLeaveUnread(use, uses);
    case StepKind::kWrite:
      return PeerGoes(use, uses);
    default:
      return false;
  }
}

bool History::PeerGoes(const Used& use, const Uses& uses) const {
  const End peer = PeerOf(use.step->end());
  if (gone_.contains(Name(peer))) return true;
  return std::any_of(uses.begin(), uses.end(), [&](const Used& other) {
    return Ends(*other.step) && other.step->end() == peer;
  });
}

// Whether the peer writes in this phase, or has written what this end has not read.
bool History::MayLeaveUnread(const Used& use, const Uses& uses) const {
  const End end = use.step->end();
  const bool written = std::any_of(uses.begin(), uses.end(), [&](const Used& other) {
    return other.step->kind == StepKind::kWrite && other.step->end() == PeerOf(end);
  });
  if (written) return true;
  return LeavesUnread(use, *a_) || LeavesUnread(use, *b_);
}

// Whether this end has not read what its peer had written before the phase, as `seen`.
bool History::LeavesUnread(const Used& use, const Observation& seen) const {
  const End end = use.step->end();
  return PositionBefore(*program_, seen, use.place, StepKind::kWrite, PeerOf(end)) !=
         PositionBefore(*program_, seen, use.place, StepKind::kRead, end);
}

// Where the reads or writes of `end` had come to.
uint64_t History::PositionBefore(const Program& program, const Observation& seen,
                                 const Place& place, StepKind kind, End end) {
  uint64_t position = 0;
  ForEachStep(program, [&](const Place& at, const Step& step) {
    if (at.phase > place.phase || step.kind != kind || step.end() != end) return;
    if (at.phase == place.phase && !(SameTask(at, place) && at.step < place.step)) return;
    position = std::max(position, seen.at(at).position);
  });
  return position;
}

bool History::Differs(const Used& use) const { return a_->at(use.place) != b_->at(use.place); }

// --- Datagrams ---

void History::VisitDatagrams(int id, const Uses& uses) {
  const bool other = other_datagrams_.contains(id);
  bool now = other;
  for (const Used& use : uses) {
    Openness& openness = open(use);
    const bool own = use.step->id == id;
    if (own) openness.other_past |= other;
    if (use.step->limit != Limit::kNone && use.step->after_us < kEarlyUs) {
      openness.limit_races = true;
    }
    for (const Used& rival : uses) {
      if (SameTask(rival.place, use.place)) continue;
      if (own && rival.step->id == id) openness.rivals = true;
      if (own && rival.step->id != id) openness.limit_races = true;
      if (!own && rival.step->kind != StepKind::kReceive) openness.rivals = now = true;
    }
    now |= (own || use.step->kind == StepKind::kSend) &&
           (openness.rivals || openness.limit_races) && use.step->kind != StepKind::kSend;
  }
  if (now) other_datagrams_.insert(id);
}

}  // namespace faultline::conformance
