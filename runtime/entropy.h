// Entropy: bytes for keys, nonces, connection ids, masks and tickets.
//
// In production getrandom(2). In simulation a stream of the simulated host's; that implementation
// lives in sim/ and cannot be linked into a production program.
#ifndef FAULTLINE_RUNTIME_ENTROPY_H_
#define FAULTLINE_RUNTIME_ENTROPY_H_

#include <cstddef>
#include <span>

namespace faultline {

class Entropy {
 public:
  virtual ~Entropy() = default;
  // Fills all of `bytes`. Cannot fail: a kernel that has no entropy to give ends the program.
  virtual void Fill(std::span<std::byte> bytes) = 0;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_ENTROPY_H_
