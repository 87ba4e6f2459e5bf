#include "runtime/conformance/pattern.h"

namespace faultline::conformance {
namespace {

// The finalizer of splitmix64: each bit of the result depends on each bit of the argument.
uint64_t Mixed(uint64_t value) {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

// Calls `visit(byte's index, what it should be)` until that returns false.
template <typename Visit>
bool ForEachByte(uint64_t key, uint64_t position, size_t size, Visit visit) {
  const uint64_t base = Mixed(key + 1);
  uint64_t word = 0;
  for (size_t i = 0; i < size; ++i) {
    const uint64_t at = position + i;
    if (i == 0 || at % 8 == 0) word = Mixed(base + at / 8);
    if (!visit(i, static_cast<std::byte>(word >> (at % 8 * 8)))) return false;
  }
  return true;
}

}  // namespace

void FillPattern(uint64_t key, uint64_t position, std::span<std::byte> bytes) {
  ForEachByte(key, position, bytes.size(), [bytes](size_t i, std::byte byte) {
    bytes[i] = byte;
    return true;
  });
}

bool HasPattern(uint64_t key, uint64_t position, std::span<const std::byte> bytes) {
  return ForEachByte(key, position, bytes.size(),
                     [bytes](size_t i, std::byte byte) { return bytes[i] == byte; });
}

}  // namespace faultline::conformance
