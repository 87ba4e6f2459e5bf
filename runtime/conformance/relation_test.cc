// Goal: each line of the relation allows the difference that it is for, and refuses the nearest one
// that it is not for; each law is broken by what it forbids, and by nothing next to that. Every
// line and law is in docs/conformance.md.
// Method: small programs, and observations written by hand: both worlds see what the program is
// expected to show, but for the steps that a case changes.
#include "runtime/conformance/relation.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

#include "runtime/conformance/laws.h"

namespace faultline::conformance {
namespace {

Outcome Ok(uint64_t position = 0) { return {.result = Result::kOk, .position = position}; }
Outcome End(uint64_t position) { return {.result = Result::kEnd, .position = position}; }
Outcome Error(int error, uint64_t position = 0) {
  return {.result = Result::kError, .error = error, .position = position};
}
Outcome Cancelled(uint64_t position = 0) {
  return {.result = Result::kCancelled, .position = position};
}
Outcome Expired(uint64_t position = 0) {
  return {.result = Result::kDeadline, .position = position};
}
Outcome Hung() { return {.result = Result::kHung}; }

// Connection 0 over listener 0.
Program Connected() {
  return Program().Phase().Task(0).Listen(0, Family::kIpv4, 16).Connect(0, 0).Accept(0, 0);
}

using Seen = std::vector<std::pair<Place, Outcome>>;

// Everything went well, except for `seen`.
Observation ObservedBy(const Program& program, const Seen& seen) {
  Observation observation(program);
  ForEachStep(program, [&](const Place& place, const Step&) { observation.at(place) = Ok(); });
  for (const auto& [place, outcome] : seen) observation.at(place) = outcome;
  return observation;
}

bool Legal(const Program& program, const Seen& a, const Seen& b) {
  return !Differ(program, ObservedBy(program, a), ObservedBy(program, b)).has_value();
}
// At one step, in either order.
bool Legal(const Program& program, const Place& place, const Outcome& a, const Outcome& b) {
  const bool one = Legal(program, {{place, a}}, {{place, b}});
  EXPECT_EQ(one, Legal(program, {{place, b}}, {{place, a}}));
  return one;
}

TEST(Relation, NothingIsOpenByItself) {
  const Program program = Connected().Phase().Task(0).Read(Server(0), 10, {10});
  EXPECT_TRUE(Legal(program, {1, 0, 0}, Ok(10), Ok(10)));
  EXPECT_FALSE(Legal(program, {1, 0, 0}, Ok(10), Ok(9)));
  EXPECT_FALSE(Legal(program, {1, 0, 0}, Ok(10), End(10)));
  EXPECT_FALSE(Legal(program, {1, 0, 0}, Ok(10), Error(ECONNRESET, 10)));
  EXPECT_FALSE(Legal(program, {1, 0, 0}, Error(EPIPE), Error(ECONNRESET)));
  EXPECT_FALSE(Legal(program, {1, 0, 0}, Ok(10), Hung()));
}

TEST(Relation, Chunks) {
  const Program once = Connected().Phase().Task(0).ReadOnce(Server(0), {100});
  EXPECT_TRUE(Legal(once, {1, 0, 0}, Ok(1), Ok(100)));
  EXPECT_FALSE(Legal(once, {1, 0, 0}, Ok(1), End(0)));
  const Program all = Connected().Phase().Task(0).Read(Server(0), 100, {100});
  EXPECT_FALSE(Legal(all, {1, 0, 0}, Ok(1), Ok(100)));
}

TEST(Relation, Buffered) {
  const Program limited =
      Connected().Phase().Task(0).Write(Server(0), 1 << 30, {4096}).StopAfter(4000);
  EXPECT_TRUE(Legal(limited, {1, 0, 0}, Cancelled(400'000), Cancelled(4'000'000)));
  EXPECT_FALSE(Legal(limited, {1, 0, 0}, Expired(400'000), Cancelled(4'000'000)));
  EXPECT_FALSE(Legal(limited, {1, 0, 0}, Error(EPIPE), Cancelled(10)));
}

TEST(Relation, PositionsAndOtherAmounts) {
  const Program program = Connected()
                              .Phase()
                              .Task(0)
                              .WriteOnce(Server(0), {100})
                              .Phase()
                              .Task(1)
                              .ReadToEnd(Client(0), {100})
                              .DeadlineAfter(2000)
                              .Phase()
                              .Task(0)
                              .Read(Server(0), 10, {10});
  EXPECT_TRUE(Legal(program, {2, 0, 0}, Expired(100), Expired(70)));
  EXPECT_TRUE(Legal(program, {2, 0, 0}, Expired(100), End(70)));
  EXPECT_FALSE(Legal(program, {2, 0, 0}, Expired(100), Cancelled(100)));
  EXPECT_FALSE(Legal(program, {2, 0, 0}, Expired(100), Error(ECONNRESET, 100)));
  // Nothing has opened the direction before.
  EXPECT_FALSE(Legal(program, {1, 0, 0}, Ok(100), End(0)));
  // The other direction is as it was.
  EXPECT_FALSE(Legal(program, {3, 0, 0}, Ok(10), Ok(11)));
}

TEST(Relation, LimitRaces) {
  const Program early = Connected().Phase().Task(0).Read(Server(0), 10, {10}).StopAfter(100);
  EXPECT_TRUE(Legal(early, {1, 0, 0}, Ok(10), Cancelled(0)));
  EXPECT_FALSE(Legal(early, {1, 0, 0}, Ok(10), Expired(0)));
  EXPECT_FALSE(Legal(early, {1, 0, 0}, Ok(10), Hung()));
  const Program late = Connected().Phase().Task(0).Read(Server(0), 10, {10}).StopAfter(2000);
  EXPECT_FALSE(Legal(late, {1, 0, 0}, Ok(10), Error(ECONNRESET, 0)));
  const Program raced = Program(late).Task(1).Write(Client(0), 10, {10});
  EXPECT_TRUE(Legal(raced, {1, 0, 0}, Ok(10), Cancelled(0)));
  const Program ordered =
      Connected().Phase().Task(1).Accept(1, 0).DeadlineAfter(2000).Phase().Task(1).Connect(2, 0);
  EXPECT_FALSE(Legal(ordered, {1, 0, 0}, Ok(), Expired()));
}

TEST(Relation, ResetRaces) {
  const Program raced =
      Connected().Phase().Task(0).Abort(Server(0)).Task(1).Write(Client(0), 10, {10});
  EXPECT_TRUE(Legal(raced, {1, 1, 0}, Ok(10), Error(ECONNRESET)));
  EXPECT_TRUE(Legal(raced, {1, 1, 0}, Error(EPIPE), Error(ECONNRESET)));
  EXPECT_FALSE(Legal(raced, {1, 1, 0}, Ok(10), Error(ETIMEDOUT)));
  EXPECT_FALSE(Legal(raced, {1, 1, 0}, Ok(10), Hung()));
  const Program ordered =
      Connected().Phase().Task(0).Abort(Server(0)).Phase().Task(1).Write(Client(0), 10, {10});
  EXPECT_FALSE(Legal(ordered, {2, 0, 0}, Ok(10), Error(ECONNRESET)));
  EXPECT_FALSE(Legal(ordered, {2, 0, 0}, Error(EPIPE), Error(ECONNRESET)));
  const Program later = Program(raced).Phase().Task(1).Read(Client(0), 10, {10});
  EXPECT_TRUE(Legal(later, {2, 0, 0}, End(0), Error(ECONNRESET)));
  EXPECT_FALSE(Legal(later, {2, 0, 0}, End(0), Error(EPIPE)));
}

TEST(Relation, ACloseWithNothingUnreadResetsNobody) {
  const Program clean =
      Connected().Phase().Task(0).Close(Server(0)).Task(1).ReadToEnd(Client(0), {10});
  EXPECT_FALSE(Legal(clean, {1, 1, 0}, End(0), Error(ECONNRESET)));
  const Program unread = Connected()
                             .Phase()
                             .Task(1)
                             .Write(Client(0), 10, {10})
                             .Phase()
                             .Task(0)
                             .Close(Server(0))
                             .Task(1)
                             .ReadToEnd(Client(0), {10});
  const Place write{1, 0, 0};
  const Place read{2, 1, 0};
  EXPECT_TRUE(Legal(unread, {{write, Ok(10)}, {read, End(0)}},
                    {{write, Ok(10)}, {read, Error(ECONNRESET)}}));
}

// A read that a stop raced with decides whether the close finds bytes unread.
TEST(Relation, ACloseThatResetsInOneWorldAloneLeavesItsMark) {
  const Program program = Connected()
                              .Phase()
                              .Task(0)
                              .Write(Server(0), 1, {1})
                              .Task(1)
                              .Read(Client(0), 1, {1})
                              .StopAfter(100)
                              .Phase()
                              .Task(1)
                              .Close(Client(0))
                              .Phase()
                              .Task(0)
                              .WriteOnce(Server(0), {100});
  const Place write{1, 0, 0};
  const Place read{1, 1, 0};
  const Place later{3, 0, 0};
  EXPECT_TRUE(Legal(program, {{write, Ok(1)}, {read, Ok(1)}, {later, Ok(101)}},
                    {{write, Ok(1)}, {read, Cancelled()}, {later, Error(ECONNRESET, 1)}}));
  EXPECT_FALSE(Legal(program, {{write, Ok(1)}, {read, Ok(1)}, {later, Ok(101)}},
                     {{write, Ok(1)}, {read, Ok(1)}, {later, Error(ECONNRESET, 1)}}));
}

TEST(Relation, AWriteToAnEndThatHasGoneResetsWhatFollows) {
  const Program program = Connected()
                              .Phase()
                              .Task(0)
                              .Close(Server(0))
                              .Phase()
                              .Task(1)
                              .Write(Client(0), 10, {10})
                              .Write(Client(0), 20, {10});
  EXPECT_FALSE(Legal(program, {2, 0, 0}, Ok(10), Error(EPIPE)));
  EXPECT_TRUE(Legal(program, {2, 0, 1}, Ok(20), Error(EPIPE)));
}

TEST(Relation, FinRaces) {
  const Program raced =
      Connected().Phase().Task(0).HalfClose(Server(0)).Task(1).HalfClose(Client(0)).HalfClose(
          Client(0));
  EXPECT_TRUE(Legal(raced, {1, 1, 1}, Ok(), Error(ENOTCONN)));
  EXPECT_FALSE(Legal(raced, {1, 1, 1}, Ok(), Error(EPIPE)));
  const Program ordered = Connected()
                              .Phase()
                              .Task(0)
                              .HalfClose(Server(0))
                              .HalfClose(Client(0))
                              .Phase()
                              .Task(1)
                              .HalfClose(Client(0));
  EXPECT_FALSE(Legal(ordered, {2, 0, 0}, Ok(), Error(ENOTCONN)));
}

TEST(Relation, Rivals) {
  const Program raced = Connected().Phase().Task(0).CloseListener(0).Task(1).Connect(1, 0);
  EXPECT_TRUE(Legal(raced, {1, 1, 0}, Ok(), Error(ECONNREFUSED)));
  EXPECT_FALSE(Legal(raced, {1, 1, 0}, Ok(), Hung()));
  const Program ordered =
      Connected().Phase().Task(0).CloseListener(0).Phase().Task(1).Connect(1, 0);
  EXPECT_FALSE(Legal(ordered, {2, 0, 0}, Ok(), Error(ECONNREFUSED)));
}

TEST(Relation, OtherPast) {
  const Program raced = Connected()
                            .Phase()
                            .Task(0)
                            .CloseListener(0)
                            .Task(1)
                            .Connect(1, 0)
                            .Phase()
                            .Task(1)
                            .Write(Client(1), 10, {10})
                            .Phase()
                            .Task(1)
                            .Write(Client(0), 10, {10});
  const Outcome none{.result = Result::kNoSocket};
  EXPECT_TRUE(Legal(raced, {2, 0, 0}, Ok(10), none));
  EXPECT_FALSE(Legal(raced, {2, 0, 0}, Ok(10), Hung()));
  EXPECT_FALSE(Legal(raced, {3, 0, 0}, Ok(10), none));
}

TEST(Relation, DatagramsAreComparedBySenderAndNumber) {
  const Program program = Program()
                              .Phase()
                              .Task(0)
                              .Bind(0, Family::kIpv4)
                              .Bind(1, Family::kIpv4)
                              .Phase()
                              .Task(0)
                              .Send(0, 1, 10)
                              .Phase()
                              .Task(0)
                              .Receive(1, 10);
  const Place receive{2, 0, 0};
  const Outcome first{.result = Result::kOk, .position = 1, .from = 0};
  Outcome other = first;
  EXPECT_TRUE(Legal(program, receive, first, other));
  other.from = 1;
  EXPECT_FALSE(Legal(program, receive, first, other));
  other = first;
  other.position = 2;
  EXPECT_FALSE(Legal(program, receive, first, other));
  other = first;
  other.truncated = true;
  EXPECT_FALSE(Legal(program, receive, first, other));
}

// --- Laws ---

std::string Broken(const Program& program, const Seen& seen) {
  const std::optional<Finding> finding = BreaksALaw(program, ObservedBy(program, seen));
  return finding.has_value() ? finding->kind : "";
}

// A write by the server, then two reads by the client, then two writes by it.
Program Exchange() {
  return Connected()
      .Phase()
      .Task(0)
      .Write(Server(0), 10, {10})
      .Phase()
      .Task(1)
      .ReadToEnd(Client(0), {10})
      .ReadToEnd(Client(0), {10})
      .Phase()
      .Task(1)
      .WriteOnce(Client(0), {10})
      .WriteOnce(Client(0), {10});
}
constexpr Place kWrite{1, 0, 0};
constexpr Place kRead{2, 0, 0};
constexpr Place kReadAgain{2, 0, 1};
constexpr Place kAnswer{3, 0, 0};
constexpr Place kAnswerAgain{3, 0, 1};

TEST(Laws, WrongBytesAndDatagrams) {
  EXPECT_EQ(Broken(Exchange(), {{kRead, {.result = Result::kCorrupt}}}), "wrong-bytes");
  EXPECT_EQ(Broken(Exchange(), {{kRead, {.result = Result::kWrongSource}}}), "wrong-datagram");
  EXPECT_EQ(Broken(Exchange(), {{kWrite, Ok(10)}, {kRead, End(10)}, {kReadAgain, End(10)}}), "");
}

TEST(Laws, LostBytes) {
  EXPECT_EQ(Broken(Exchange(), {{kWrite, Ok(10)}, {kRead, End(9)}}), "lost-bytes");
  EXPECT_EQ(Broken(Exchange(), {{kWrite, Ok(10)}, {kRead, Cancelled(11)}}), "lost-bytes");
  EXPECT_EQ(Broken(Exchange(), {{kWrite, Ok(10)}, {kRead, Cancelled(9)}}), "");
}

TEST(Laws, EndIsNotTheEnd) {
  const Outcome more{.result = Result::kCancelled, .moved = 1, .position = 10};
  EXPECT_EQ(Broken(Exchange(), {{kWrite, Ok(10)}, {kRead, End(10)}, {kReadAgain, more}}),
            "end-is-not-the-end");
  EXPECT_EQ(
      Broken(Exchange(), {{kWrite, Ok(10)}, {kRead, End(10)}, {kReadAgain, Error(ECONNRESET, 10)}}),
      "end-is-not-the-end");
  EXPECT_EQ(Broken(Exchange(), {{kWrite, Ok(10)}, {kRead, more}, {kReadAgain, End(10)}}), "");
  Program over_unix = Exchange();
  over_unix.phases().front().tasks.front().steps.front().family = Family::kUnix;
  EXPECT_EQ(
      Broken(over_unix, {{kWrite, Ok(10)}, {kRead, End(10)}, {kReadAgain, Error(ECONNRESET, 10)}}),
      "");
  EXPECT_EQ(Broken(over_unix, {{kWrite, Ok(10)}, {kRead, End(10)}, {kReadAgain, more}}),
            "end-is-not-the-end");
}

TEST(Laws, ResetIsForgotten) {
  EXPECT_EQ(Broken(Exchange(), {{kRead, Error(ECONNRESET)}, {kReadAgain, End(0)}}),
            "reset-is-forgotten");
  EXPECT_EQ(Broken(Exchange(), {{kRead, Error(ECONNRESET)}, {kReadAgain, Error(ECONNRESET)}}), "");
}

TEST(Laws, BrokenPipeHeals) {
  const Outcome moved{.result = Result::kOk, .moved = 10, .position = 10};
  const Outcome cut{.result = Result::kOk, .moved = 0, .position = 0};
  EXPECT_EQ(Broken(Exchange(), {{kAnswer, Error(EPIPE)}, {kAnswerAgain, moved}}),
            "broken-pipe-heals");
  EXPECT_EQ(Broken(Exchange(), {{kAnswer, Error(EPIPE)}, {kAnswerAgain, cut}}), "");
  EXPECT_EQ(Broken(Exchange(), {{kAnswer, moved}, {kAnswerAgain, Error(EPIPE)}}), "");
}

TEST(Laws, NeverEnds) {
  EXPECT_EQ(Broken(Exchange(), {{kRead, {.result = Result::kStuck}}}), "never-ends");
  EXPECT_EQ(Broken(Exchange(), {{kRead, Hung()}}), "");
}

// --- The documentation ---

TEST(Documentation, HasEveryLineAndLaw) {
  std::ifstream file("docs/conformance.md");
  std::ostringstream read;
  read << file.rdbuf();
  const std::string text = read.str();
  auto has = [&text](std::string_view name) {
    return text.find("\n- `" + std::string(name) + "`: ") != std::string::npos;
  };
  size_t entries = 0;
  for (const Line& line : Lines()) EXPECT_TRUE(has(line.name)) << line.name;
  for (const Law& law : Laws()) EXPECT_TRUE(has(law.name)) << law.name;
  for (size_t at = 0; (at = text.find("\n- `", at)) != std::string::npos; ++at) ++entries;
  EXPECT_EQ(entries, Lines().size() + Laws().size());
}

}  // namespace
}  // namespace faultline::conformance
