// Judge: runs programs in several worlds and says where they disagree.
//
//   Judge judge({epoll.get(), simulation.get()});        // the first is the reference
//   std::optional<Mismatch> mismatch = judge.Try(Generate(seed), Judge::kQuick);
//   if (mismatch.has_value() && judge.Confirms(program, *mismatch)) ...
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_JUDGE_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_JUDGE_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/conformance/program.h"
#include "runtime/conformance/relation.h"
#include "runtime/conformance/world.h"

namespace faultline::conformance {

// What programs did in the reference world.
struct Tally {
  uint64_t programs = 0;
  std::array<uint64_t, kStepKinds> steps{};
  // By how the step ended: "Read: ECONNRESET".
  std::map<std::string, uint64_t> outcomes;

  void Add(const Program& program, const Observation& seen);
  // Lines for people.
  std::string ToString() const;
};

struct Mismatch {
  Finding finding;
  std::string worlds;  // "epoll | sim:fifo", or the one that breaks a law
  std::string table;   // every step, with what the two observed

  bool IsLike(const Mismatch& other) const { return finding.kind == other.finding.kind; }
};

class Judge {
 public:
  static constexpr int kQuick = 1;
  static constexpr int kCareful = 8;

  // Not owned. At least one.
  explicit Judge(std::vector<World*> worlds) : worlds_(std::move(worlds)) {}

  // The first mismatch of one run in each world. `tally`, if not null, takes what the first saw.
  std::optional<Mismatch> Try(const Program& program, int care, Tally* tally = nullptr);

  // Whether careful runs show it again, in two of three cases.
  bool Confirms(const Program& program, const Mismatch& mismatch);

  // The smallest program found that still shows it.
  Program Shrunk(const Program& program, const Mismatch& mismatch);

 private:
  const std::vector<World*> worlds_;
};

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_JUDGE_H_
