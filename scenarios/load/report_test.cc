// Goal: reports say what was measured, and a run passes only if nothing at all is wrong with it.
// Method: reports of made-up runs, each with one thing wrong.

#include "scenarios/load/report.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "scenarios/load/meter.h"

namespace faultline::load {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

Summary GoodRun() {
  return {.elapsed = 2s,
          .issuing = 2s,
          .issued = 5001,
          .acknowledged = 5001,
          .connections = 8,
          .latency = {.p50 = 812us, .p90 = 1ms, .p99 = 3ms, .p999 = 5ms, .max = 7200us}};
}

TEST(Report, AGoodRunPasses) {
  EXPECT_TRUE(GoodRun().passed());
  EXPECT_EQ(SummaryText(GoodRun()),
            "passed: 5001 of 5001 entries acknowledged in 2.00s, 2500 a second\n"
            "latency  p50 812us  p90 1.00ms  p99 3.00ms  p99.9 5.00ms  max 7.20ms\n");
}

TEST(Report, NothingAcknowledgedIsAFailure) {
  Summary run;
  EXPECT_FALSE(run.passed());
  EXPECT_THAT(SummaryText(run), StartsWith("FAILED: 0 of 0"));
}

TEST(Report, AnUnansweredEntryIsAFailure) {
  Summary run = GoodRun();
  ++run.issued;
  EXPECT_FALSE(run.passed());
  EXPECT_THAT(SummaryText(run), HasSubstr("unanswered  1 entries"));
}

TEST(Report, ARateIsSaidAsAskedForAndAsReached) {
  Summary run = GoodRun();
  run.rate = 2501;
  EXPECT_THAT(SummaryText(run), HasSubstr("rate  2501 a second asked for, 2500 reached\n"));
  EXPECT_TRUE(run.passed());
}

// 1 in 100 is tolerated.
TEST(Report, AShortfallIsAFailure) {
  Summary run = GoodRun();
  run.rate = 2526;
  run.not_issued = 50;
  EXPECT_EQ(run.due(), 5051u);
  EXPECT_TRUE(run.passed());
  EXPECT_THAT(SummaryText(run), HasSubstr("not issued  50 of 5051 entries"));
  run.not_issued = 51;
  EXPECT_FALSE(run.passed());
  EXPECT_THAT(SummaryText(run), StartsWith("FAILED: "));
}

TEST(Report, AnOverdueEntryIsAFailure) {
  Summary run = GoodRun();
  run.overdue = 2;
  EXPECT_FALSE(run.passed());
  EXPECT_THAT(SummaryText(run), HasSubstr("overdue  2 entries"));
}

TEST(Report, AFindingIsAFailure) {
  Summary run = GoodRun();
  run.findings = {"invariant stands: entry 3"};
  run.finding_count = 40;
  EXPECT_FALSE(run.passed());
  EXPECT_THAT(SummaryText(run), HasSubstr("found  invariant stands: entry 3\nand 39 more\n"));
}

TEST(Report, WhatWasVerifiedIsSaid) {
  Summary run = GoodRun();
  EXPECT_THAT(SummaryText(run), Not(HasSubstr("verified")));
  run.verification = Verification{.replicas = 3, .entries = 6000, .acknowledged = 5001};
  EXPECT_THAT(SummaryText(run),
              HasSubstr("verified  5001 acknowledged entries among 6000 on 3 replicas"));
}

TEST(Report, TheSummaryAsJson) {
  Summary run = GoodRun();
  run.verification =
      Verification{.replicas = 3, .entries = 6000, .acknowledged = 5001, .log = {1, 0}};
  run.findings = {"a \"quoted\" one"};
  run.finding_count = 1;
  const LoadFlags flags{.clients = 8, .rate = 2000, .payload = 256, .pipeline = 16};
  EXPECT_EQ(
      SummaryJson(flags, run),
      R"({"passed":false,"clients":8,"pipeline":16,"payload_bytes":256,"rate_per_second":2000,)"
      R"("reached_per_second":2500,"elapsed_us":2000000,"issued":5001,"not_issued":0,)"
      R"("acknowledged":5001,"unanswered":0,"overdue":0,)"
      R"("connections":8,"acknowledged_per_second":2500,)"
      R"("latency_us":{"p50":812,"p90":1000,"p99":3000,"p99.9":5000,"max":7200},)"
      R"("verification":{"replicas":3,"entries":6000,"acknowledged":5001,)"
      R"("log":"00000000000000000000000000000001"},)"
      R"("finding_count":1,"findings":["a \"quoted\" one"]})");
}

TEST(Report, ALineOfProgress) {
  Progress progress{.elapsed = 3004ms,
                    .window = 1001ms,
                    .answered = 2002,
                    .total = 6000,
                    .latency = GoodRun().latency,
                    .connected = 8,
                    .clients = 8};
  EXPECT_EQ(ProgressLine(progress),
            "    3s      2000/s  p50 812us  p90 1.00ms  p99 3.00ms  p99.9 5.00ms  max 7.20ms"
            "  total 6000");
  progress.connected = 7;
  EXPECT_THAT(ProgressLine(progress), HasSubstr("total 6000  (7 of 8 connected)"));
}

TEST(PerSecond, DoesNotOverflow) {
  EXPECT_EQ(PerSecond(0, 1s), 0u);
  EXPECT_EQ(PerSecond(10, Duration(1)), 10'000'000'000u);
  EXPECT_EQ(PerSecond(uint64_t{1} << 40, 1024s), uint64_t{1} << 30);
}

TEST(LoadMeter, CountsWhatIsLateAndLeavesOutWhatWasNeverAnswered) {
  LoadMeter meter(1s);
  meter.OnDone(1s, absl::OkStatus());
  meter.OnDone(1001ms, absl::OkStatus());
  meter.OnDone(5s, absl::CancelledError("the end"));
  EXPECT_EQ(meter.window().count(), 2u);
  EXPECT_EQ(meter.overdue(), 1u);
  meter.EndWindow();
  EXPECT_EQ(meter.window().count(), 0u);
  EXPECT_EQ(meter.total().count(), 2u);
}

}  // namespace
}  // namespace faultline::load
