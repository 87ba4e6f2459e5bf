// History: what a program leaves open. A step that another one may overtake can end in several
// ways; what has been so once on a socket may stay so. `Compare` (relation.h) asks here.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_HISTORY_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_HISTORY_H_

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "runtime/conformance/observation.h"
#include "runtime/conformance/program.h"

namespace faultline::conformance {

// What is open about one step, given the two observations up to its phase.
struct Openness {
  // A stop or deadline of its own comes so early, or something that it waits for is done by another
  // task of its phase, that either may be first.
  bool limit_races = false;
  // Something in its phase may reset its connection, and no barrier says before or after.
  bool reset_races = false;
  // That was so in an earlier phase.
  bool reset_raced = false;
  // A half-close; another end of one direction comes before it with no barrier between.
  bool fin_races = false;
  // Another task of its phase uses the same end, listener or datagram socket, and either may be
  // first.
  bool rivals = false;
  // A legal difference in an earlier step decides whether this socket exists, or what waits in it.
  bool other_past = false;
  // A legal difference, of this step or of another one, may have moved another number of bytes in
  // its direction of the stream.
  bool other_position = false;
  // That may have been another step than this one.
  bool other_amount = false;
};

// Walks through a program, phase by phase, with what two worlds observed.
class History {
 public:
  // All outlive it.
  History(const Program* program, const Observation* a, const Observation* b);

  const Openness& at(const Place& place) const {
    return open_[place.phase][place.task][place.step];
  }

 private:
  struct Used {
    Place place;
    const Step* step;
  };
  using Uses = std::vector<Used>;

  void Visit(size_t phase);
  void VisitConnection(int id, const Uses& uses);
  void VisitListener(int id, const Uses& uses);
  void VisitDatagrams(int id, const Uses& uses);
  void NotePositions(const Uses& uses);
  void NoteLimits(const Uses& uses);
  void NoteFins(const Uses& uses);
  bool MayReset(const Used& use, const Uses& uses) const;
  bool MayLeaveUnread(const Used& use, const Uses& uses) const;
  bool LeavesUnread(const Used& use, const Observation& seen) const;
  bool PeerGoes(const Used& use, const Uses& uses) const;
  bool Differs(const Used& use) const;
  static uint64_t PositionBefore(const Program& program, const Observation& seen,
                                 const Place& place, StepKind kind, End end);
  Openness& open(const Used& use) { return open_[use.place.phase][use.place.task][use.place.step]; }

  const Program* const program_;
  const Observation* const a_;
  const Observation* const b_;
  std::vector<std::vector<std::vector<Openness>>> open_;

  // From the phases before.
  std::set<int> raced_;                            // connections
  std::set<int> other_connections_;                // whose being differs
  std::set<int> other_listeners_;                  // whose backlog differs
  std::set<int> other_datagrams_;                  // whose queue differs
  std::set<std::pair<int, bool>> gone_;            // ends
  std::set<std::pair<int, bool>> open_positions_;  // directions, by their writers
  std::map<int, int> waiting_;  // connections that nobody has accepted: by listener
};

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_HISTORY_H_
