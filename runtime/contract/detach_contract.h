// The contract of streams that change hands (detached_stream.h), for worlds whose streams can.
//
//   FAULTLINE_INSTANTIATE_DETACH(Mine, &MakeMyWorld);
#ifndef FAULTLINE_RUNTIME_CONTRACT_DETACH_CONTRACT_H_
#define FAULTLINE_RUNTIME_CONTRACT_DETACH_CONTRACT_H_

#include <memory>
#include <span>

#include "runtime/contract/contract.h"

namespace faultline::contract {

class DetachContract : public StreamContract {
 public:
  // The server's end is let go of and adopted where it came from; `unread` was read, and is to be
  // read again. False if it is gone.
  bool Rehang(std::span<const std::byte> unread = {});
};

}  // namespace faultline::contract

#define FAULTLINE_INSTANTIATE_DETACH(prefix, factory)                                    \
  namespace faultline::contract {                                                        \
  FAULTLINE_INSTANTIATE_SUITE_(prefix, DetachContract, factory, Endpoint::Family::kIpv4, \
                               Endpoint::Family::kIpv6, Endpoint::Family::kUnix);        \
  }                                                                                      \
  static_assert(true)

#endif  // FAULTLINE_RUNTIME_CONTRACT_DETACH_CONTRACT_H_
