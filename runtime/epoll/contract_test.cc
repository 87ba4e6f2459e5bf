// Goal: the epoll backend keeps every promise of the seam's headers.
// Method: the contract suite, with both hosts on one loop and loopback between them.
#include "runtime/contract/contract.h"

#include <memory>

#include "runtime/contract/detach_contract.h"
#include "runtime/epoll/loop.h"
#include "runtime/kernel/loopback_world.h"

namespace faultline::epoll {
namespace {

std::unique_ptr<contract::World> MakeWorld() {
  return std::make_unique<kernel::LoopbackWorld<Loop>>();
}

}  // namespace
}  // namespace faultline::epoll

FAULTLINE_INSTANTIATE_CONTRACT(Epoll, &faultline::epoll::MakeWorld);
FAULTLINE_INSTANTIATE_DETACH(Epoll, &faultline::epoll::MakeWorld);
