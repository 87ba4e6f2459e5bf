// Who takes part in `//bench:transports` over QUIC. Each shows and trusts `TheCredentials`, and has
// the windows below; ping-pong and streams are bytes on one bidirectional stream.
#ifndef FAULTLINE_BENCH_QUIC_CONTESTANTS_H_
#define FAULTLINE_BENCH_QUIC_CONTESTANTS_H_

#include <cstdint>

#include "bench/our_transport.h"
#include "bench/tcp_workload.h"

namespace faultline::bench {

inline constexpr uint64_t kStreamWindow = uint64_t{1} << 20;
inline constexpr uint64_t kSessionWindow = uint64_t{4} << 20;

extern const Contestant kBareQuic;         // quic_bare.cc
extern const Contestant kBareGsoQuic;      // quic_bare.cc
extern const Contestant kFaultlineQuic;    // quic_faultline.cc
extern const OurTransport kQuicTransport;  // the same, for any world

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_QUIC_CONTESTANTS_H_
