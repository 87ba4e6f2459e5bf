/* What engines written in C are given in the place of the system's calls. BoringSSL is compiled
 * against this; each answer comes from the environment that is entered on this thread
 * (environment.h). */
#ifndef FAULTLINE_RUNTIME_ENGINE_CALLS_H_
#define FAULTLINE_RUNTIME_ENGINE_CALLS_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Fills `size` bytes at `bytes` with entropy. Cannot fail. */
void faultline_engine_random(void* bytes, size_t size);

/* Seconds since 1970, as time(2). */
int64_t faultline_engine_wall_seconds(void);

#ifdef __cplusplus
}
#endif

#endif /* FAULTLINE_RUNTIME_ENGINE_CALLS_H_ */
