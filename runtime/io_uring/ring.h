// Ring: one io_uring(7) instance, and who is told how an operation has ended.
//
//   Ring::Token token = ring->Start(&reader, [&](io_uring_sqe* sqe) {
//     io_uring_prep_recv(sqe, fd, buffer, size, 0);
//   });
//   ring->Wait(nullptr);               // submits it, waits, calls reader.OnComplete(result, flags)
//
// Submissions of a turn leave together, with the system call that waits. From `Start` until
// `OnComplete` the kernel owns the buffers that the operation names. Two ways to end it early:
//   RequestCancel   asks; the completion still comes, with -ECANCELED or with what was done by then
//   CancelAndTake   asks and waits: when it returns the kernel has let go, and nobody is told any
//                   more. For frames that are destroyed.
//
// A completion carries the number of a slot and the slot's generation, as a Poller's events do: one
// that comes late, for an operation that nobody wants any more, is dropped.
//
// One thread. Set up for a single issuer whose work is done when it waits (IORING_SETUP_
// DEFER_TASKRUN, Linux 6.1), and without that on older kernels.
#ifndef FAULTLINE_RUNTIME_IO_URING_RING_H_
#define FAULTLINE_RUNTIME_IO_URING_RING_H_

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace faultline::uring {

// Whoever is told how an operation has ended.
class Completion {
 public:
  // `result` as of the system call: an errno, negated, or what it returned. `flags` are those of
  // the completion (IORING_CQE_F_MORE: others follow). Called from `Ring::Wait`; may start and
  // cancel anything.
  virtual void OnComplete(int32_t result, uint32_t flags) = 0;

 protected:
  ~Completion() = default;
};

class Ring {
 public:
  // An operation in flight. 0 is none.
  using Token = uint64_t;

  // `entries` are submissions of one turn: more leave in several system calls. Errors, which say
  // what to do: ENOSYS (a kernel without io_uring), EPERM (forbidden: kernel.io_uring_disabled, or
  // a filter of system calls), ENOMEM (RLIMIT_MEMLOCK, on kernels before 5.12), EMFILE; EINVAL or
  // Unimplemented names what the kernel lacks.
  static absl::StatusOr<std::unique_ptr<Ring>> Create(uint32_t entries);
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  // No operation is in flight.
  ~Ring();

  // `prepare` fills in a submission, but for its user data. `completion` stays until it is told, or
  // until `CancelAndTake`.
  template <typename Prepare>
  Token Start(Completion* completion, Prepare prepare) {
    io_uring_sqe* sqe = NextSubmission();
    prepare(sqe);
    const Token token = TakeSlot(completion);
    io_uring_sqe_set_data64(sqe, token);
    return token;
  }

  void RequestCancel(Token token);
  // Returns the result, once the operation has ended; -ECANCELED if it did nothing.
  int32_t CancelAndTake(Token token);

  // io_uring_enter(2): submits, waits until something has ended or for `timeout` (null: without
  // end; zero: not at all), and hands out what has ended. Returns how many there were.
  int Wait(const __kernel_timespec* timeout);

  // Completions that were dropped by the kernel; always 0 (IORING_FEAT_NODROP).
  uint32_t overflows() const { return *ring_.cq.koverflow; }
  // Operations in flight.
  size_t in_flight() const { return slots_.size() - free_.size(); }

 private:
  static constexpr uint32_t kBatch = 256;  // completions that a turn hands out

  struct Slot {
    Completion* completion = nullptr;
    uint32_t generation = 1;
  };
  struct Ended {
    Token token;
    int32_t result;
    uint32_t flags;
  };

  static Token TokenOf(uint32_t index, uint32_t generation) {
    return (Token{generation} << 32) | index;
  }
  static uint32_t IndexOf(Token token) { return static_cast<uint32_t>(token); }
  bool IsLive(Token token) const;
  Token TakeSlot(Completion* completion);
  void FreeSlot(Token token);
  io_uring_sqe* NextSubmission();
  void Submit();
  void Collect();
  void HandOut(const Ended& ended);
  // Where it lies among what has ended and was not handed out; null if it has not ended.
  Ended* FindEnded(Token token);

  io_uring ring_{};
  bool made_ = false;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::vector<Ended> ended_;  // by the kernel, from `next_` on not handed out yet
  size_t next_ = 0;
};

}  // namespace faultline::uring

#endif  // FAULTLINE_RUNTIME_IO_URING_RING_H_
