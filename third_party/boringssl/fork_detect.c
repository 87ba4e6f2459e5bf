// In the place of BoringSSL's fork detection, which maps a page that the kernel wipes in a child.
// It guards buffered randomness; nothing is buffered here. 0 says that forks are not detected; RSA
// blinding, the other user, is then made anew as its own counter says.

#include "fork_detect.h"

uint64_t CRYPTO_get_fork_generation(void) { return 0; }
