// BufferPacker: small buffers, one behind the other in buffers of a pool.
//
//   BufferPacker packer(pool);
//   Unfrozen draft = packer.Allocate(300);     // as from the pool, but at a multiple of 64
//
// Buffers of a pool start at multiples of 4096: a small message in each costs a page, an entry of
// the TLB, and lines of the cache that are always the same few. Packed, messages of 256 bytes cost
// what they hold. In return they are not aligned for direct I/O, and each keeps its neighbours'
// memory alive: for messages that are sent soon, not for those that are kept one by one.
#ifndef FAULTLINE_RUNTIME_BUFFER_PACKER_H_
#define FAULTLINE_RUNTIME_BUFFER_PACKER_H_

#include <cstddef>
#include <utility>

#include "runtime/frozen.h"

namespace faultline {

class BufferPacker {
 public:
  static constexpr size_t kAlignment = 64;            // a line of the cache
  static constexpr size_t kSlabBytes = 64 << 10;      // taken from the pool at a time
  static constexpr size_t kMaxPackedBytes = 2 << 10;  // larger ones are the pool's own

  // `pool` outlives it; its buffers need not. One thread, the pool's, allocates.
  explicit BufferPacker(BufferPool* pool) : pool_(pool) {}

  // As `BufferPool::Allocate`.
  Unfrozen Allocate(size_t size) {
    if (size > kMaxPackedBytes) return pool_->Allocate(size);
    size_t room = (size + kAlignment - 1) / kAlignment * kAlignment;
    if (slab_.size() - used_ < room) Renew();
    return slab_.Lend(std::exchange(used_, used_ + room), size);
  }

 private:
  void Renew() {
    if (slab_.size() == 0 || !slab_.unshared()) slab_ = Slab(pool_->Allocate(kSlabBytes));
    used_ = 0;
  }

  BufferPool* const pool_;
  Slab slab_;
  size_t used_ = 0;
};

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_BUFFER_PACKER_H_
