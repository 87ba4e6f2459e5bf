// In the place of BoringSSL's calls of the kernel: the engine environment is asked instead.

#include "internal.h"
#include "runtime/engine/calls.h"

void CRYPTO_init_sysrand(void) {}

void CRYPTO_sysrand(uint8_t* out, size_t size) { faultline_engine_random(out, size); }

void CRYPTO_sysrand_for_seed(uint8_t* out, size_t size) { faultline_engine_random(out, size); }

int CRYPTO_sysrand_if_available(uint8_t* out, size_t size) {
  faultline_engine_random(out, size);
  return 1;
}
