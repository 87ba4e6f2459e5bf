/* As the library's documentation and its examples have it: lws_service() in a loop; one message for
 * each time that a connection is said to be writable, which is then asked for again. With `bursts`,
 * as many as lws_send_pipe_choked() lets pass. */

#include "bench/lws_peer.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

struct Conversation {
  const struct LwsPeer* peer;
  uint8_t* room; /* for a message, with the LWS_PRE bytes that the library wants in front */
  int over;
  int failed;
};

static int Write(struct lws* wsi, struct Conversation* talk) {
  uint8_t* payload = talk->room + LWS_PRE;
  do {
    const int size = talk->peer->next(talk->peer->self, payload);
    if (size == 0) return 0;
    if (size < 0) {
      lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
      return -1;
    }
    if (lws_write(wsi, payload, (size_t)size, LWS_WRITE_BINARY) < size) return -1;
  } while (talk->peer->bursts && !lws_send_pipe_choked(wsi));
  lws_callback_on_writable(wsi);
  return 0;
}

static int OnEvent(struct lws* wsi, enum lws_callback_reasons reason, void* user, void* in,
                   size_t size) {
  struct Conversation* talk = wsi == NULL ? NULL : lws_context_user(lws_get_context(wsi));
  (void)user;
  switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
      lws_callback_on_writable(wsi);
      return 0;
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
      if (talk->peer->received(
              talk->peer->self, in, size,
              lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0) > 0) {
        lws_callback_on_writable(wsi);
      }
      return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
      return Write(wsi, talk);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
      talk->failed = 1;
      talk->over = 1;
      return 0;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLIENT_CLOSED:
      talk->over = 1;
      return 0;
    default:
      return 0;
  }
}

static struct lws_context* NewContext(struct Conversation* talk,
                                      const struct lws_protocols* protocols) {
  struct lws_context_creation_info info;
  memset(&info, 0, sizeof(info));
  lws_set_log_level(LLL_ERR, NULL);
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.protocols = protocols;
  info.user = talk;
  info.gid = -1;
  info.uid = -1;
  info.vhost_name = "bench";
  info.pt_serv_buf_size = (unsigned)protocols->rx_buffer_size;
  info.timeout_secs = (unsigned)talk->peer->patience_seconds;
  return lws_create_context(&info);
}

/* Reads are as large as `rx_buffer_size`: generous, for fewer of them. */
static int Run(const struct LwsPeer* peer, int fd, int port) {
  const size_t largest = peer->message_bytes + 64;
  const size_t read_bytes = largest < (64 << 10) ? (64 << 10) : 2 * largest;
  const struct lws_protocols protocols[] = {{"bench", OnEvent, 0, read_bytes, 0, NULL, 0},
                                            {NULL, NULL, 0, 0, 0, NULL, 0}};
  struct Conversation talk = {peer, malloc(LWS_PRE + largest), 0, 0};
  struct lws_context* context = NewContext(&talk, protocols);
  if (talk.room == NULL || context == NULL) return -1;
  if (fd >= 0) {
    talk.failed = lws_adopt_socket_vhost(lws_get_vhost_by_name(context, "bench"), fd) == NULL;
  } else {
    struct lws_client_connect_info info;
    memset(&info, 0, sizeof(info));
    info.context = context;
    info.address = "127.0.0.1";
    info.host = "127.0.0.1";
    info.port = port;
    info.path = "/";
    info.protocol = "bench";
    talk.failed = lws_client_connect_via_info(&info) == NULL;
  }
  while (!talk.failed && !talk.over) {
    if (lws_service(context, 0) < 0) talk.failed = 1;
  }
  lws_context_destroy(context);
  free(talk.room);
  return talk.failed ? -1 : 0;
}

int LwsPeerServe(const struct LwsPeer* peer, int fd) { return Run(peer, fd, 0); }

int LwsPeerDrive(const struct LwsPeer* peer, int port) { return Run(peer, -1, port); }
