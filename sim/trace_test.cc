// Goal: the hash covers every record in order; hosts have hashes of their own; files survive damage
// with an error. Method: traces that differ in one field, one place or one host are compared.
#include "sim/trace.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace faultline::sim {
namespace {

TraceRecord Record(int64_t time, uint32_t host, uint64_t a) {
  return {time, host, TraceKind::kDeliver, 0, 0, a, 1};
}

TraceHash HashOf(const std::vector<TraceRecord>& records) {
  Trace trace;
  for (const TraceRecord& record : records) trace.Add(record);
  return trace.hash();
}

TEST(Trace, EveryFieldIsInTheHash) {
  const TraceRecord base{1, 2, TraceKind::kSend, 3, 0, 4, 5};
  const TraceHash hash = HashOf({base});
  TraceRecord other = base;
  other.time_ns = 9;
  EXPECT_NE(HashOf({other}), hash);
  other = base;
  other.host = 9;
  EXPECT_NE(HashOf({other}), hash);
  other = base;
  other.kind = TraceKind::kRead;
  EXPECT_NE(HashOf({other}), hash);
  other = base;
  other.detail = 9;
  EXPECT_NE(HashOf({other}), hash);
  other = base;
  other.a = 9;
  EXPECT_NE(HashOf({other}), hash);
  other = base;
  other.b = 9;
  EXPECT_NE(HashOf({other}), hash);
}

TEST(Trace, OrderAndEveryPlaceAreInTheHash) {
  std::vector<TraceRecord> records;
  for (int i = 0; i < 100; ++i) records.push_back(Record(i, 0, static_cast<uint64_t>(i)));
  const TraceHash hash = HashOf(records);
  EXPECT_EQ(HashOf(records), hash);
  for (size_t i = 0; i < records.size(); ++i) {
    std::vector<TraceRecord> changed = records;
    changed[i].b ^= 1;
    EXPECT_NE(HashOf(changed), hash) << "record " << i;
  }
  std::swap(records[40], records[41]);
  EXPECT_NE(HashOf(records), hash);
  records.pop_back();
  EXPECT_NE(HashOf(records), hash);
}

TEST(Trace, LookingChangesNothing) {
  Trace looked;
  Trace left_alone;
  for (int i = 0; i < 100; ++i) {
    looked.Add(Record(i, 0, 7));
    (void)looked.hash();
    left_alone.Add(Record(i, 0, 7));
  }
  EXPECT_EQ(looked.hash(), left_alone.hash());
}

TEST(Trace, AHostsHashIsItsOwn) {
  Trace a;
  Trace b;
  for (Trace* trace : {&a, &b}) {
    trace->AddHost();
    trace->AddHost();
    for (int i = 0; i < 20; ++i) trace->Add(Record(i, 0, 7));
  }
  b.Add(Record(20, 1, 8));
  EXPECT_EQ(a.host_hash(0), b.host_hash(0));
  EXPECT_NE(a.host_hash(1), b.host_hash(1));
  EXPECT_NE(a.hash(), b.hash());
}

TEST(Trace, KeepsTheLastRecordsInOrder) {
  Trace trace;
  const int count = static_cast<int>(Trace::kKept) + 10;
  for (int i = 0; i < count; ++i) trace.Add(Record(i, 0, 0));
  std::vector<TraceRecord> last = trace.Last();
  ASSERT_EQ(last.size(), Trace::kKept);
  EXPECT_EQ(last.front().time_ns, 10);
  EXPECT_EQ(last.back().time_ns, count - 1);
}

TEST(Trace, FileGoesThroughBytesAndDamageIsNamed) {
  std::vector<TraceRecord> records = {Record(1, 2, 3), Record(4, kNoHost, 6)};
  std::string bytes = SerializeTraceHeader();
  for (const TraceRecord& record : records) bytes += SerializeTraceRecord(record);
  absl::StatusOr<std::vector<TraceRecord>> parsed = ParseTrace(bytes);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(*parsed, records);

  EXPECT_NE(ParseTrace("nonsense").status().message().find("magic"), std::string::npos);
  EXPECT_NE(ParseTrace(bytes.substr(0, bytes.size() - 1)).status().message().find("cut short"),
            std::string::npos);
  TraceRecord strange = Record(1, 2, 3);
  strange.kind = static_cast<TraceKind>(250);
  EXPECT_NE(ParseTrace(bytes + SerializeTraceRecord(strange)).status().message().find("record 2"),
            std::string::npos);
}

TEST(Trace, ARecordReadsAsALine) {
  EXPECT_EQ(Record(1'500'000'000, 2, 0xab).ToString(),
            "     1.500000000s host 2 deliver flow=ab bytes=1");
}

}  // namespace
}  // namespace faultline::sim
