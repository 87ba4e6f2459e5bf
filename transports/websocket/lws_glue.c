#include "transports/websocket/lws_glue.h"

#include <private-lib-core.h>

// Of control frames, and of what a frame of theirs may hold.
enum { kControlBuffer = 128, kCloseReasonMax = 123 };

static int OnCallback(struct lws* wsi, enum lws_callback_reasons reason, void* user, void* in,
                      size_t size) {
  void* session = wsi != NULL ? lws_get_opaque_user_data(wsi) : NULL;
  (void)user;
  if (session == NULL) return 0;
  switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
      return FaultlineLwsOnEvent(session, kFaultlineLwsRequest, in, 0) != 0 ? -1 : 0;
    case LWS_CALLBACK_HTTP:
      return -1;
    case LWS_CALLBACK_CLIENT_FILTER_PRE_ESTABLISH:
      // An extension that nobody asked for (RFC 6455, section 4.1); without any the library does
      // not look.
      return lws_hdr_total_length(wsi, WSI_TOKEN_EXTENSIONS) != 0;
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
      return FaultlineLwsOnEvent(session, kFaultlineLwsEstablished, NULL, 0);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
      return FaultlineLwsOnEvent(session, kFaultlineLwsFailed, in, size);
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
      return FaultlineLwsOnEvent(session, kFaultlineLwsPeerClose, in, size);
    case LWS_CALLBACK_WSI_DESTROY:
      return FaultlineLwsOnEvent(session, kFaultlineLwsDestroyed, NULL, 0);
    default:
      return 0;
  }
}

// During the upgrade: the receive buffer of a connection, which control frames need, is made by it.
// What the library sends at once is not limited by the size of that buffer.
static const struct lws_protocols kUpgrade[] = {
    {"", OnCallback, 0, kControlBuffer, 0, NULL, 1 << 20},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

// Afterwards: payload of any length is unmasked in one piece.
static const struct lws_protocols kFrames = {"", OnCallback, 0, 1 << 30, 0, NULL, 1 << 30};

static void Discard(int level, const char* line) {
  (void)level;
  (void)line;
}

struct lws_context* FaultlineLwsCreate(int max_head_bytes) {
  struct lws_context_creation_info info;
  struct lws_context* context;
  lws_set_log_level(0, Discard);
  memset(&info, 0, sizeof(info));
  info.port = CONTEXT_PORT_NO_LISTEN;
  info.protocols = kUpgrade;
  info.gid = -1;
  info.uid = -1;
  info.max_http_header_data = (unsigned short)max_head_bytes;
  info.options =
      LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME | LWS_SERVER_OPTION_JUST_USE_RAW_ORIGIN;
  context = lws_create_context(&info);
  if (context == NULL) return NULL;
  // No timers for pings of its own: nobody would fire them, and they are kept in a sorted list.
  context->default_retry.secs_since_valid_hangup = 0;
  if (lws_protocol_init(context) == 0) return context;
  lws_context_destroy(context);
  return NULL;
}

void FaultlineLwsDestroy(struct lws_context* context) { lws_context_destroy(context); }

struct lws* FaultlineLwsAdopt(struct lws_context* context, int descriptor, void* session) {
  lws_adopt_desc_t info;
  memset(&info, 0, sizeof(info));
  info.vh = context->vhost_list;
  info.type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP;
  info.fd.sockfd = descriptor;
  info.opaque = session;
  return lws_adopt_descriptor_vhost_via_info(&info);
}

struct lws* FaultlineLwsConnect(struct lws_context* context, const char* host, const char* path,
                                const char* origin, void* session) {
  struct lws_client_connect_info info;
  memset(&info, 0, sizeof(info));
  info.context = context;
  info.address = "+";  // what is connected already, as a Unix socket would be: no name to resolve
  info.host = host;
  info.path = path;
  info.origin = origin;
  info.ssl_connection = LCCSCF_HTTP_NO_FOLLOW_REDIRECT;
  info.ietf_version_or_minus_one = -1;
  info.opaque_user_data = session;
  return lws_client_connect_via_info(&info);
}

void FaultlineLwsOnReadable(struct lws_context* context, int descriptor) {
  struct lws_pollfd pollfd;
  pollfd.fd = descriptor;
  pollfd.events = LWS_POLLIN;
  pollfd.revents = LWS_POLLIN;
  lws_service_fd(context, &pollfd);
}

void FaultlineLwsKill(struct lws* wsi) {
  wsi->socket_is_permanently_unusable = 1;
  lws_close_free_wsi(wsi, LWS_CLOSE_STATUS_NOSTATUS_CONTEXT_DESTROY, __func__);
}

int FaultlineLwsReadHeader(struct lws* wsi, enum FaultlineLwsHeader header, char* out, int size) {
  static const enum lws_token_indexes kTokens[] = {
      WSI_TOKEN_GET_URI, WSI_TOKEN_ORIGIN, WSI_TOKEN_VERSION, WSI_TOKEN_KEY,
      WSI_TOKEN_HOST,    WSI_TOKEN_HTTP,   WSI_TOKEN_PROTOCOL};
  return lws_hdr_copy(wsi, out, size, kTokens[header]);
}

void FaultlineLwsStartFrames(struct lws* wsi) { wsi->a.protocol = &kFrames; }

int FaultlineLwsParse(struct lws* wsi, uint8_t* bytes, size_t size) {
  return lws_parse_ws(wsi, &bytes, size);
}

int FaultlineLwsErrorCode(const struct lws* wsi) {
  const uint8_t* code = &wsi->ws->ping_payload_buf[LWS_PRE];
  if (wsi->ws->close_in_ping_buffer_len < 2) return LWS_CLOSE_STATUS_PROTOCOL_ERR;
  return code[0] << 8 | code[1];
}

int FaultlineLwsOwesAnswer(const struct lws* wsi) { return wsi->ws->ping_pending_flag; }

void FaultlineLwsAnswer(struct lws* wsi) { (void)wsi->role_ops->handle_POLLOUT(wsi); }

void FaultlineLwsSendClose(struct lws* wsi, int code, const char* reason, size_t size) {
  uint8_t frame[LWS_PRE + 2 + kCloseReasonMax];
  if (size > kCloseReasonMax) size = kCloseReasonMax;
  frame[LWS_PRE] = (uint8_t)(code >> 8);
  frame[LWS_PRE + 1] = (uint8_t)code;
  memcpy(frame + LWS_PRE + 2, reason, size);
  (void)lws_write(wsi, frame + LWS_PRE, 2 + size, LWS_WRITE_CLOSE);
}

void FaultlineLwsSendMessage(struct lws* wsi, uint8_t* payload, size_t size) {
  (void)lws_write(wsi, payload, size, LWS_WRITE_BINARY);
}

int FaultlineLwsIsUtf8(const uint8_t* bytes, size_t size) {
  unsigned char state = 0;
  return lws_check_utf8(&state, (unsigned char*)bytes, size) == 0 && state == 0;
}
