// libwebsockets' platform: what lib/plat is elsewhere, without a system under it, and the calls of
// the system that the library makes by other names (lws_config.h in third_party).
#include <private-lib-core.h>

#include "transports/websocket/lws_glue.h"

enum { kPipeDescriptor = 1 };

// --- The platform ---

int lws_plat_init(struct lws_context* context, const struct lws_context_creation_info* info) {
  (void)info;
  context->lws_lookup = lws_zalloc(sizeof(struct lws*) * context->max_fds, "descriptors");
  return context->lws_lookup == NULL;
}

int lws_plat_context_early_init(void) { return 0; }
void lws_plat_context_early_destroy(struct lws_context* context) { (void)context; }

void lws_plat_context_late_destroy(struct lws_context* context) {
  if (context->lws_lookup != NULL) lws_free_set_NULL(context->lws_lookup);
}

int lws_plat_drop_app_privileges(struct lws_context* context, int actually_drop) {
  (void)context;
  (void)actually_drop;
  return 0;
}

// Nobody waits for the pipe: there is no loop to wake.
int lws_plat_pipe_create(struct lws* wsi) {
  wsi->a.context->pt[0].dummy_pipe_fds[0] = kPipeDescriptor;
  wsi->a.context->pt[0].dummy_pipe_fds[1] = -1;
  return 0;
}
int lws_plat_pipe_signal(struct lws* wsi) {
  (void)wsi;
  return 0;
}
void lws_plat_pipe_close(struct lws* wsi) { (void)wsi; }

int lws_plat_set_nonblocking(lws_sockfd_type fd) {
  (void)fd;
  return 0;
}
int lws_plat_set_socket_options(struct lws_vhost* vhost, int fd, int unix_skt) {
  (void)vhost;
  (void)fd;
  (void)unix_skt;
  return 0;
}

size_t lws_get_random(struct lws_context* context, void* bytes, size_t size) {
  (void)context;
  FaultlineLwsRandom(bytes, size);
  return size;
}
lws_usec_t lws_now_usecs(void) { return FaultlineLwsMonotonicMicroseconds(); }

// --- Calls of the system, by other names ---

int close(int fd) {
  (void)fd;
  return 0;
}
int connect(int fd, const struct sockaddr* address, socklen_t size) {
  (void)fd;
  (void)address;
  (void)size;
  return 0;
}
int shutdown(int fd, int how) {
  (void)fd;
  (void)how;
  return 0;
}
int socket(int domain, int type, int protocol) {
  (void)domain;
  (void)type;
  (void)protocol;
  return FaultlineLwsNextDescriptor();
}
ssize_t recv(int fd, void* bytes, size_t size, int flags) {
  size_t received = FaultlineLwsReceive(bytes, size);
  (void)fd;
  (void)flags;
  if (received > 0) return (ssize_t)received;
  errno = EAGAIN;
  return -1;
}
ssize_t send(int fd, const void* bytes, size_t size, int flags) {
  (void)fd;
  (void)flags;
  FaultlineLwsSend(bytes, size);
  return (ssize_t)size;
}
long sysconf(int name) {
  (void)name;
  return FaultlineLwsMaxDescriptors();
}
time_t time(time_t* out) {
  time_t now = (time_t)FaultlineLwsWallSeconds();
  if (out != NULL) *out = now;
  return now;
}
