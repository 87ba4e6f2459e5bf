// The bytes that programs send: each depends on who sends it and on its place in the stream, so
// that one that is lost, doubled or moved is seen.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_PATTERN_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_PATTERN_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace faultline::conformance {

// Fills `bytes` with what stands at `position` and after it in the stream named `key`.
void FillPattern(uint64_t key, uint64_t position, std::span<std::byte> bytes);

// Whether `bytes` are what stands there.
bool HasPattern(uint64_t key, uint64_t position, std::span<const std::byte> bytes);

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_PATTERN_H_
