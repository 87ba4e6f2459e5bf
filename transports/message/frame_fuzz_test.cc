// Goal: no stream of bytes, in no pieces, makes the reader differ from a parser that sees the
// whole. Method: a fixed corpus of good, torn and wrong streams, and a fixed number of mutations of
// it by a generator with a fixed seed: the same inputs on each run. frame_fuzz.cc holds the
// comparison.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/frozen.h"
#include "transports/message/message.h"
#include "transports/testing/samples.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace faultline::message {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr int kMutations = 20000;

// SplitMix64.
class Draws {
 public:
  explicit Draws(uint64_t seed) : state_(seed) {}
  uint64_t Next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  size_t Below(size_t bound) { return Next() % bound; }

 private:
  uint64_t state_;
};

Bytes InputOf(const Bytes& settings, const std::vector<size_t>& bodies, size_t cut = SIZE_MAX) {
  BufferPool pool;
  std::vector<Message> messages;
  for (size_t body : bodies) messages.push_back(testing::Sample(&pool, messages.size() + 1, body));
  std::vector<std::byte> wire = testing::Wire(messages);
  wire.resize(std::min(cut, wire.size()));
  Bytes input = settings;
  for (std::byte byte : wire) input.push_back(static_cast<uint8_t>(byte));
  return input;
}

std::vector<Bytes> Corpus() {
  std::vector<Bytes> corpus = {{}, {1}, {7, 0, 0, 0, 0}};
  for (uint8_t flags = 0; flags < 8; ++flags) {
    for (uint8_t size = 0; size < 6; ++size) {
      Bytes settings = {flags, size, 4, static_cast<uint8_t>(size % 4), 2, 84, 0};
      corpus.push_back(InputOf(settings, {0, 1, 300, 0}));
      corpus.push_back(InputOf(settings, {700, 3000}, 2000));
      corpus.push_back(InputOf(settings, {10}, 255));
      settings[2] = 2;
      corpus.push_back(InputOf(settings, {744, 745, 0}));
    }
  }
  return corpus;
}

// Bytes that mean something in a header: sizes round the limits, commands, enumerations.
void PlantNumber(Bytes* input, Draws* draws) {
  static constexpr uint32_t kNumbers[] = {0, 1, 255, 256, 257, 300, 301, 1000, 1001, UINT32_MAX};
  static constexpr size_t kOffsets[] = {48, 60, 176, 184, 208, 216};
  size_t at = 7 + 256 * draws->Below(3) + kOffsets[draws->Below(6)];
  uint32_t number = kNumbers[draws->Below(10)];
  for (size_t i = 0; i < 4 && at + i < input->size(); ++i) {
    (*input)[at + i] = static_cast<uint8_t>(number >> (8 * i));
  }
}

void Mutate(Bytes* input, Draws* draws) {
  if (input->empty()) input->push_back(0);
  size_t at = draws->Below(input->size());
  size_t length = std::min(input->size() - at, 1 + draws->Below(300));
  auto begin = input->begin() + static_cast<ptrdiff_t>(at);
  auto end = begin + static_cast<ptrdiff_t>(length);
  switch (draws->Below(6)) {
    case 0:
      (*input)[at] ^= static_cast<uint8_t>(1 << draws->Below(8));
      break;
    case 1:
      (*input)[draws->Below(std::min<size_t>(input->size(), 7))] ^=
          static_cast<uint8_t>(draws->Next());
      break;
    case 2:
      input->erase(begin, end);
      break;
    case 3: {
      Bytes copy(begin, end);
      input->insert(input->begin() + static_cast<ptrdiff_t>(draws->Below(input->size())),
                    copy.begin(), copy.end());
      break;
    }
    case 4:
      input->resize(at);
      break;
    default:
      PlantNumber(input, draws);
  }
}

void Try(const Bytes& input) { ASSERT_EQ(LLVMFuzzerTestOneInput(input.data(), input.size()), 0); }

TEST(FrameFuzz, TheCorpusIsReadAsAWhole) {
  for (const Bytes& input : Corpus()) Try(input);
}

TEST(FrameFuzz, MutationsOfItAreToo) {
  std::vector<Bytes> corpus = Corpus();
  Draws draws(20260101);
  for (int i = 0; i < kMutations; ++i) {
    Bytes input = corpus[draws.Below(corpus.size())];
    for (size_t changes = 1 + draws.Below(4); changes > 0; --changes) Mutate(&input, &draws);
    Try(input);
  }
}

}  // namespace
}  // namespace faultline::message
