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

// Asks for the lines of `size` bytes from `memory`, and for those of `before` bytes before it. With
// a size that the compiler knows it is a few instructions without a loop, one a line; a line that
// is asked for twice costs nothing.
inline void FetchLines(const void* memory, size_t size, size_t before = 0) {
  if (size == 0) return;
  const uintptr_t first = reinterpret_cast<uintptr_t>(memory) - before;
  const size_t last = before + size - 1;
  for (size_t at = 0; at < last; at += kCacheLine) {
    __builtin_prefetch(reinterpret_cast<const void*>(first + at));
  }
  __builtin_prefetch(reinterpret_cast<const void*>(first + last));
}

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_FETCH_H_
