// One congestion control for everybody: Reno, which is in every kernel and which each user may ask
// for.
//
// Loopback loses nothing and has no bottleneck to find. What a machine is configured with may look
// for one all the same: BBR estimates the rate of delivery from the times of acknowledgements
// and paces by it, so that a stream falls into one of several speeds, up to a factor of 1.5 apart,
// by how the two ends happen to take turns. That is no property of a library.
#ifndef FAULTLINE_BENCH_TCP_CONGESTION_H_
#define FAULTLINE_BENCH_TCP_CONGESTION_H_

namespace faultline::bench {

// Sets it for each TCP socket that this process has open; what a listener accepts later inherits
// it. That there is none is our bug. TCP_CONGESTION of tcp(7).
void UseReno();

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_TCP_CONGESTION_H_
