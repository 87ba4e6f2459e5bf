// Hints for the processor's caches: memory that is used soon. They change nothing, wait for
// nothing, and may name memory that does not exist.
//
// For those who know who comes next among thousands: a simulated world (sim/world.h). A miss costs
// as much as a hundred instructions, but many can be under way at a time.
#ifndef FAULTLINE_RUNTIME_FETCH_H_
#define FAULTLINE_RUNTIME_FETCH_H_

#include <cstddef>
#include <cstdint>

namespace faultline {

inline constexpr size_t kCacheLine = 64;

// Asks for the lines of `size` bytes from `memory`, and for those of `before` bytes before it.
inline void FetchLines(const void* memory, size_t size, size_t before = 0) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(memory);
  for (uintptr_t line = (at - before) & ~(kCacheLine - 1); line < at + size; line += kCacheLine) {
    __builtin_prefetch(reinterpret_cast<const void*>(line));
  }
}

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_FETCH_H_
