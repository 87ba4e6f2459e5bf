// The seam to libwebsockets, in C: what engine.h needs of it, and what it needs of us.
//
// The library runs on a platform that has no system under it: descriptors are numbers that we give
// out, what it sends is appended to a buffer, what it receives is what we hand in. It is never in a
// loop: each function below enters it once and comes back with everything done.
#ifndef FAULTLINE_TRANSPORTS_WEBSOCKET_LWS_GLUE_H_
#define FAULTLINE_TRANSPORTS_WEBSOCKET_LWS_GLUE_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lws;
struct lws_context;

// --- What the platform asks for, by way of the functions of the engine that runs (engine.cc) ---

// The size of the tables of descriptors.
int FaultlineLwsMaxDescriptors(void);
// Microseconds, from a monotonic clock; seconds, from the wall clock.
int64_t FaultlineLwsMonotonicMicroseconds(void);
int64_t FaultlineLwsWallSeconds(void);
void FaultlineLwsRandom(void* bytes, size_t size);
// The descriptor for the client's connection that is being made.
int FaultlineLwsNextDescriptor(void);
// All of it, always.
void FaultlineLwsSend(const void* bytes, size_t size);
// What there is, at most `size`; 0: nothing.
size_t FaultlineLwsReceive(void* bytes, size_t size);
// The library made a call that this platform has not. Does not return.
void FaultlineLwsDie(const char* call);

// What happens to a connection; `session` is what it was made with.
enum FaultlineLwsEvent {
  kFaultlineLwsRequest = 0,      // a server has a request for an upgrade: not 0 refuses it
  kFaultlineLwsEstablished = 1,  // the upgrade is done
  kFaultlineLwsFailed = 2,       // a client's upgrade is not; `in` says why
  kFaultlineLwsPeerClose = 3,    // `in` is the payload of a close frame: not 0 refuses it
  kFaultlineLwsDestroyed = 4     // the connection's memory is about to go
};
int FaultlineLwsOnEvent(void* session, enum FaultlineLwsEvent event, const void* in, size_t size);

// --- What the engine asks for ---

// Null if there is no memory. `max_head_bytes`: of the headers of a request or an answer.
struct lws_context* FaultlineLwsCreate(int max_head_bytes);
void FaultlineLwsDestroy(struct lws_context* context);

// A server's connection. Null: out of memory or descriptors.
struct lws* FaultlineLwsAdopt(struct lws_context* context, int descriptor, void* session);
// A client's connection; its request has been sent when this returns. `origin` may be null.
struct lws* FaultlineLwsConnect(struct lws_context* context, const char* host, const char* path,
                                const char* origin, void* session);
// There is something to receive for the upgrade.
void FaultlineLwsOnReadable(struct lws_context* context, int descriptor);
// Ends the connection without a word to the peer.
void FaultlineLwsKill(struct lws* wsi);

enum FaultlineLwsHeader {
  kFaultlineLwsPath = 0,
  kFaultlineLwsOrigin = 1,
  kFaultlineLwsVersion = 2,
  kFaultlineLwsKey = 3,
  kFaultlineLwsHost = 4,
  kFaultlineLwsHttp = 5,     // the version, as "HTTP/1.1"
  kFaultlineLwsProtocol = 6  // subprotocols
};
// A header of the request, in kFaultlineLwsRequest: its length, at most `size` - 1, and a 0 behind
// it; 0: it is not there; negative: it is longer.
int FaultlineLwsReadHeader(struct lws* wsi, enum FaultlineLwsHeader header, char* out, int size);

// Readies an established connection for the functions below.
void FaultlineLwsStartFrames(struct lws* wsi);
// Parses bytes of frames; payload is unmasked where it lies. 0, or negative: the frames are wrong.
int FaultlineLwsParse(struct lws* wsi, uint8_t* bytes, size_t size);
// After a negative `FaultlineLwsParse`: the close code that says why.
int FaultlineLwsErrorCode(const struct lws* wsi);
// Whether a ping or a close frame is to be answered.
int FaultlineLwsOwesAnswer(const struct lws* wsi);
// Sends that answer.
void FaultlineLwsAnswer(struct lws* wsi);
// Sends a close frame: a code and a reason of at most 123 bytes.
void FaultlineLwsSendClose(struct lws* wsi, int code, const char* reason, size_t size);
// Sends a binary message the library's own way: `payload` has room for 16 bytes before it, and is
// masked in place. For tests.
void FaultlineLwsSendMessage(struct lws* wsi, uint8_t* payload, size_t size);
// 1 if all of it is UTF-8.
int FaultlineLwsIsUtf8(const uint8_t* bytes, size_t size);

#ifdef __cplusplus
}
#endif

#endif  // FAULTLINE_TRANSPORTS_WEBSOCKET_LWS_GLUE_H_
