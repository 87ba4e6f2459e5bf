// Goal: no byte and no end of a stream is missed although a short read counts as "drained", and an
// operation that an event has completed keeps its result whatever happens before its task runs.
// Method: the peer is a plain socket that the test drives itself, so that bytes and FIN fall
// exactly before the wait, between the wait and the read, or after the read. A read that misses its
// edge fails after 10 s.
#include "runtime/epoll/stream.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/combine.h"
#include "runtime/epoll/testing.h"
#include "runtime/errors.h"

namespace faultline::epoll {
namespace {

class StreamTest : public ::testing::TestWithParam<Endpoint> {
 public:
  using Body = Task<void> (*)(StreamTest*);

  void Run(Body body) { loop->Run(WithPair(body)); }
  Task<absl::StatusOr<std::string>> Read() {
    return ReadText(loop->runtime().clock, pair.stream.get());
  }

  std::unique_ptr<Loop> loop = MakeLoop();
  RawPair pair;

 private:
  Task<void> WithPair(Body body) {
    auto connected = co_await ConnectRaw(loop->runtime().network, GetParam());
    EXPECT_TRUE(connected.ok()) << connected.status();
    if (!connected.ok()) co_return;
    pair = *std::move(connected);
    co_await body(this);
    pair.stream.reset();
  }
};

INSTANTIATE_TEST_SUITE_P(Families, StreamTest,
                         ::testing::Values(Endpoint::Ipv4Loopback(0), Endpoint::Ipv6Loopback(0),
                                           Endpoint::Unix(absl::StrCat("@faultline-", getpid()))),
                         [](const ::testing::TestParamInfo<Endpoint>& info) {
                           return absl::StrCat("Family", static_cast<int>(info.param.family()));
                         });

void ExpectText(const absl::StatusOr<std::string>& got, const std::string& text) {
  EXPECT_TRUE(got.ok()) << got.status();
  if (got.ok()) EXPECT_EQ(*got, text);
}

// The others wait now, and the edges of their registrations have been reported.
Task<void> Settle(StreamTest* t) {
  EXPECT_TRUE((co_await t->loop->runtime().clock->SleepFor(1ms)).ok());
}

// --- The end, and where it falls ---

Task<void> EndBeforeTheFirstRead(StreamTest* t) {
  RawSend(t->pair.raw, "last words");
  RawFinish(t->pair.raw);
  ExpectText(co_await t->Read(), "last words");
  ExpectText(co_await t->Read(), "");
}
TEST_P(StreamTest, TheEndIsSeenWhenItCameWithTheBytesBeforeTheFirstRead) {
  Run(&EndBeforeTheFirstRead);
}

Task<bool> SendAndFinish(StreamTest* t) {
  co_await Settle(t);
  RawSend(t->pair.raw, "last words");
  RawFinish(t->pair.raw);
  co_return true;
}

// One edge tells of both: no other will come for the end.
Task<void> EndInTheSameEdge(StreamTest* t) {
  auto [got, sent] = co_await All(t->Read(), SendAndFinish(t));
  EXPECT_TRUE(sent);
  ExpectText(got, "last words");
  ExpectText(co_await t->Read(), "");
}
TEST_P(StreamTest, TheEndIsSeenWhenOneEdgeToldOfItAndOfBytes) { Run(&EndInTheSameEdge); }

// In the batch before the stream: what it does happens between the wait and the stream's read.
class BetweenWaitAndRead final : public Pollable {
 public:
  BetweenWaitAndRead(Core* core, const Descriptor* raw, bool more)
      : event_(core, Descriptor(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), this),
        raw_(raw),
        more_(more) {
    EXPECT_TRUE(event_.Want(EPOLLIN).ok());
  }
  void Trigger() const {
    uint64_t one = 1;
    EXPECT_EQ(write(event_.fd(), &one, sizeof(one)), 8);
  }
  bool called = false;

 private:
  void OnEvents(uint32_t) override {
    called = true;
    if (more_) RawSend(*raw_, " and more");
    RawFinish(*raw_);
  }

  Watched event_;
  const Descriptor* const raw_;
  const bool more_;
};

Task<bool> TriggerAndSend(StreamTest* t, const BetweenWaitAndRead* hook) {
  co_await Settle(t);
  hook->Trigger();
  RawSend(t->pair.raw, "words");
  co_return true;
}

Task<void> EndBetween(StreamTest* t, bool more) {
  BetweenWaitAndRead hook(t->loop->core(), &t->pair.raw, more);
  auto [got, sent] = co_await All(t->Read(), TriggerAndSend(t, &hook));
  EXPECT_TRUE(sent);
  EXPECT_TRUE(hook.called);
  ExpectText(got, more ? "words and more" : "words");
  ExpectText(co_await t->Read(), "");
}
Task<void> EndBetweenWaitAndRead(StreamTest* t) { return EndBetween(t, false); }
Task<void> BytesAndEndBetweenWaitAndRead(StreamTest* t) { return EndBetween(t, true); }

TEST_P(StreamTest, TheEndIsSeenWhenItComesBetweenTheWaitAndTheRead) { Run(&EndBetweenWaitAndRead); }
TEST_P(StreamTest, TheEndIsSeenWhenItComesWithBytesBetweenTheWaitAndTheRead) {
  Run(&BytesAndEndBetweenWaitAndRead);
}

Task<void> EndAfterTheRead(StreamTest* t) {
  RawSend(t->pair.raw, "words");
  ExpectText(co_await t->Read(), "words");
  RawFinish(t->pair.raw);
  ExpectText(co_await t->Read(), "");
}
TEST_P(StreamTest, TheEndIsSeenWhenItComesAfterTheRead) { Run(&EndAfterTheRead); }

Task<bool> SendAndReset(StreamTest* t) {
  co_await Settle(t);
  RawSend(t->pair.raw, "last words");
  RawReset(&t->pair.raw);
  co_return true;
}

Task<void> ResetInTheSameEdge(StreamTest* t) {
  auto [got, sent] = co_await All(t->Read(), SendAndReset(t));
  EXPECT_TRUE(sent);
  ExpectText(got, "last words");
  auto end = co_await t->Read();
  // A Unix socket knows no reset.
  if (t->GetParam().is_ip()) {
    EXPECT_EQ(ErrnoOf(end.status()), ECONNRESET) << end.status();
  } else {
    ExpectText(end, "");
  }
}
TEST_P(StreamTest, AResetIsSeenWhenOneEdgeToldOfItAndOfBytes) { Run(&ResetInTheSameEdge); }

// --- Reads that the kernel cuts short although there is more ---

Task<bool> SendUrgent(StreamTest* t) {
  co_await Settle(t);
  RawSend(t->pair.raw, "abc");
  RawSend(t->pair.raw, "!", MSG_OOB);
  RawSend(t->pair.raw, "def");
  co_return true;
}

Task<void> UrgentData(StreamTest* t) {
  auto [first, sent] = co_await All(t->Read(), SendUrgent(t));
  EXPECT_TRUE(sent);
  EXPECT_TRUE(first.ok()) << first.status();
  std::string all = first.value_or("");
  while (all.size() < 6) {  // the urgent byte is not in the stream (tcp(7), unix(7))
    auto next = co_await t->Read();
    EXPECT_TRUE(next.ok()) << next.status() << " after " << all;
    if (!next.ok() || next->empty()) co_return;
    all += *next;
  }
  EXPECT_EQ(all, "abcdef");
}
TEST_P(StreamTest, UrgentDataDoesNotHideWhatFollowsIt) { Run(&UrgentData); }

void SendDescriptor(const Descriptor& raw, std::string text) {
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec bytes{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  int fd = raw.get();
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  EXPECT_EQ(sendmsg(raw.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

Task<bool> SendDescriptorsAndBytes(StreamTest* t) {
  co_await Settle(t);
  SendDescriptor(t->pair.raw, "abc");
  SendDescriptor(t->pair.raw, "def");
  RawSend(t->pair.raw, "ghi");
  co_return true;
}

int LowestFreeDescriptor() {
  Descriptor probe(dup(STDERR_FILENO));
  return probe.get();
}

Task<void> DescriptorsOfAUnixPeer(StreamTest* t) {
  if (t->GetParam().is_ip()) co_return;
  int free_before = LowestFreeDescriptor();
  auto [first, sent] = co_await All(t->Read(), SendDescriptorsAndBytes(t));
  EXPECT_TRUE(sent);
  std::string all = first.value_or("");
  while (all.size() < 9) {
    auto next = co_await t->Read();
    EXPECT_TRUE(next.ok()) << next.status() << " after " << all;
    if (!next.ok() || next->empty()) co_return;
    all += *next;
  }
  EXPECT_EQ(all, "abcdefghi");
  EXPECT_EQ(LowestFreeDescriptor(), free_before);  // none of them was taken in
}
TEST_P(StreamTest, DescriptorsOfAUnixPeerDoNotHideWhatFollowsAndAreNotTaken) {
  Run(&DescriptorsOfAUnixPeer);
}

// --- Between completion and resumption ---

Task<void> StopWhenRead(Stream* stream, StopSource* stop, bool* requested) {
  std::array<std::byte, 1> byte;
  (void)co_await stream->Read(byte);
  *requested = true;
  stop->RequestStop();
}

Task<void> ReadUnderStop(Stream* stream, const bool* requested, std::string* got) {
  std::array<char, 100> buffer;
  auto read = co_await stream->Read(std::as_writable_bytes(std::span(buffer)));
  EXPECT_TRUE(*requested);  // the stop came first, the task ran after it
  EXPECT_TRUE(read.ok()) << read.status();
  *got = std::string(buffer.data(), read.value_or(0));
}

// Both reads complete in one batch, the stopper's first: the request finds an operation that is
// done, but whose task has not run yet.
Task<void> StopAfterCompletion(StreamTest* t) {
  auto other = co_await ConnectRaw(t->loop->runtime().network, Endpoint::Ipv4Loopback(0));
  EXPECT_TRUE(other.ok()) << other.status();
  if (!other.ok()) co_return;
  StopSource stop(co_await CurrentStop());
  Scope scope(co_await ThisTask());
  std::string got;
  bool requested = false;
  scope.Spawn(StopWhenRead(other->stream.get(), &stop, &requested));
  scope.Spawn(WithStop(&stop, ReadUnderStop(t->pair.stream.get(), &requested, &got)));
  co_await Settle(t);
  RawSend(other->raw, "x");
  RawSend(t->pair.raw, "kept");
  co_await scope.Join();
  EXPECT_EQ(got, "kept");
}
TEST_P(StreamTest, AStopAfterTheCompletionTakesNothingBack) { Run(&StopAfterCompletion); }

Task<void> ReadNever(Stream* stream) {
  std::array<std::byte, 100> buffer;
  (void)co_await stream->Read(buffer);
  ADD_FAILURE() << "this frame was destroyed";
}

// A posted function runs after the batch was handed out and before any task.
Task<void> DestroyAfterCompletion(StreamTest* t) {
  auto doomed = std::make_unique<Scope>(t->loop->runtime().executor);
  doomed->Spawn(ReadNever(t->pair.stream.get()));
  co_await Settle(t);
  RawSend(t->pair.raw, "gone");
  EXPECT_TRUE(t->loop->remote()->Post([&doomed] { doomed.reset(); }));
  for (int i = 0; i < 100 && doomed != nullptr; ++i) {
    (void)co_await t->loop->runtime().clock->SleepFor(1ms);
  }
  EXPECT_EQ(doomed, nullptr);
  RawSend(t->pair.raw, "still here");
  ExpectText(co_await t->Read(), "still here");
}
TEST_P(StreamTest, AFrameMayBeDestroyedBetweenCompletionAndResumption) {
  Run(&DestroyAfterCompletion);
}

// --- Writes ---

Task<bool> WriteMuch(Stream* stream, size_t size) {
  std::vector<std::byte> bytes(size);
  for (size_t done = 0; done < size;) {
    auto taken = co_await stream->Write(std::span(bytes).subspan(done));
    if (!taken.ok()) co_return false;
    done += *taken;
  }
  co_return true;
}

Task<bool> TakeSlowly(Clock* clock, const Descriptor* raw, size_t size) {
  for (size_t done = 0; done < size;) {
    (void)co_await clock->SleepFor(10us);
    done += RawReceive(*raw, std::min<size_t>(size - done, size_t{256} << 10));
  }
  co_return true;
}

// Many times full, many edges: none is missed.
Task<void> FullBuffers(StreamTest* t) {
  constexpr size_t kBytes = size_t{16} << 20;
  auto [written, read] = co_await All(WriteMuch(t->pair.stream.get(), kBytes),
                                      TakeSlowly(t->loop->runtime().clock, &t->pair.raw, kBytes));
  EXPECT_TRUE(written);
  EXPECT_TRUE(read);
}
TEST_P(StreamTest, AWriterIsWokenEachTimeTheBufferHasRoomAgain) { Run(&FullBuffers); }

Task<void> ErrorsKeepTheirErrno(StreamTest* t) {
  RawReset(&t->pair.raw);
  std::vector<std::byte> bytes(1000);
  absl::StatusOr<size_t> taken = size_t{0};
  for (int i = 0; i < 10 && taken.ok(); ++i) taken = co_await t->pair.stream->Write(bytes);
  EXPECT_TRUE(ErrnoOf(taken.status()) == ECONNRESET || ErrnoOf(taken.status()) == EPIPE)
      << taken.status();
  std::string local = t->pair.stream->local_address().ToString();
  EXPECT_NE(std::string(taken.status().message()).find(local), std::string::npos);
}
TEST_P(StreamTest, ErrorsKeepTheirErrnoAndNameTheStream) { Run(&ErrorsKeepTheirErrno); }

}  // namespace
}  // namespace faultline::epoll
