// In the place of BoringSSL's generator, which keeps a state for each thread, mixes in what the
// processor makes (RDRAND) and asks the kernel by itself. Here every random byte comes from the
// engine environment (runtime/engine/environment.h): in production the kernel's own generator,
// which needs no reseeding and survives a fork.

#include <openssl/rand.h>

#include "internal.h"
#include "runtime/engine/calls.h"

void RAND_bytes_with_additional_data(uint8_t* out, size_t out_len,
                                     const uint8_t user_additional_data[32]) {
  (void)user_additional_data;
  faultline_engine_random(out, out_len);
}

int RAND_bytes(uint8_t* out, size_t out_len) {
  faultline_engine_random(out, out_len);
  return 1;
}

int RAND_pseudo_bytes(uint8_t* out, size_t out_len) { return RAND_bytes(out, out_len); }
