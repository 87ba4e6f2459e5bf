#include "sim/fault_plan.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sim/fault_install.h"

namespace faultline::sim {
namespace {

constexpr uint64_t kPlanTag = 7;

// How a family is drawn.
struct FamilyRule {
  Fault family;
  bool in_light;     // part of the light level
  bool pair;         // aimed at a pair (or one against all); otherwise at one host
  bool both_planes;  // makes sense on either plane; otherwise it concerns the whole host
  Duration longest;  // of one fault
  uint64_t least;    // amount
  uint64_t most;
};

constexpr FamilyRule kRules[] = {
    {Fault::kPartition, true, true, true, 6s, 0, 0},
    {Fault::kOneWayPartition, true, true, true, 6s, 0, 0},
    {Fault::kHold, false, true, true, 4s, 0, 0},
    {Fault::kClog, true, true, true, 5s, 1'000'000, 800'000'000},
    {Fault::kLoss, true, true, true, 8s, 1'000, 200'000},
    {Fault::kDuplication, false, true, true, 8s, 1'000, 200'000},
    {Fault::kReordering, true, true, true, 8s, 10'000, 400'000},
    {Fault::kCorruption, false, true, true, 8s, 1'000, 50'000},
    {Fault::kBandwidth, false, true, true, 6s, 20'000, 2'000'000},
    {Fault::kMtu, false, true, true, 8s, 128, 1400},
    {Fault::kCrash, true, false, false, 6s, 0, 0},
    {Fault::kPause, true, false, false, 5s, 0, 0},
    {Fault::kSlow, false, false, false, 5s, 1'000'000, 60'000'000},
    {Fault::kClockSkew, false, false, false, 8s, 1'000, 200'000'000},
    {Fault::kPartialWrite, true, false, false, 10s, 50'000, 900'000},
    {Fault::kPartialRead, true, false, false, 10s, 50'000, 900'000},
    {Fault::kReset, true, true, true, 0s, 0, 0},
    {Fault::kDescriptors, false, false, false, 8s, 0, 3},
    {Fault::kPorts, false, false, false, 8s, 0, 2},
    {Fault::kBacklog, false, false, false, 8s, 0, 1},
    {Fault::kSmallBuffers, false, false, false, 8s, 64, 4096},
};

// Whether faults of the family strike in one plane; the others strike a host in both.
bool IsOfOnePlane(Fault family) {
  for (const FamilyRule& rule : kRules) {
    if (rule.family == family) return rule.both_planes;
  }
  return false;
}

// Draws the faults of one family.
class FamilyDrawer {
 public:
  FamilyDrawer(Choices* choices, const FaultPlanConfig& config, const FamilyRule& rule)
      : config_(config),
        rule_(rule),
        chooser_(choices, ChooserId({kPlanTag, static_cast<uint64_t>(rule.family)})) {}

  void Draw(FaultPlan* plan) {
    uint64_t count = Count();
    for (uint64_t i = 0; i < count; ++i) {
      PlannedFault fault;
      if (DrawOne(&fault)) plan->Add(fault);
    }
  }

 private:
  uint64_t Below(uint64_t bound) { return chooser_.Below(Choice::kFaultPlan, bound); }
  uint32_t OneOf(const std::vector<uint32_t>& hosts) { return hosts[Below(hosts.size())]; }

  uint64_t Count() {
    switch (config_.level) {
      case FaultLevel::kNone:
        return 0;
      case FaultLevel::kLight:
        return rule_.in_light ? Below(3) : 0;
      case FaultLevel::kHeavy:
        return 2 + Below(5);
      case FaultLevel::kSwarm:
        return Below(2) == 0 ? 0 : 1 + Below(8);
    }
    return 0;
  }

  bool DrawOne(PlannedFault* fault) {
    fault->family = rule_.family;
    DrawTime(fault);
    fault->amount = rule_.least + Below(rule_.most - rule_.least + 1);
    if (rule_.family == Fault::kCrash) return DrawHost(config_.crashable, fault);
    if (rule_.family == Fault::kBacklog) return DrawHost(config_.replicas, fault);  // they listen
    if (!rule_.pair) return DrawHost(HostsInAim(), fault);
    return DrawPair(fault);
  }

  // Short faults are as likely as long ones on a logarithmic scale.
  void DrawTime(PlannedFault* fault) {
    int64_t window = (config_.end - config_.begin).count();
    int64_t longest = std::min(rule_.longest.count(), window / 2);
    int64_t lasts = longest >> Below(8);
    lasts = lasts / 2 + static_cast<int64_t>(Below(static_cast<uint64_t>(lasts / 2 + 1)));
    fault->lasts = Duration(lasts);
    fault->at = config_.begin +
                Duration(static_cast<int64_t>(Below(static_cast<uint64_t>(window - lasts))));
  }

  std::vector<uint32_t> HostsInAim() const {
    std::vector<uint32_t> hosts = config_.replicas;
    if (config_.client_plane)
      hosts.insert(hosts.end(), config_.clients.begin(), config_.clients.end());
    return hosts;
  }

  bool DrawHost(const std::vector<uint32_t>& hosts, PlannedFault* fault) {
    if (hosts.empty()) return false;
    fault->a = OneOf(hosts);
    return true;
  }

  bool IsOfDatagrams() const {
    return std::find(std::begin(kDatagramFaults), std::end(kDatagramFaults), rule_.family) !=
           std::end(kDatagramFaults);
  }

  bool DrawPair(PlannedFault* fault) {
    const bool replicas = config_.replica_plane && (config_.replica_datagrams || !IsOfDatagrams());
    const bool clients = config_.client_plane;
    if (!replicas && !clients) return false;
    bool replica = replicas && (!clients || Below(2) == 0);
    fault->plane = replica ? Plane::kReplica : Plane::kClient;
    const std::vector<uint32_t>& others = replica ? config_.replicas : config_.clients;
    if (config_.replicas.empty() || others.empty()) return false;
    fault->a = OneOf(config_.replicas);
    fault->b = Below(3) == 0 ? kEveryHost : OneOf(others);
    if (fault->a == fault->b) fault->b = kEveryHost;
    if (rule_.family == Fault::kOneWayPartition && fault->b != kEveryHost && Below(2) == 0) {
      std::swap(fault->a, fault->b);
    }
    return true;
  }

  const FaultPlanConfig& config_;
  const FamilyRule& rule_;
  Chooser chooser_;
};

}  // namespace

std::string PlannedFault::ToString() const {
  std::string_view name = FaultName(family);
  std::string text = absl::StrCat(FormatSeconds(at), " +", FormatSeconds(lasts), " ",
                                  absl::string_view(name.data(), name.size()));
  if (a != kEveryHost) absl::StrAppend(&text, " host ", a);
  if (b != kEveryHost) absl::StrAppend(&text, " and host ", b);
  if (IsOfOnePlane(family)) {
    absl::StrAppend(&text, plane == Plane::kReplica ? " replica plane" : " client plane");
  }
  if (amount != 0) absl::StrAppend(&text, " amount ", amount);
  return text;
}

Duration FaultPlan::end() const {
  Duration end{};
  for (const PlannedFault& fault : faults_) end = std::max(end, fault.at + fault.lasts);
  return end;
}

void FaultPlan::Install(World* world) const {
  for (const PlannedFault& fault : faults_) InstallFault(world, fault);
}

FaultPlan DrawFaultPlan(Choices* choices, const FaultPlanConfig& config) {
  FaultPlan plan;
  for (const FamilyRule& rule : kRules) {
    const auto& without = config.without;
    if (std::find(without.begin(), without.end(), rule.family) != without.end()) continue;
    FamilyDrawer(choices, config, rule).Draw(&plan);
  }
  return plan;
}

}  // namespace faultline::sim
