// What libwebsockets would call on paths that this transport does not take. Each ends the program,
// so that a path which is taken after all is found by the first test that takes it. The true types
// do not matter, because nothing returns.
#include "transports/websocket/lws_glue.h"

#define FORBIDDEN(name) \
  void name(void);      \
  void name(void) { FaultlineLwsDie(#name); }
#define FORBIDDEN_CALL(name) FORBIDDEN(faultline_lws_forbidden_##name)

FORBIDDEN_CALL(accept)
FORBIDDEN_CALL(bind)
FORBIDDEN_CALL(chmod)
FORBIDDEN_CALL(chown)
FORBIDDEN_CALL(fprintf)
FORBIDDEN_CALL(freeaddrinfo)
FORBIDDEN_CALL(getaddrinfo)
FORBIDDEN_CALL(gethostname)
FORBIDDEN_CALL(getnameinfo)
FORBIDDEN_CALL(getpeername)
FORBIDDEN_CALL(getsockname)
FORBIDDEN_CALL(getsockopt)
FORBIDDEN_CALL(gettimeofday)
FORBIDDEN_CALL(isatty)
FORBIDDEN_CALL(listen)
FORBIDDEN_CALL(read)
FORBIDDEN_CALL(setrlimit)
FORBIDDEN_CALL(setsockopt)
FORBIDDEN_CALL(signal)
FORBIDDEN_CALL(unlink)
FORBIDDEN_CALL(write)

// Of the platform: names, listening sockets, a loop of the library's own.
FORBIDDEN(_lws_plat_service_tsi)
FORBIDDEN(lws_interface_to_sa)
FORBIDDEN(lws_plat_inet_ntop)
FORBIDDEN(lws_plat_service)
FORBIDDEN(lws_plat_user_colon_group_to_ids)
FORBIDDEN(lws_poll_listen_fd)
