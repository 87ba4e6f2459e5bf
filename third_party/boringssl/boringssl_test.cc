// Goal: BoringSSL's random bytes and its idea of the time come from the engine environment.
// Method: its own generators of bytes, numbers and keys, and its check of a certificate's dates,
// with an environment entered and without.

#include <gtest/gtest.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/curve25519.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include <array>
#include <cstdint>

#include "runtime/engine/environment.h"
#include "runtime/testing/counting_entropy.h"
#include "runtime/testing/manual_clock.h"

namespace faultline {
namespace {

using Key = std::array<uint8_t, 32>;

Key DrawKey() {
  Key public_key{};
  Key private_key{};
  X25519_keypair(public_key.data(), private_key.data());
  return public_key;
}

TEST(BoringSsl, BytesAreThoseOfTheEnvironment) {
  testing::CountingEntropy entropy;
  testing::ManualClock clock;
  engine::Entered entered({&entropy, &clock});
  std::array<uint8_t, 4> bytes{};
  EXPECT_EQ(RAND_bytes(bytes.data(), bytes.size()), 1);
  EXPECT_EQ(bytes, (std::array<uint8_t, 4>{1, 2, 3, 4}));
}

TEST(BoringSsl, KeysAndNumbersAreToo) {
  testing::ManualClock clock;
  testing::CountingEntropy entropy;
  testing::CountingEntropy same;
  Key key;
  {
    engine::Entered entered({&entropy, &clock});
    key = DrawKey();
    bssl::UniquePtr<BIGNUM> number(BN_new());
    EXPECT_EQ(BN_rand(number.get(), 256, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY), 1);
  }
  EXPECT_EQ(entropy.drawn, 64u);
  {
    engine::Entered entered({&same, &clock});
    EXPECT_EQ(DrawKey(), key);
  }
  EXPECT_NE(DrawKey(), key);
  EXPECT_NE(DrawKey(), DrawKey());
}

TEST(BoringSsl, TimeIsThatOfTheEnvironment) {
  testing::CountingEntropy entropy;
  testing::ManualClock clock;
  clock.set_wall_offset(1'000'000s);
  engine::Entered entered({&entropy, &clock});
  bssl::UniquePtr<ASN1_TIME> time(ASN1_TIME_set(nullptr, 1'000'000));
  EXPECT_LT(X509_cmp_current_time(time.get()), 0);  // not later than now
  bssl::UniquePtr<ASN1_TIME> later(ASN1_TIME_set(nullptr, 1'000'001));
  EXPECT_GT(X509_cmp_current_time(later.get()), 0);
}

}  // namespace
}  // namespace faultline
