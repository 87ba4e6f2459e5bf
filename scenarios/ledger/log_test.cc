// Goal: a log keeps entries in order, unchanged, under a chain that tells any two logs apart.
// Method: fill logs in ways that differ in one respect each and compare their chains; read back
// what was put in across chunk and segment borders.
#include "scenarios/ledger/log.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace faultline::ledger {
namespace {

std::span<const std::byte> Bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

EntryId Id(uint64_t client, uint64_t number) { return {ClientId{0, client}, number}; }

TEST(LogTest, StartsEmptyWithAZeroChain) {
  Log log;
  EXPECT_EQ(log.last_op(), 0u);
  EXPECT_EQ(log.chain(), Digest());
}

TEST(LogTest, GivesOpsFromOneAndKeepsWhatWasAppended) {
  Log log;
  EXPECT_EQ(*log.Append(Id(7, 1), Bytes("first")), 1u);
  EXPECT_EQ(*log.Append(Id(9, 1), Bytes("")), 2u);
  Entry first = log.at(1);
  EXPECT_EQ(first.op, 1u);
  EXPECT_EQ(first.id, Id(7, 1));
  EXPECT_EQ(first.payload_digest, DigestOfBytes(Bytes("first")));
  EXPECT_EQ(std::memcmp(first.payload.data(), "first", 5), 0);
  EXPECT_EQ(log.at(2).payload.size(), 0u);
  EXPECT_EQ(log.at(2).chain, log.chain());
}

TEST(LogTest, CopiesThePayload) {
  Log log;
  std::string text = "before";
  ASSERT_TRUE(log.Append(Id(1, 1), Bytes(text)).ok());
  text = "after!";
  EXPECT_EQ(std::memcmp(log.at(1).payload.data(), "before", 6), 0);
}

TEST(LogTest, ChainsDifferInEachField) {
  Log log, other_client, other_number, other_payload, other_order;
  ASSERT_TRUE(log.Append(Id(1, 1), Bytes("a")).ok());
  ASSERT_TRUE(log.Append(Id(2, 1), Bytes("b")).ok());
  ASSERT_TRUE(other_client.Append(Id(3, 1), Bytes("a")).ok());
  ASSERT_TRUE(other_number.Append(Id(1, 2), Bytes("a")).ok());
  ASSERT_TRUE(other_payload.Append(Id(1, 1), Bytes("c")).ok());
  ASSERT_TRUE(other_order.Append(Id(2, 1), Bytes("b")).ok());
  ASSERT_TRUE(other_order.Append(Id(1, 1), Bytes("a")).ok());
  EXPECT_NE(log.chain(1), other_client.chain(1));
  EXPECT_NE(log.chain(1), other_number.chain(1));
  EXPECT_NE(log.chain(1), other_payload.chain(1));
  EXPECT_NE(log.chain(2), other_order.chain(2));
}

// The chain is over everything before it: logs that part and then get the same entries stay apart.
TEST(LogTest, ChainsRemember) {
  Log one, two;
  ASSERT_TRUE(one.Append(Id(1, 1), Bytes("x")).ok());
  ASSERT_TRUE(two.Append(Id(1, 1), Bytes("y")).ok());
  for (uint64_t n = 2; n < 10; ++n) {
    ASSERT_TRUE(one.Append(Id(1, n), Bytes("same")).ok());
    ASSERT_TRUE(two.Append(Id(1, n), Bytes("same")).ok());
  }
  EXPECT_NE(one.chain(), two.chain());
}

TEST(LogTest, AppendAfterTakesWhatTheOtherLogHas) {
  Log source, copy;
  for (uint64_t n = 1; n <= 5; ++n) {
    ASSERT_TRUE(source.Append(Id(1, n), Bytes("payload")).ok());
    Entry entry = source.at(n);
    EXPECT_TRUE(copy.AppendAfter(source.chain(n - 1), entry.id, entry.payload).ok());
  }
  EXPECT_EQ(copy.chain(), source.chain());
}

TEST(LogTest, AppendAfterRefusesAGap) {
  Log source, copy;
  for (uint64_t n = 1; n <= 3; ++n) ASSERT_TRUE(source.Append(Id(1, n), Bytes("p")).ok());
  Entry first = source.at(1), third = source.at(3);
  ASSERT_TRUE(copy.AppendAfter(Digest(), first.id, first.payload).ok());
  absl::Status refused = copy.AppendAfter(source.chain(2), third.id, third.payload);
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(copy.last_op(), 1u);
}

TEST(LogTest, KeepsSmallAndLargePayloadsApart) {
  Log log;
  std::vector<std::string> payloads;
  for (int i = 0; i < 3000; ++i) {
    size_t size = i % 100 == 0 ? 300'000 : static_cast<size_t>(i % 700);
    payloads.emplace_back(size, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(log.Append(Id(1, static_cast<uint64_t>(i) + 1), Bytes(payloads.back())).ok());
  }
  size_t total = 0;
  for (size_t i = 0; i < payloads.size(); ++i) {
    std::span<const std::byte> stored = log.at(i + 1).payload;
    ASSERT_EQ(stored.size(), payloads[i].size());
    ASSERT_TRUE(stored.empty() ||
                std::memcmp(stored.data(), payloads[i].data(), stored.size()) == 0)
        << "entry " << i;
    total += stored.size();
  }
  EXPECT_EQ(log.payload_bytes(), total);
}

TEST(LogTest, RefusesMoreThanItsLimits) {
  Log few({.max_entries = 1, .max_payload_bytes = 100});
  ASSERT_TRUE(few.Append(Id(1, 1), Bytes("p")).ok());
  EXPECT_EQ(few.Append(Id(1, 2), Bytes("p")).status().code(), absl::StatusCode::kResourceExhausted);
  Log small({.max_entries = 10, .max_payload_bytes = 3});
  ASSERT_TRUE(small.Append(Id(1, 1), Bytes("ab")).ok());
  EXPECT_EQ(small.Append(Id(1, 2), Bytes("cd")).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(small.Append(Id(1, 2), Bytes("c")).ok());
}

TEST(DigestTest, RequestsDifferInEachField) {
  const Digest payload = DigestOfBytes(Bytes("p"));
  const Digest request = DigestOfRequest(Id(1, 1), payload);
  EXPECT_EQ(request, DigestOfRequest(Id(1, 1), payload));
  EXPECT_NE(request, DigestOfRequest(Id(2, 1), payload));
  EXPECT_NE(request, DigestOfRequest(Id(1, 2), payload));
  EXPECT_NE(request, DigestOfRequest(Id(1, 1), DigestOfBytes(Bytes("q"))));
}

}  // namespace
}  // namespace faultline::ledger
