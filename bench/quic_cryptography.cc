#include "bench/quic_cryptography.h"

#include <benchmark/benchmark.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <array>

#include "runtime/check.h"

namespace faultline::bench {
namespace {

constexpr size_t kTag = 16;
constexpr std::array<uint8_t, 16> kKey = {1, 2, 3};
constexpr std::array<uint8_t, 12> kNonce = {4, 5, 6};

std::vector<QuicOperation>* witnessed = nullptr;

void Note(QuicOperation operation) {
  if (witnessed != nullptr) witnessed->push_back(operation);
}

}  // namespace

std::vector<QuicOperation> Witness(const std::function<void()>& run) {
  std::vector<QuicOperation> operations;
  witnessed = &operations;
  run();
  witnessed = nullptr;
  return operations;
}

QuicCryptography::QuicCryptography(std::vector<QuicOperation> operations)
    : operations_(std::move(operations)) {
  FAULTLINE_CHECK(EVP_AEAD_CTX_init(aead_.get(), EVP_aead_aes_128_gcm(), kKey.data(), kKey.size(),
                                    kTag, nullptr) == 1 &&
                  AES_set_encrypt_key(kKey.data(), 128, &mask_key_) == 0)
      << "no AES";
  size_t largest = 0;
  for (const QuicOperation& operation : operations_) {
    largest = std::max({largest, operation.bytes, operation.header});
    if (operation.kind == QuicOperation::Kind::kSeal) ++packets_;
  }
  plaintext_.resize(largest, 0x5a);
  out_.resize(largest + kTag);
  for (const QuicOperation& operation : operations_) {
    if (operation.kind != QuicOperation::Kind::kOpen) continue;
    std::vector<uint8_t>& sealed = sealed_[{operation.bytes, operation.header}];
    if (!sealed.empty()) continue;
    sealed.resize(operation.bytes + kTag);
    size_t size = 0;
    EVP_AEAD_CTX_seal(aead_.get(), sealed.data(), &size, sealed.size(), kNonce.data(),
                      kNonce.size(), plaintext_.data(), operation.bytes, plaintext_.data(),
                      operation.header);
  }
}

void QuicCryptography::Repeat() {
  size_t size = 0;
  bool right = true;
  const std::vector<uint8_t>* sealed = nullptr;
  std::pair<size_t, size_t> sizes;
  for (const QuicOperation& operation : operations_) {
    switch (operation.kind) {
      case QuicOperation::Kind::kSeal:
        right &= EVP_AEAD_CTX_seal(aead_.get(), out_.data(), &size, out_.size(), kNonce.data(),
                                   kNonce.size(), plaintext_.data(), operation.bytes,
                                   plaintext_.data(), operation.header) == 1;
        break;
      case QuicOperation::Kind::kOpen:
        if (sealed == nullptr || sizes != std::pair(operation.bytes, operation.header)) {
          sizes = {operation.bytes, operation.header};
          sealed = &sealed_.at(sizes);
        }
        right &= EVP_AEAD_CTX_open(aead_.get(), out_.data(), &size, out_.size(), kNonce.data(),
                                   kNonce.size(), sealed->data(), sealed->size(), plaintext_.data(),
                                   operation.header) == 1;
        break;
      case QuicOperation::Kind::kMask:
        AES_ecb_encrypt(plaintext_.data(), out_.data(), &mask_key_, AES_ENCRYPT);
        break;
    }
    benchmark::DoNotOptimize(out_.data());
  }
  FAULTLINE_CHECK(right) << "what was sealed does not open";
}

}  // namespace faultline::bench

// --- In the place of ngtcp2's own, which they call ---

extern "C" {

using faultline::bench::Note;
using faultline::bench::QuicOperation;

int __real_ngtcp2_crypto_encrypt_cb(uint8_t* dest, const ngtcp2_crypto_aead* aead,
                                    const ngtcp2_crypto_aead_ctx* context, const uint8_t* plaintext,
                                    size_t size, const uint8_t* nonce, size_t nonce_size,
                                    const uint8_t* header, size_t header_size);
int __real_ngtcp2_crypto_decrypt_cb(uint8_t* dest, const ngtcp2_crypto_aead* aead,
                                    const ngtcp2_crypto_aead_ctx* context,
                                    const uint8_t* ciphertext, size_t size, const uint8_t* nonce,
                                    size_t nonce_size, const uint8_t* header, size_t header_size);
int __real_ngtcp2_crypto_hp_mask_cb(uint8_t* dest, const ngtcp2_crypto_cipher* cipher,
                                    const ngtcp2_crypto_cipher_ctx* context, const uint8_t* sample);

int __wrap_ngtcp2_crypto_encrypt_cb(uint8_t* dest, const ngtcp2_crypto_aead* aead,
                                    const ngtcp2_crypto_aead_ctx* context, const uint8_t* plaintext,
                                    size_t size, const uint8_t* nonce, size_t nonce_size,
                                    const uint8_t* header, size_t header_size) {
  Note({QuicOperation::Kind::kSeal, size, header_size});
  return __real_ngtcp2_crypto_encrypt_cb(dest, aead, context, plaintext, size, nonce, nonce_size,
                                         header, header_size);
}

int __wrap_ngtcp2_crypto_decrypt_cb(uint8_t* dest, const ngtcp2_crypto_aead* aead,
                                    const ngtcp2_crypto_aead_ctx* context,
                                    const uint8_t* ciphertext, size_t size, const uint8_t* nonce,
                                    size_t nonce_size, const uint8_t* header, size_t header_size) {
  Note({QuicOperation::Kind::kOpen, size < 16 ? 0 : size - 16, header_size});
  return __real_ngtcp2_crypto_decrypt_cb(dest, aead, context, ciphertext, size, nonce, nonce_size,
                                         header, header_size);
}

int __wrap_ngtcp2_crypto_hp_mask_cb(uint8_t* dest, const ngtcp2_crypto_cipher* cipher,
                                    const ngtcp2_crypto_cipher_ctx* context,
                                    const uint8_t* sample) {
  Note({QuicOperation::Kind::kMask});
  return __real_ngtcp2_crypto_hp_mask_cb(dest, cipher, context, sample);
}

}  // extern "C"
