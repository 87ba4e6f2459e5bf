// Goal: the io_uring backend keeps every promise of the seam's headers.
// Method: the contract suite, with both hosts on one loop and loopback between them.
#include "runtime/contract/contract.h"

#include <memory>

#include "runtime/contract/detach_contract.h"
#include "runtime/io_uring/loop.h"
#include "runtime/kernel/loopback_world.h"

namespace faultline::uring {
namespace {

std::unique_ptr<contract::World> MakeWorld() {
  return std::make_unique<kernel::LoopbackWorld<Loop>>();
}

}  // namespace
}  // namespace faultline::uring

FAULTLINE_INSTANTIATE_CONTRACT(IoUring, &faultline::uring::MakeWorld);
FAULTLINE_INSTANTIATE_DETACH(IoUring, &faultline::uring::MakeWorld);
