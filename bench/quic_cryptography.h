// What the packets of a QUIC connection cost in cryptography: what ngtcp2 has sealed, opened and
// masked is written down, and done again by BoringSSL alone.
//
//   std::vector<QuicOperation> operations = Witness([&] { load.Run(1); });
//   QuicCryptography floor(operations);
//   floor.Repeat();
//
// The program is linked with ngtcp2's three functions wrapped (--wrap, BUILD.bazel).
#ifndef FAULTLINE_BENCH_QUIC_CRYPTOGRAPHY_H_
#define FAULTLINE_BENCH_QUIC_CRYPTOGRAPHY_H_

#include <openssl/aead.h>
#include <openssl/aes.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace faultline::bench {

struct QuicOperation {
  enum class Kind : uint8_t { kSeal, kOpen, kMask };

  Kind kind;
  size_t bytes = 0;  // of plaintext
  size_t header = 0;
};

// What ngtcp2 does while `run` runs.
std::vector<QuicOperation> Witness(const std::function<void()>& run);

// With AES-128-GCM, which both ends choose where the processor has AES.
class QuicCryptography {
 public:
  explicit QuicCryptography(std::vector<QuicOperation> operations);

  // Each operation once, in order, on bytes that are in the cache.
  void Repeat();

  uint64_t packets() const { return packets_; }  // that were sealed

 private:
  const std::vector<QuicOperation> operations_;
  bssl::ScopedEVP_AEAD_CTX aead_;
  AES_KEY mask_key_;
  std::vector<uint8_t> plaintext_;
  std::vector<uint8_t> out_;
  std::map<std::pair<size_t, size_t>, std::vector<uint8_t>> sealed_;  // by sizes, to be opened
  uint64_t packets_ = 0;
};

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_QUIC_CRYPTOGRAPHY_H_
