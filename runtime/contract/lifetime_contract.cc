// Goal: a frame may be destroyed at any suspension: the operation that it awaits, and the buffers
// in it, are let go before its destructor returns (transfer.h), and everybody else goes on.
// Method: tasks own their buffers; their scope is destroyed from a timer, outside of tasks, as a
// crash does it. Then the same stream, listener or clock is used by another task. AddressSanitizer
// sees whatever still points into the frames.
#include <gtest/gtest.h>

#include <array>
#include <memory>

#include "runtime/combine.h"
#include "runtime/contract/contract.h"
#include "runtime/contract/helpers.h"

namespace faultline::contract {
namespace {

// Destroys what `doom` runs, a little later.
Task<void> Destroy(Clock* clock, Doom* doom) {
  doom->DestroyAt(clock, clock->Now() + 1ms);
  EXPECT_TRUE((co_await clock->SleepFor(2ms)).ok());
  EXPECT_TRUE(doom->destroyed());
}

Task<void> ReadFromFrame(Stream* stream) {
  std::array<std::byte, 100> buffer;
  (void)co_await stream->Read(buffer);
  ADD_FAILURE() << "nothing should have come";
}

Task<void> ReadVectorFromFrame(Stream* stream) {
  std::array<std::byte, 100> buffer;
  std::array<iovec, 2> parts = {iovec{buffer.data(), 50}, iovec{buffer.data() + 50, 50}};
  (void)co_await stream->ReadVector(parts);
  ADD_FAILURE() << "nothing should have come";
}

Task<void> WriteFromFrame(Stream* stream) {
  std::array<std::byte, 1000> buffer{};
  (void)co_await stream->Write(buffer);
  ADD_FAILURE() << "there should have been no room";
}

Task<bool> BytesArrive(Stream* from, Stream* to, size_t size) {
  Bytes sent = Pattern(size);
  Bytes received(size);
  if (!(co_await WriteAll(from, &sent)).ok()) co_return false;
  co_return (co_await ReadExactly(to, &received)).ok() && received == sent;
}

STREAM_TEST(StreamContract, AFrameMayBeDestroyedWhileItReads) {
  Clock* clock = t->client().clock;
  for (auto* read : {&ReadFromFrame, &ReadVectorFromFrame}) {
    Doom doom(t->client().executor);
    doom.Spawn(read(t->server_stream.get()));
    co_await Destroy(clock, &doom);
    EXPECT_TRUE(co_await BytesArrive(t->client_stream.get(), t->server_stream.get(), 100));
  }
}

STREAM_TEST(StreamContract, AFrameMayBeDestroyedWhileItWrites) {
  Clock* clock = t->client().clock;
  auto filled = co_await FillUp(clock, t->client_stream.get());
  CONTRACT_REQUIRE_OK(filled);
  Doom doom(t->client().executor);
  doom.Spawn(WriteFromFrame(t->client_stream.get()));
  co_await Destroy(clock, &doom);
  // Nothing of it was sent.
  CONTRACT_REQUIRE_OK(t->client_stream->ShutdownWrite());
  absl::Status error;
  Bytes received = co_await ReadToEnd(t->server_stream.get(), &error);
  EXPECT_EQ(received.size(), *filled);
  EXPECT_TRUE(received == Pattern(received.size()));
}

Task<void> OwnBothEnds(std::unique_ptr<Stream> a, std::unique_ptr<Stream> b) {
  std::array<std::byte, 10> buffer;
  (void)co_await a->Read(buffer);
  ADD_FAILURE() << "nothing should have come";
  b.reset();
}

STREAM_TEST(StreamContract, AFrameMayBeDestroyedWithTheStreamsThatItOwns) {
  Clock* clock = t->client().clock;
  Doom doom(t->client().executor);
  doom.Spawn(OwnBothEnds(std::move(t->client_stream), std::move(t->server_stream)));
  co_await Destroy(clock, &doom);
  // The listener is as good as before.
  co_await t->ConnectPair(&t->client_stream, &t->server_stream);
  CONTRACT_REQUIRE(t->client_stream != nullptr && t->server_stream != nullptr);
  EXPECT_TRUE(co_await BytesArrive(t->client_stream.get(), t->server_stream.get(), 100));
}

// The children of a task are suspended in operations on what the task owns.
Task<void> OwnAndServe(std::unique_ptr<Stream> stream) {
  (void)co_await All(ReadSome(stream.get(), std::make_unique<Bytes>(10).get()),
                     WriteError(stream.get()));
}

STREAM_TEST(StreamContract, AFrameMayBeDestroyedWithTheTasksThatItStarted) {
  Clock* clock = t->client().clock;
  Doom doom(t->client().executor);
  doom.Spawn(OwnAndServe(std::move(t->client_stream)));
  co_await Destroy(clock, &doom);
  absl::Status error = co_await ReadError(t->server_stream.get());
  EXPECT_FALSE(error.ok());
}

Task<void> ReadAndYield(Stream* stream, size_t* read) {
  std::array<std::byte, 1> buffer;
  while (true) {
    auto got = co_await stream->Read(buffer);
    if (!got.ok() || *got == 0) co_return;
    ++*read;
  }
}

// The frame dies somewhere between a wait, a completion and a resumption.
STREAM_TEST(StreamContract, AFrameMayBeDestroyedAtAnyMomentAndTakesOnlyWhatItWasTold) {
  constexpr size_t kBytes = 500;
  Clock* clock = t->client().clock;
  for (int i = 0; i < 20; ++i) {
    Bytes sent = Pattern(kBytes);
    size_t read = 0;
    Doom doom(t->client().executor);
    doom.Spawn(ReadAndYield(t->server_stream.get(), &read));
    doom.DestroyAt(clock, clock->Now() + i * 20us);
    CONTRACT_REQUIRE_OK(co_await WriteAllLater(clock, 100us, t->client_stream.get(), &sent));
    EXPECT_TRUE((co_await clock->SleepFor(1ms)).ok());
    EXPECT_TRUE(doom.destroyed());
    // A byte may have been under way to the frame when it died.
    Bytes rest(kBytes - read);
    if (rest.empty()) continue;
    auto got = co_await StoppedAfter(clock, 20ms, ReadExactly(t->server_stream.get(), &rest));
    if (got.ok()) {
      EXPECT_EQ(rest, Pattern(rest.size(), read));
    } else {
      EXPECT_TRUE(absl::IsCancelled(got)) << got;
      EXPECT_GE(rest.size(), 1u);
    }
  }
}

// --- Listening and connecting ---

Task<void> AcceptForEver(Listener* listener) {
  (void)co_await listener->Accept();
  ADD_FAILURE() << "nobody should have come";
}

STREAM_TEST(StreamContract, AFrameMayBeDestroyedWhileItAccepts) {
  Clock* clock = t->client().clock;
  Doom doom(t->client().executor);
  doom.Spawn(AcceptForEver(t->listener.get()));
  co_await Destroy(clock, &doom);
  std::unique_ptr<Stream> client_end;
  std::unique_ptr<Stream> server_end;
  co_await t->ConnectPair(&client_end, &server_end);
  CONTRACT_REQUIRE(client_end != nullptr && server_end != nullptr);
  EXPECT_TRUE(co_await BytesArrive(client_end.get(), server_end.get(), 10));
}

Task<void> OwnListener(std::unique_ptr<Listener> listener) {
  (void)co_await listener->Accept();
  ADD_FAILURE() << "nobody should have come";
}

STREAM_TEST(StreamContract, AFrameMayBeDestroyedWithItsListener) {
  Endpoint where = t->listener->local_address();
  Doom doom(t->client().executor);
  doom.Spawn(OwnListener(std::move(t->listener)));
  co_await Destroy(t->client().clock, &doom);
  auto again = t->server().network->Listen(where, {});
  EXPECT_TRUE(again.ok()) << again.status();
}

Task<void> ConnectUntilItWaits(Network* network, Endpoint peer, size_t* connected) {
  std::vector<std::unique_ptr<Stream>> streams;
  while (true) {
    auto stream = co_await network->Connect(peer, ConnectOptions());
    EXPECT_TRUE(stream.ok()) << stream.status();
    if (!stream.ok()) co_return;
    streams.push_back(*std::move(stream));
    ++*connected;
  }
}

CONTRACT_TEST(NetworkContract, AFrameMayBeDestroyedWhileItConnects) {
  Clock* clock = t->client().clock;
  auto listener =
      t->server().network->Listen(t->ServerAddress(), ListenOptions{.stream = {}, .backlog = 1});
  CONTRACT_REQUIRE_OK(listener);
  size_t connected = 0;
  Doom doom(t->client().executor);
  doom.Spawn(ConnectUntilItWaits(t->client().network, (*listener)->local_address(), &connected));
  doom.DestroyAt(clock, clock->Now() + 50ms);
  EXPECT_TRUE((co_await clock->SleepFor(60ms)).ok());
  EXPECT_TRUE(doom.destroyed());
  EXPECT_GE(connected, 1u);
  // What it had connected is in the backlog, and was reset with the frame.
  auto accepted = co_await (*listener)->Accept();
  CONTRACT_REQUIRE_OK(accepted);
  absl::Status error = co_await ReadError(accepted->get());
  EXPECT_FALSE(error.ok());
}

// --- Time ---

Task<void> SleepForEver(Clock* clock) {
  (void)co_await clock->SleepUntil(kInfiniteFuture);
  ADD_FAILURE() << "this is not the end of time";
}

CONTRACT_TEST(TimeContract, AFrameMayBeDestroyedWhileItSleeps) {
  Clock* clock = t->client().clock;
  Doom doom(t->client().executor);
  for (int i = 0; i < 10; ++i) doom.Spawn(SleepForEver(clock));
  co_await Destroy(clock, &doom);
  EXPECT_TRUE((co_await clock->SleepFor(1ms)).ok());
}

Task<void> NeverStart(bool* started) {
  *started = true;
  co_return;
}

CONTRACT_TEST(TimeContract, AFrameMayBeDestroyedBeforeItStarts) {
  bool started = false;
  struct Starter : Timer {
    Starter(Executor* executor, bool* started)
        : Timer([](Timer* timer) {
            auto* self = static_cast<Starter*>(timer);
            Scope scope(self->executor);
            scope.Spawn(NeverStart(self->started));
          }),
          executor(executor),
          started(started) {}
    Executor* const executor;
    bool* const started;
  } starter(t->client().executor, &started);
  starter.Arm(t->client().clock, t->client().clock->Now());
  EXPECT_TRUE((co_await t->client().clock->SleepFor(1ms)).ok());
  EXPECT_FALSE(starter.armed());
  EXPECT_FALSE(started);
}

}  // namespace
}  // namespace faultline::contract
