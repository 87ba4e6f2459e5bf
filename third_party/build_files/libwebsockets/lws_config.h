// What libwebsockets is built with: the HTTP/1.1 and WebSocket roles, client and server. No TLS, no
// extensions, no files, no event loop but the one that a platform brings.
//
// Every header and source of the library includes this first. So the calls of the system that are
// renamed at the end are renamed in all of it: the library cannot open, read, write or poll a
// descriptor, tell the time or draw random bytes, except through the functions of the platform,
// which transports/websocket defines.
//
// Built a second time with FAULTLINE_LWS_WITH_SOCKETS the library has its own platform and calls the
// system as it is: the peer that `//bench:transports` measures ours by.
#ifndef FAULTLINE_THIRD_PARTY_BUILD_FILES_LIBWEBSOCKETS_LWS_CONFIG_H_
#define FAULTLINE_THIRD_PARTY_BUILD_FILES_LIBWEBSOCKETS_LWS_CONFIG_H_

#define LWS_LIBRARY_VERSION_MAJOR 4
#define LWS_LIBRARY_VERSION_MINOR 1
#define LWS_LIBRARY_VERSION_PATCH 6
#define LWS_LIBRARY_VERSION_PATCH_ELABORATED 6
#define LWS_LIBRARY_VERSION_NUMBER 4001006
#define LWS_LIBRARY_VERSION "4.1.6"

#define LWS_MAX_SMP 1
#define LWS_PLAT_UNIX
#define LWS_NO_DAEMONIZE
#define LWS_LOGGING_BITFIELD_CLEAR 0
#define LWS_LOGGING_BITFIELD_SET 0

#define LWS_WITH_NETWORK
#define LWS_WITH_POLL
#define LWS_WITH_CLIENT
#define LWS_WITH_SERVER
#define LWS_WITH_SYS_STATE
#define LWS_WITH_UNIX_SOCK
#define LWS_ROLE_H1
#define LWS_ROLE_RAW
#define LWS_ROLE_WS
#define LWS_WITHOUT_EXTENSIONS

#define LWS_HAS_INTPTR_T
#define LWS_HAVE_ATOLL
#define LWS_HAVE_CLOCK_GETTIME
#define LWS_HAVE_MALLOC_H
#define LWS_HAVE_STDINT_H

#ifdef FAULTLINE_LWS_WITH_SOCKETS

#define LWS_HAVE_EVENTFD
#define LWS_HAVE_GETIFADDRS
#define LWS_HAVE_PIPE2

#else  // !FAULTLINE_LWS_WITH_SOCKETS

// Answered by the platform, for the descriptor that it gave out.
#define close faultline_lws_close
#define connect faultline_lws_connect
#define recv faultline_lws_recv
#define send faultline_lws_send
#define shutdown faultline_lws_shutdown
#define socket faultline_lws_socket
#define sysconf faultline_lws_sysconf
#define time faultline_lws_time

// Reached by no path that transports/websocket takes: the platform ends the program.
#define accept faultline_lws_forbidden_accept
#define bind faultline_lws_forbidden_bind
#define chmod faultline_lws_forbidden_chmod
#define chown faultline_lws_forbidden_chown
#define clock_gettime faultline_lws_forbidden_clock_gettime
#define fcntl faultline_lws_forbidden_fcntl
#define fprintf faultline_lws_forbidden_fprintf
#define freeaddrinfo faultline_lws_forbidden_freeaddrinfo
#define freeifaddrs faultline_lws_forbidden_freeifaddrs
#define getaddrinfo faultline_lws_forbidden_getaddrinfo
#define getenv faultline_lws_forbidden_getenv
#define gethostname faultline_lws_forbidden_gethostname
#define getifaddrs faultline_lws_forbidden_getifaddrs
#define getnameinfo faultline_lws_forbidden_getnameinfo
#define getpeername faultline_lws_forbidden_getpeername
#define getpid faultline_lws_forbidden_getpid
#define getsockname faultline_lws_forbidden_getsockname
#define getsockopt faultline_lws_forbidden_getsockopt
#define gettimeofday faultline_lws_forbidden_gettimeofday
#define ioctl faultline_lws_forbidden_ioctl
#define isatty faultline_lws_forbidden_isatty
#define kill faultline_lws_forbidden_kill
#define listen faultline_lws_forbidden_listen
#define localtime_r faultline_lws_forbidden_localtime_r
#define poll faultline_lws_forbidden_poll
#define read faultline_lws_forbidden_read
#define sendto faultline_lws_forbidden_sendto
#define setrlimit faultline_lws_forbidden_setrlimit
#define setsockopt faultline_lws_forbidden_setsockopt
#define signal faultline_lws_forbidden_signal
#define syslog faultline_lws_forbidden_syslog
#define unlink faultline_lws_forbidden_unlink
#define usleep faultline_lws_forbidden_usleep
#define write faultline_lws_forbidden_write

#endif  // FAULTLINE_LWS_WITH_SOCKETS

#endif  // FAULTLINE_THIRD_PARTY_BUILD_FILES_LIBWEBSOCKETS_LWS_CONFIG_H_
