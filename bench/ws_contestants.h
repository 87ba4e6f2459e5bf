// Who takes part in `//bench:transports` over WebSocket, and over WebSocket over TLS.
#ifndef FAULTLINE_BENCH_WS_CONTESTANTS_H_
#define FAULTLINE_BENCH_WS_CONTESTANTS_H_

#include "bench/our_transport.h"
#include "bench/tcp_workload.h"

namespace faultline::bench {

// Ping-pong and streams alone.
extern const Contestant kLibwebsockets;       // ws_lws.cc
extern const Contestant kLibwebsocketsBurst;  // ws_lws.cc
extern const Contestant kFaultlineWs;         // ws_faultline.cc
extern const Contestant kFaultlineWss;        // ws_faultline.cc
extern const OurTransport kWsTransport;       // the same, for any world
extern const OurTransport kWssTransport;

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_WS_CONTESTANTS_H_
