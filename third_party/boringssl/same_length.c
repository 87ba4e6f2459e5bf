#include "third_party/boringssl/same_length.h"

#include <openssl/aead.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xxhash.h"

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunused-parameter"
#include "src/crypto/fipsmodule/cipher/internal.h"
#pragma clang diagnostic pop

enum { kTagSize = 16, kNonceSize = 12 };

static int Init(EVP_AEAD_CTX* ctx, const uint8_t* key, size_t key_size, size_t tag_size) {
  const uint64_t seed = XXH3_64bits(key, key_size);
  if (tag_size != EVP_AEAD_DEFAULT_TAG_LENGTH && tag_size != kTagSize) return 0;
  memcpy(&ctx->state, &seed, sizeof(seed));
  ctx->tag_len = kTagSize;
  return 1;
}

static void Cleanup(EVP_AEAD_CTX* ctx) { (void)ctx; }

/* Of `size` bytes at `text`, followed by the byte `last` if there is one: sealing has them in two
 * pieces, opening in one. */
static void MakeTag(const EVP_AEAD_CTX* ctx, uint8_t* tag, const uint8_t* nonce, size_t nonce_size,
                    const uint8_t* text, size_t size, int last, const uint8_t* ad, size_t ad_size) {
  uint64_t seed;
  memcpy(&seed, &ctx->state, sizeof(seed));
  seed = XXH3_64bits_withSeed(nonce, nonce_size, seed);
  seed = XXH3_64bits_withSeed(ad, ad_size, seed);
  seed += (uint64_t)(last + 1) * 0x9E3779B97F4A7C15;
  XXH128_hash_t hash = XXH3_128bits_withSeed(text, size, seed);
  memcpy(tag, &hash, kTagSize);
}

/* TLS 1.3 has one byte of its own behind the text: the type of the record. */
static int SealScatter(const EVP_AEAD_CTX* ctx, uint8_t* out, uint8_t* out_tag,
                       size_t* out_tag_size, size_t max_out_tag_size, const uint8_t* nonce,
                       size_t nonce_size, const uint8_t* in, size_t in_size, const uint8_t* extra,
                       size_t extra_size, const uint8_t* ad, size_t ad_size) {
  if (extra_size > 1 || nonce_size != kNonceSize) return 0;
  if (max_out_tag_size < extra_size + kTagSize) return 0;
  const uint8_t type = extra_size == 1 ? extra[0] : 0;
  if (in_size > 0) memmove(out, in, in_size);
  if (extra_size == 1) {
    MakeTag(ctx, out_tag + 1, nonce, nonce_size, out, in_size, type, ad, ad_size);
    out_tag[0] = type;
  } else {
    const size_t size = in_size == 0 ? 0 : in_size - 1;
    const int last = in_size == 0 ? -1 : out[size];
    MakeTag(ctx, out_tag, nonce, nonce_size, out, size, last, ad, ad_size);
  }
  *out_tag_size = extra_size + kTagSize;
  return 1;
}

static int OpenGather(const EVP_AEAD_CTX* ctx, uint8_t* out, const uint8_t* nonce,
                      size_t nonce_size, const uint8_t* in, size_t in_size, const uint8_t* in_tag,
                      size_t in_tag_size, const uint8_t* ad, size_t ad_size) {
  uint8_t tag[kTagSize];
  const size_t size = in_size == 0 ? 0 : in_size - 1;
  if (in_tag_size != kTagSize || nonce_size != kNonceSize) return 0;
  MakeTag(ctx, tag, nonce, nonce_size, in, size, in_size == 0 ? -1 : in[size], ad, ad_size);
  if (memcmp(tag, in_tag, kTagSize) != 0) return 0;
  if (in_size > 0) memmove(out, in, in_size);
  return 1;
}

#define SAME_LENGTH(key_size)              \
  {                                        \
      .key_len = (key_size),               \
      .nonce_len = kNonceSize,             \
      .overhead = kTagSize,                \
      .max_tag_len = kTagSize,             \
      .seal_scatter_supports_extra_in = 1, \
      .init = &Init,                       \
      .cleanup = &Cleanup,                 \
      .seal_scatter = &SealScatter,        \
      .open_gather = &OpenGather,          \
  }

static const EVP_AEAD kShortKey = SAME_LENGTH(16);
static const EVP_AEAD kLongKey = SAME_LENGTH(32);

const void* faultline_same_length_cipher(const void* cipher) {
  const EVP_AEAD* aead = (const EVP_AEAD*)cipher;
  if (EVP_AEAD_nonce_length(aead) != kNonceSize || EVP_AEAD_max_overhead(aead) != kTagSize) abort();
  if (EVP_AEAD_key_length(aead) == kShortKey.key_len) return &kShortKey;
  if (EVP_AEAD_key_length(aead) == kLongKey.key_len) return &kLongKey;
  abort();
}
