/* libwebsockets' own event loop, in a shared library of its own: this program has the library a
 * second time, under transports/websocket, built without sockets (third_party). Only the two
 * functions below are seen from outside. */
#ifndef FAULTLINE_BENCH_LWS_PEER_H_
#define FAULTLINE_BENCH_LWS_PEER_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What an end has to say. `self` is handed back. */
struct LwsPeer {
  void* self;
  /* A part of a message has come; `last`: with it, the message is whole. Returns how many messages
   * there are to send now. */
  int (*received)(void* self, const uint8_t* bytes, size_t size, int last);
  /* Writes the next message to `room`: its size. 0: there is none before the next one comes.
   * Negative: the conversation is over, and a close frame is due. */
  int (*next)(void* self, uint8_t* room);
  /* The largest message. */
  size_t message_bytes;
  /* Sends as many messages as the socket takes each time that it is writable, not just one. */
  int bursts;
  /* How long to wait for anything at all. */
  int patience_seconds;
};

/* Both return 0 when the connection was closed in order.
 *
 * Serves the accepted connection `fd`. */
int LwsPeerServe(const struct LwsPeer* peer, int fd);
/* Connects to a port of loopback. */
int LwsPeerDrive(const struct LwsPeer* peer, int port);

#ifdef __cplusplus
}
#endif

#endif /* FAULTLINE_BENCH_LWS_PEER_H_ */
