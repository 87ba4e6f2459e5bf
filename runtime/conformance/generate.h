// Generate: the program of a seed.
//
// A program has one or two listeners, one to four connections and up to three datagram sockets, and
// then a handful of phases. In each phase one to three of them make a move: a transfer with a
// reader, bytes that nobody reads yet, one of the ends, a probe of a stream that has ended, a stop
// of something that waits, a race. A step that could wait for ever has a limit.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_GENERATE_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_GENERATE_H_

#include <cstdint>

#include "runtime/conformance/program.h"

namespace faultline::conformance {

// The same seed gives the same program, everywhere.
Program Generate(uint64_t seed);

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_GENERATE_H_
