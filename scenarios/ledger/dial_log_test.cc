// Goal: an operator learns at once why an address cannot be reached, and is not flooded.
// Method: failures against a clock that is set by hand.
#include "scenarios/ledger/dial_log.h"

#include <gtest/gtest.h>

namespace faultline::ledger {
namespace {

class ManualClock final : public Clock {
 public:
  MonotonicTime Now() const override { return now; }
  WallTime WallNow() const override { return WallTime(); }
  MonotonicTime now;

 private:
  void ArmTimer(Timer*) override {}
  void DisarmTimer(Timer*) override {}
};

TEST(DialLogTest, SaysAReasonOnceAndAgainMuchLater) {
  ManualClock clock;
  DialLog log(&clock);
  const Endpoint server = Endpoint::Ipv4Loopback(7100);
  const absl::Status refused = absl::UnavailableError("connect: ECONNREFUSED");
  EXPECT_EQ(log.OnFailed(server, refused),
            "cannot reach 127.0.0.1:7100: UNAVAILABLE: connect: ECONNREFUSED");
  for (int i = 0; i < 29; ++i) {
    clock.now += 1s;
    EXPECT_EQ(log.OnFailed(server, refused), std::nullopt);
  }
  clock.now += 1s;
  EXPECT_TRUE(log.OnFailed(server, refused).has_value());
}

TEST(DialLogTest, SaysAnotherReasonSoonButNotEachTime) {
  ManualClock clock;
  DialLog log(&clock);
  const Endpoint server = Endpoint::Ipv4Loopback(7100);
  const absl::Status refused = absl::UnavailableError("ECONNREFUSED");
  const absl::Status late = absl::DeadlineExceededError("late");
  EXPECT_TRUE(log.OnFailed(server, refused).has_value());
  int lines = 0;
  for (int i = 0; i < 100; ++i) {
    clock.now += 100ms;
    lines += log.OnFailed(server, i % 2 == 0 ? late : refused).has_value() ? 1 : 0;
  }
  EXPECT_EQ(lines, 1);
}

TEST(DialLogTest, AddressesAreToldApart) {
  ManualClock clock;
  DialLog log(&clock);
  const absl::Status refused = absl::UnavailableError("ECONNREFUSED");
  EXPECT_TRUE(log.OnFailed(Endpoint::Ipv4Loopback(1), refused).has_value());
  EXPECT_TRUE(log.OnFailed(Endpoint::Ipv4Loopback(2), refused).has_value());
}

}  // namespace
}  // namespace faultline::ledger
