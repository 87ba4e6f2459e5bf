// Who takes part in `//bench:transports` over TLS. Each shows and trusts `TheCredentials`.
#ifndef FAULTLINE_BENCH_TLS_CONTESTANTS_H_
#define FAULTLINE_BENCH_TLS_CONTESTANTS_H_

#include "bench/our_transport.h"
#include "bench/tcp_workload.h"

namespace faultline::bench {

extern const Contestant kBareTls;         // tls_bare.cc
extern const Contestant kBareFdTls;       // tls_bare.cc
extern const Contestant kAsioTls;         // asio_tls.cc: ping-pong and streams alone
extern const Contestant kFaultlineTls;    // tls_faultline.cc
extern const OurTransport kTlsTransport;  // the same, for any world

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_TLS_CONTESTANTS_H_
