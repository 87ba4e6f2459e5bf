#include "runtime/kernel/random.h"

#include <sys/random.h>

#include <bit>
#include <cerrno>

#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline::kernel {

void KernelEntropy::Fill(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    ssize_t got = getrandom(bytes.data(), bytes.size(), 0);
    FAULTLINE_CHECK(got > 0 || errno == EINTR) << ErrnoStatus(errno, "getrandom");
    if (got > 0) bytes = bytes.subspan(static_cast<size_t>(got));
  }
}

SeededRandom::SeededRandom(Entropy* entropy) : state_{} {
  // All zero is the one state from which the generator never leaves.
  while (state_ == std::array<uint64_t, 4>{}) {
    entropy->Fill(std::as_writable_bytes(std::span(state_)));
  }
}

uint64_t SeededRandom::Next() {
  auto& [s0, s1, s2, s3] = state_;
  const uint64_t result = std::rotl(s1 * 5, 7) * 9;
  const uint64_t shifted = s1 << 17;
  s2 ^= s0;
  s3 ^= s1;
  s1 ^= s2;
  s0 ^= s3;
  s2 ^= shifted;
  s3 = std::rotl(s3, 45);
  return result;
}

}  // namespace faultline::kernel
