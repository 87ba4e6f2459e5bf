// Goal: a stream over descriptors keeps the promises of stream.h, over pipes and over sockets;
// whoever shares a pipe keeps its way of waiting; standard input and output can be taken over.
// Method: the contract suite over pairs of pipes and over socketpair(2); files, flags and a child
// process by hand.
#include "runtime/epoll/descriptor_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/contract/contract.h"
#include "runtime/contract/paired_network.h"
#include "runtime/epoll/testing.h"
#include "runtime/errors.h"

namespace faultline::epoll {
namespace {

constexpr int kPipeBytes = 1 << 20;

struct Ends {
  Descriptor read;
  Descriptor write;
};

Ends MakePipe() {
  std::array<int, 2> fds;
  FAULTLINE_CHECK(pipe2(fds.data(), O_CLOEXEC) == 0) << ErrnoStatus(errno, "pipe2");
  // The suite writes more than 64 KiB before it reads.
  FAULTLINE_CHECK(fcntl(fds[0], F_SETPIPE_SZ, kPipeBytes) == kPipeBytes);
  return {Descriptor(fds[0]), Descriptor(fds[1])};
}

Descriptor Duplicate(const Descriptor& descriptor) {
  return Descriptor(fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 0));
}

std::unique_ptr<Stream> Make(Loop* loop, Descriptor in, Descriptor out) {
  auto stream = MakeDescriptorStream(loop->core(), std::move(in), std::move(out));
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  return *std::move(stream);
}

StreamPair MakePipes(Loop* loop) {
  Ends forth = MakePipe();
  Ends back = MakePipe();
  return {Make(loop, std::move(back.read), std::move(forth.write)),
          Make(loop, std::move(forth.read), std::move(back.write))};
}

StreamPair MakeSockets(Loop* loop) {
  std::array<int, 2> fds;
  FAULTLINE_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()) == 0)
      << ErrnoStatus(errno, "socketpair");
  Descriptor near(fds[0]);
  Descriptor far(fds[1]);
  auto stream_of = [loop](Descriptor socket) {
    Descriptor copy = Duplicate(socket);
    return Make(loop, std::move(socket), std::move(copy));
  };
  return {stream_of(std::move(near)), stream_of(std::move(far))};
}

Task<absl::Status> Finish(Task<void> test) {
  co_await std::move(test);
  const bool stopped = (co_await CurrentStop()).stop_requested();
  co_return stopped ? absl::CancelledError("stopped") : absl::OkStatus();
}

Task<void> Bounded(Clock* clock, Task<void> test) {
  const absl::Status ended = co_await Deadline(clock, clock->Now() + 30s, Finish(std::move(test)));
  EXPECT_TRUE(ended.ok()) << ended;
}

class DescriptorWorld final : public contract::World {
 public:
  explicit DescriptorWorld(StreamPair (*make)(Loop*))
      : pipes_(make == &MakePipes), network_([this, make] { return make(loop_.get()); }) {}

  Runtime runtime(int) override {
    Runtime runtime = loop_->runtime();
    runtime.network = &network_;
    return runtime;
  }
  Endpoint Address(int, Endpoint::Family) override { return Endpoint::Unix("@descriptors"); }
  void Run(Task<void> test) override {
    const std::string_view name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    if (pipes_ && (name.starts_with("ACloseWithUnreadInputResetsThePeer") ||
                   name.starts_with("AResetAfterTheEndIsToldOnUnixSocketsAlone"))) {
      GTEST_SKIP() << "a pipe has no reset";
    }
    loop_->Run(Bounded(loop_->runtime().clock, std::move(test)));
  }

 private:
  const bool pipes_;
  const std::unique_ptr<Loop> loop_ = MakeLoop();
  contract::PairedNetwork network_;
};

std::unique_ptr<contract::World> OverPipes() {
  return std::make_unique<DescriptorWorld>(&MakePipes);
}
std::unique_ptr<contract::World> OverSockets() {
  return std::make_unique<DescriptorWorld>(&MakeSockets);
}

// --- What is shared ---

TEST(DescriptorStream, LeavesTheFlagsOfAPipeToThoseWhoShareIt) {
  const std::unique_ptr<Loop> loop = MakeLoop();
  Ends pipe = MakePipe();
  const Descriptor shared_in = Duplicate(pipe.read);
  const Descriptor shared_out = Duplicate(pipe.write);
  const std::unique_ptr<Stream> stream =
      Make(loop.get(), std::move(pipe.read), std::move(pipe.write));
  EXPECT_EQ(fcntl(shared_in.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(fcntl(shared_out.get(), F_GETFL) & O_NONBLOCK, 0);
}

Task<void> CopyFile(Stream* stream, std::string* seen) {
  std::array<std::byte, 7> buffer;
  while (true) {
    const absl::StatusOr<size_t> got = co_await stream->Read(buffer);
    EXPECT_TRUE(got.ok()) << got.status();
    if (!got.ok() || *got == 0) co_return;
    seen->append(reinterpret_cast<const char*>(buffer.data()), *got);
    EXPECT_TRUE((co_await stream->Write(std::span(buffer).first(*got))).ok());
  }
}

TEST(DescriptorStream, ReadsAFileToItsEndAndWritesAnother) {
  const std::unique_ptr<Loop> loop = MakeLoop();
  std::FILE* in = std::tmpfile();
  std::FILE* out = std::tmpfile();
  const std::string text = "what a file holds, in more than one read";
  std::fwrite(text.data(), 1, text.size(), in);
  std::rewind(in);
  std::string seen;
  {
    const std::unique_ptr<Stream> stream =
        Make(loop.get(), Descriptor(dup(fileno(in))), Descriptor(dup(fileno(out))));
    loop->Run(CopyFile(stream.get(), &seen));
  }
  EXPECT_EQ(seen, text);
  std::string written(text.size(), ' ');
  std::rewind(out);
  EXPECT_EQ(std::fread(written.data(), 1, written.size(), out), written.size());
  EXPECT_EQ(written, text);
  std::fclose(in);
  std::fclose(out);
}

TEST(DescriptorStream, ADescriptorThatIsNotOpenIsAnError) {
  const std::unique_ptr<Loop> loop = MakeLoop();
  Ends pipe = MakePipe();
  const int closed = pipe.read.get();
  pipe.read.Close();
  const auto stream = MakeDescriptorStream(loop->core(), Descriptor(closed), std::move(pipe.write));
  EXPECT_EQ(ErrnoOf(stream.status()), EBADF) << stream.status();
}

// --- Standard input and output ---

Task<void> EchoUntilTheEnd(Stream* stream) {
  std::array<std::byte, 4096> buffer;
  while (true) {
    const absl::StatusOr<size_t> got = co_await stream->Read(buffer);
    if (!got.ok() || *got == 0) break;
    std::span<const std::byte> rest = std::span(buffer).first(*got);
    while (!rest.empty()) {
      const absl::StatusOr<size_t> written = co_await stream->Write(rest);
      if (!written.ok()) co_return;
      rest = rest.subspan(*written);
    }
  }
  (void)stream->Close();
}

// A child, whose standard input and output are these.
[[noreturn]] void BeAnEcho(const Descriptor& in, const Descriptor& out) {
  dup2(in.get(), STDIN_FILENO);
  dup2(out.get(), STDOUT_FILENO);
  alarm(30);
  const std::unique_ptr<Loop> loop = MakeLoop();
  auto stream = TakeStdio(loop->core());
  FAULTLINE_CHECK(stream.ok()) << stream.status();
  if (write(STDOUT_FILENO, "stray print", 11) != 11) _exit(2);
  char nothing;
  if (read(STDIN_FILENO, &nothing, 1) != 0) _exit(3);
  loop->Run(EchoUntilTheEnd(stream->get()));
  _exit(0);
}

Task<void> SendAndFinish(Stream* stream, const std::string* text) {
  std::span<const std::byte> rest = std::as_bytes(std::span(*text));
  while (!rest.empty()) {
    const absl::StatusOr<size_t> written = co_await stream->Write(rest);
    EXPECT_TRUE(written.ok()) << written.status();
    if (!written.ok()) co_return;
    rest = rest.subspan(*written);
  }
  EXPECT_TRUE(stream->ShutdownWrite().ok());
}

Task<void> ReceiveAll(Stream* stream, std::string* text) {
  std::array<std::byte, 1000> buffer;
  while (true) {
    const absl::StatusOr<size_t> got = co_await stream->Read(buffer);
    EXPECT_TRUE(got.ok()) << got.status();
    if (!got.ok() || *got == 0) co_return;
    text->append(reinterpret_cast<const char*>(buffer.data()), *got);
  }
}

Task<void> Converse(Stream* stream, const std::string* question, std::string* answer) {
  Scope scope(co_await ThisTask());
  scope.Spawn(SendAndFinish(stream, question));
  scope.Spawn(ReceiveAll(stream, answer));
  co_await scope.Join();
}

TEST(Stdio, IsAStreamAndAStrayPrintIsNotInIt) {
  Ends to_child = MakePipe();
  Ends from_child = MakePipe();
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    to_child.write.Close();
    from_child.read.Close();
    BeAnEcho(to_child.read, from_child.write);
  }
  to_child.read.Close();
  from_child.write.Close();
  std::string question;
  while (question.size() < 3'000'000) question += "more than a pipe holds, ";
  std::string answer;
  {
    const std::unique_ptr<Loop> loop = MakeLoop();
    const std::unique_ptr<Stream> stream =
        Make(loop.get(), std::move(from_child.read), std::move(to_child.write));
    loop->Run(Converse(stream.get(), &question, &answer));
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(answer, question);
}

}  // namespace
}  // namespace faultline::epoll

namespace faultline::contract {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TcpContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(NetworkContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TcpNetworkContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(DatagramContract);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TimeContract);

FAULTLINE_INSTANTIATE_SUITE_(Pipes, StreamContract, &epoll::OverPipes, Endpoint::Family::kUnix);
FAULTLINE_INSTANTIATE_SUITE_(Sockets, StreamContract, &epoll::OverSockets, Endpoint::Family::kUnix);

}  // namespace faultline::contract
