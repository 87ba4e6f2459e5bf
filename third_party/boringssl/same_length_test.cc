// Goal: the cipher for simulations has the lengths of the real ones, and refuses what they refuse.
// Method: each cipher of TLS 1.3 and the one in its place, sealing and opening the same texts whole
// and in pieces; then another key, nonce, additional data, and each bit of the sealed text flipped.
#include "third_party/boringssl/same_length.h"

#include <gtest/gtest.h>
#include <openssl/aead.h>

#include <string>

#include "runtime/engine/record_ciphers.h"

namespace faultline {
namespace {

const EVP_AEAD* InPlaceOf(const EVP_AEAD* cipher) {
  return static_cast<const EVP_AEAD*>(faultline_same_length_cipher(cipher));
}

const uint8_t* Bytes(const std::string& text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}
uint8_t* Bytes(std::string* text) { return reinterpret_cast<uint8_t*>(text->data()); }

struct Sealed {
  std::string key;
  std::string nonce = "twelve bytes";
  std::string ad = "a header";

  std::string Seal(const EVP_AEAD* cipher, const std::string& text) const {
    bssl::ScopedEVP_AEAD_CTX context;
    EXPECT_EQ(EVP_AEAD_CTX_init(context.get(), cipher, Bytes(key), key.size(), 0, nullptr), 1);
    std::string out(text.size() + EVP_AEAD_max_overhead(cipher), '\0');
    size_t size = 0;
    EXPECT_EQ(EVP_AEAD_CTX_seal(context.get(), Bytes(&out), &size, out.size(), Bytes(nonce),
                                nonce.size(), Bytes(text), text.size(), Bytes(ad), ad.size()),
              1);
    out.resize(size);
    return out;
  }
  // As TLS 1.3 does: `text` and one byte more, into two places.
  std::string SealScattered(const EVP_AEAD* cipher, const std::string& text, char type) const {
    bssl::ScopedEVP_AEAD_CTX context;
    EXPECT_EQ(EVP_AEAD_CTX_init(context.get(), cipher, Bytes(key), key.size(), 0, nullptr), 1);
    std::string out(text.size(), '\0');
    std::string tag(1 + EVP_AEAD_max_overhead(cipher), '\0');
    size_t size = 0;
    const std::string extra(1, type);
    EXPECT_EQ(EVP_AEAD_CTX_seal_scatter(context.get(), Bytes(&out), Bytes(&tag), &size, tag.size(),
                                        Bytes(nonce), nonce.size(), Bytes(text), text.size(),
                                        Bytes(extra), extra.size(), Bytes(ad), ad.size()),
              1);
    return out + tag.substr(0, size);
  }
  // Nothing but "refused" if it does not open.
  std::string Open(const EVP_AEAD* cipher, std::string sealed) const {
    bssl::ScopedEVP_AEAD_CTX context;
    EXPECT_EQ(EVP_AEAD_CTX_init(context.get(), cipher, Bytes(key), key.size(), 0, nullptr), 1);
    size_t size = 0;
    if (EVP_AEAD_CTX_open(context.get(), Bytes(&sealed), &size, sealed.size(), Bytes(nonce),
                          nonce.size(), Bytes(sealed), sealed.size(), Bytes(ad), ad.size()) != 1) {
      return "refused";
    }
    return sealed.substr(0, size);
  }
};

class SameLength : public ::testing::TestWithParam<const EVP_AEAD* (*)()> {
 public:
  const EVP_AEAD* real = GetParam()();
  const EVP_AEAD* cheap = InPlaceOf(real);
  Sealed sealed{.key = std::string(EVP_AEAD_key_length(real), 'k')};
};
INSTANTIATE_TEST_SUITE_P(Ciphers, SameLength,
                         ::testing::Values(&EVP_aead_aes_128_gcm, &EVP_aead_aes_256_gcm,
                                           &EVP_aead_chacha20_poly1305));

TEST_P(SameLength, LengthsAreThoseOfTheRealCipher) {
  EXPECT_NE(cheap, real);
  EXPECT_EQ(EVP_AEAD_key_length(cheap), EVP_AEAD_key_length(real));
  EXPECT_EQ(EVP_AEAD_nonce_length(cheap), EVP_AEAD_nonce_length(real));
  EXPECT_EQ(EVP_AEAD_max_overhead(cheap), EVP_AEAD_max_overhead(real));
  for (size_t size : {0u, 1u, 2u, 15u, 1200u, 16384u}) {
    const std::string text(size, 't');
    EXPECT_EQ(sealed.Seal(cheap, text).size(), sealed.Seal(real, text).size());
    EXPECT_EQ(sealed.SealScattered(cheap, text, 23).size(),
              sealed.SealScattered(real, text, 23).size());
  }
}

TEST_P(SameLength, WhatIsSealedOpensAgain) {
  for (size_t size : {0u, 1u, 2u, 15u, 1200u, 16384u}) {
    const std::string text(size, 't');
    EXPECT_EQ(sealed.Open(cheap, sealed.Seal(cheap, text)), text);
    EXPECT_EQ(sealed.Open(cheap, sealed.SealScattered(cheap, text, 23)), text + '\x17');
  }
}

TEST_P(SameLength, WhatIsNotWholeIsRefused) {
  const std::string whole = sealed.Seal(cheap, "some text");
  for (size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_EQ(sealed.Open(cheap, damaged), "refused") << bit;
  }
  EXPECT_EQ(sealed.Open(cheap, whole.substr(1)), "refused");
  EXPECT_EQ(sealed.Open(cheap, whole.substr(0, whole.size() - 1)), "refused");
  EXPECT_EQ(sealed.Open(cheap, ""), "refused");
}

TEST_P(SameLength, AnotherKeyNonceOrHeaderIsRefused) {
  const std::string whole = sealed.Seal(cheap, "some text");
  Sealed other = sealed;
  other.key[0] = 'x';
  EXPECT_EQ(other.Open(cheap, whole), "refused");
  other = sealed;
  other.nonce[11] = 'x';
  EXPECT_EQ(other.Open(cheap, whole), "refused");
  other = sealed;
  other.ad = "another";
  EXPECT_EQ(other.Open(cheap, whole), "refused");
}

TEST(RecordCiphers, TheCipherIsItselfUnlessSomebodyChooses) {
  const void* real = EVP_aead_aes_128_gcm();
  EXPECT_EQ(faultline_engine_record_cipher(real), real);
  {
    engine::RecordCiphers chosen(&faultline_same_length_cipher);
    EXPECT_EQ(faultline_engine_record_cipher(real), faultline_same_length_cipher(real));
  }
  EXPECT_EQ(faultline_engine_record_cipher(real), real);
  engine::RecordCiphers none(nullptr);
  EXPECT_EQ(faultline_engine_record_cipher(real), real);
}

}  // namespace
}  // namespace faultline
