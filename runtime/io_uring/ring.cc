#include "runtime/io_uring/ring.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/errors.h"

namespace faultline::uring {
namespace {

// What each kind of kernel can do, the best first.
constexpr uint32_t kSetups[] = {
    IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
        IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,                               // 6.1
    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP |  // 5.19
        IORING_SETUP_CQSIZE,
    IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
};

constexpr uint32_t kNeededFeatures =
    IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG | IORING_FEAT_SUBMIT_STABLE | IORING_FEAT_FAST_POLL;

struct NeededOpcode {
  int opcode;
  const char* name;
};
constexpr NeededOpcode kNeededOpcodes[] = {
    {IORING_OP_RECV, "RECV"},         {IORING_OP_SEND, "SEND"},
    {IORING_OP_RECVMSG, "RECVMSG"},   {IORING_OP_SENDMSG, "SENDMSG"},
    {IORING_OP_ACCEPT, "ACCEPT"},     {IORING_OP_CONNECT, "CONNECT"},
    {IORING_OP_POLL_ADD, "POLL_ADD"}, {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
};

absl::Status Refused(int error) {
  switch (error) {
    case ENOSYS:
      return ErrnoStatus(error, "io_uring_setup: this kernel has no io_uring");
    case EPERM:
    case EACCES:
      return ErrnoStatus(error,
                         "io_uring_setup: forbidden here (sysctl kernel.io_uring_disabled, or a "
                         "filter of system calls)");
    case ENOMEM:
      return ErrnoStatus(error,
                         "io_uring_setup: not enough memory, or than RLIMIT_MEMLOCK allows "
                         "(ulimit -l)");
    default:
      return ErrnoStatus(error, "io_uring_setup");
  }
}

absl::Status CheckOpcodes(io_uring* ring) {
  io_uring_probe* probe = io_uring_get_probe_ring(ring);
  if (probe == nullptr) return ErrnoStatus(ENOMEM, "io_uring_register: IORING_REGISTER_PROBE");
  absl::Status status;
  for (const NeededOpcode& needed : kNeededOpcodes) {
    if (io_uring_opcode_supported(probe, needed.opcode) == 0) {
      status = absl::UnimplementedError(
          absl::StrCat("io_uring: this kernel has no IORING_OP_", needed.name));
    }
  }
  io_uring_free_probe(probe);
  return status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Ring>> Ring::Create(uint32_t entries) {
  auto ring = std::make_unique<Ring>();
  int error = 0;
  for (uint32_t setup : kSetups) {
    io_uring_params params{};
    params.flags = setup;
    params.cq_entries = entries * 4;
    error = -io_uring_queue_init_params(entries, &ring->ring_, &params);
    if (error != EINVAL) break;
  }
  if (error != 0) return Refused(error);
  ring->made_ = true;
  if ((ring->ring_.features & kNeededFeatures) != kNeededFeatures) {
    return absl::UnimplementedError("io_uring: this kernel is older than Linux 5.11");
  }
  if (absl::Status status = CheckOpcodes(&ring->ring_); !status.ok()) return status;
  ring->ended_.reserve(size_t{entries} * 4);
  return ring;
}

Ring::~Ring() {
  if (!made_) return;
  FAULTLINE_CHECK(in_flight() == 0) << in_flight() << " operations outlive their ring";
  io_uring_queue_exit(&ring_);
}

// --- Slots ---

bool Ring::IsLive(Token token) const {
  const uint32_t index = IndexOf(token);
  return index < slots_.size() && slots_[index].completion != nullptr &&
         TokenOf(index, slots_[index].generation) == token;
}

Ring::Token Ring::TakeSlot(Completion* completion) {
  if (free_.empty()) {
    free_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  slots_[index].completion = completion;
  return TokenOf(index, slots_[index].generation);
}

void Ring::FreeSlot(Token token) {
  Slot* slot = &slots_[IndexOf(token)];
  slot->completion = nullptr;
  if (++slot->generation == 0) slot->generation = 1;
  free_.push_back(IndexOf(token));
}

// --- Submissions ---

io_uring_sqe* Ring::NextSubmission() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  if (sqe != nullptr) return sqe;
  Submit();
  sqe = io_uring_get_sqe(&ring_);
  FAULTLINE_CHECK(sqe != nullptr) << "the submission queue stays full";
  return sqe;
}

// EBUSY and EAGAIN: completions have to be taken first.
void Ring::Submit() {
  while (true) {
    const int submitted = io_uring_submit(&ring_);
    if (submitted >= 0) return;
    FAULTLINE_CHECK(submitted == -EINTR || submitted == -EBUSY || submitted == -EAGAIN)
        << ErrnoStatus(-submitted, "io_uring_enter");
    if (submitted != -EINTR) (void)io_uring_get_events(&ring_);
    Collect();
  }
}

// --- Cancelling ---

void Ring::RequestCancel(Token token) {
  if (!IsLive(token) || FindEnded(token) != nullptr) return;
  io_uring_sqe* sqe = NextSubmission();
  io_uring_prep_cancel64(sqe, token, 0);
  io_uring_sqe_set_data64(sqe, 0);
}

int32_t Ring::CancelAndTake(Token token) {
  FAULTLINE_CHECK(IsLive(token)) << "an operation that is not in flight";
  RequestCancel(token);
  Ended* ended;
  while ((ended = FindEnded(token)) == nullptr) {
    const int entered = io_uring_submit_and_wait(&ring_, 1);
    FAULTLINE_CHECK(entered >= 0 || entered == -EINTR || entered == -EBUSY || entered == -EAGAIN)
        << ErrnoStatus(-entered, "io_uring_enter");
    Collect();
  }
  const int32_t result = ended->result;
  ended->token = 0;
  FreeSlot(token);
  return result;
}

Ring::Ended* Ring::FindEnded(Token token) {
  for (size_t i = next_; i < ended_.size(); ++i) {
    if (ended_[i].token == token && (ended_[i].flags & IORING_CQE_F_MORE) == 0) return &ended_[i];
  }
  return nullptr;
}

// --- Completions ---

void Ring::Collect() {
  io_uring_cqe* cqe = nullptr;
  unsigned head = 0;
  unsigned count = 0;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    ++count;
    if (cqe->user_data != 0) ended_.push_back({cqe->user_data, cqe->res, cqe->flags});
  }
  io_uring_cq_advance(&ring_, count);
}

int Ring::Wait(const __kernel_timespec* timeout) {
  const bool wait = timeout == nullptr || timeout->tv_sec > 0 || timeout->tv_nsec > 0;
  int entered;
  if (!wait || next_ < ended_.size()) {
    entered = io_uring_submit_and_get_events(&ring_);
  } else {
    io_uring_cqe* first = nullptr;
    entered = io_uring_submit_and_wait_timeout(&ring_, &first, 1,
                                               const_cast<__kernel_timespec*>(timeout), nullptr);
  }
  FAULTLINE_CHECK(entered >= 0 || entered == -ETIME || entered == -EINTR || entered == -EBUSY ||
                  entered == -EAGAIN)
      << ErrnoStatus(-entered, "io_uring_enter");
  Collect();
  int handed_out = 0;
  while (next_ < ended_.size() && handed_out < static_cast<int>(kBatch)) {
    const Ended ended = ended_[next_++];
    if (ended.token == 0) continue;
    HandOut(ended);
    ++handed_out;
  }
  ended_.erase(ended_.begin(), ended_.begin() + static_cast<ptrdiff_t>(next_));
  next_ = 0;
  return handed_out;
}

void Ring::HandOut(const Ended& ended) {
  if (!IsLive(ended.token)) return;
  Completion* completion = slots_[IndexOf(ended.token)].completion;
  if ((ended.flags & IORING_CQE_F_MORE) == 0) FreeSlot(ended.token);
  completion->OnComplete(ended.result, ended.flags);
}

}  // namespace faultline::uring
