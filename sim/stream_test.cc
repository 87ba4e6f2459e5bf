// Goal: a simulated stream keeps the contract of runtime/stream.h where the simulation adds to it:
// the faults of short transfers and of late completions, options, Unix streams, streams that die
// with their process. (What every world promises is tested by runtime/contract.)
// Method: two connected hosts; sockets are made hostile by `SocketFaults`, and what arrives is
// compared with what was written.
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "runtime/combine.h"
#include "sim/testing/two_hosts.h"

namespace faultline::sim {
namespace {

class Streams : public TwoHosts {
 protected:
  void SetUp() override { std::tie(near, far) = lab.Connect(client, server); }

  Stream* near = nullptr;
  Stream* far = nullptr;
};

// --- Short transfers ---

TEST_F(Streams, EveryWriteMayBeCutShortDownToOneByte) {
  client->host()->SetSocketFaults({.partial_write = {1, 1}});
  size_t cut_short = 0;
  size_t single = 0;
  std::string sent;
  for (int i = 0; i < 100; ++i) {
    size_t took = *lab.Await(client->Write(near, Pattern(50)));
    ASSERT_GE(took, 1u);
    ASSERT_LE(took, 50u);
    cut_short += took < 50 ? 1 : 0;
    single += took == 1 ? 1 : 0;
    sent += Pattern(50).substr(0, took);
  }
  EXPECT_GE(single, 30u);
  EXPECT_LT(single, 90u);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"partial-write", cut_short}}));
  EXPECT_EQ(*lab.Await(server->ReadAll(far, sent.size())), sent);
}

TEST_F(Streams, EveryReadMayBeCutShortDownToOneByte) {
  server->host()->SetSocketFaults({.partial_read = {1, 1}});
  client->Write(near, Pattern(2000));
  lab.Advance(kOneWay);
  std::string got;
  size_t cut_short = 0;
  size_t single = 0;
  while (got.size() < 2000) {
    size_t there = std::min<size_t>(2000 - got.size(), 100);
    std::string piece = *lab.Await(server->Read(far, 100));
    ASSERT_FALSE(piece.empty());
    cut_short += piece.size() < there ? 1 : 0;
    single += piece.size() == 1 ? 1 : 0;
    got += piece;
  }
  EXPECT_EQ(got, Pattern(2000));
  EXPECT_GT(single, cut_short / 3);
  EXPECT_LT(single, cut_short);
  EXPECT_EQ(lab.bites(), Lab::Bites({{"partial-read", cut_short}}));
}

TEST_F(Streams, OneByteCannotBeCutShort) {
  client->host()->SetSocketFaults({.partial_write = {1, 1}});
  server->host()->SetSocketFaults({.partial_read = {1, 1}});
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client->Write(near, "x").status().ok());
    EXPECT_EQ(*lab.Await(server->Read(far, 1)), "x");
  }
  EXPECT_EQ(lab.bites(), Lab::Bites());
}

TEST_F(Streams, TransfersAreWholeWithoutFaults) {
  for (size_t size : {1u, 100u, 1460u, 20'000u}) {
    EXPECT_EQ(*client->Write(near, Pattern(size)).result(), size);
    lab.Advance(kOneWay);
    EXPECT_EQ(server->Read(far).result()->size(), size);
  }
}

Task<absl::StatusOr<size_t>> WriteFiftyTimes(Stream* stream, int* other, int* seen) {
  for (int i = 0; i < 50; ++i) {
    absl::StatusOr<size_t> took = co_await stream->Write(std::as_bytes(std::span("x", 1)));
    if (!took.ok()) co_return took;
    *seen = *other;
  }
  co_return 50;
}

Task<absl::StatusOr<bool>> CountTurns(int* turns) {
  for (; *turns < 40; ++*turns) co_await Yield();
  co_return true;
}

TEST_F(Streams, ACompletionMayGoThroughTheReadyQueue) {
  int turns = 0;
  int seen = 0;
  client->Start(CountTurns(&turns));
  client->Start(WriteFiftyTimes(near, &turns, &seen));
  turns = seen = 0;
  auto both = [&] { return All(CountTurns(&turns), WriteFiftyTimes(near, &turns, &seen)); };
  client->Start([](auto tasks) -> Task<absl::StatusOr<bool>> {
    co_await std::move(tasks);
    co_return true;
  }(both()));
  EXPECT_LE(seen, 1) << "writes that complete at once do not wait";
  turns = 0;
  client->host()->SetSocketFaults({.yield = {1, 1}});
  client->Start([](auto tasks) -> Task<absl::StatusOr<bool>> {
    co_await std::move(tasks);
    co_return true;
  }(both()));
  EXPECT_EQ(seen, 40) << "others have their turns between them";
}

// --- Vectors and options ---

Task<absl::StatusOr<size_t>> WriteVector(Stream* stream, std::string a, std::string b) {
  const iovec buffers[] = {{a.data(), a.size()}, {nullptr, 0}, {b.data(), b.size()}};
  co_return co_await stream->WriteVector(buffers);
}

Task<absl::StatusOr<std::string>> ReadVector(Stream* stream, size_t first, size_t second) {
  std::string a(first, '-');
  std::string b(second, '-');
  const iovec buffers[] = {{a.data(), a.size()}, {nullptr, 0}, {b.data(), b.size()}};
  absl::StatusOr<size_t> got = co_await stream->ReadVector(buffers);
  if (!got.ok()) co_return got.status();
  co_return a + "|" + b;
}

TEST_F(Streams, VectorsAreGatheredAndScatteredInOrder) {
  EXPECT_EQ(*client->Start(WriteVector(near, "gat", "hered")).result(), 8u);
  lab.Advance(kOneWay);
  EXPECT_EQ(*server->Start(ReadVector(far, 5, 6)).result(), "gathe|red---");
}

TEST_F(Streams, AShortVectorEndsInTheMiddleOfABuffer) {
  ASSERT_TRUE(near->SetSendBufferSize(5).ok());
  EXPECT_EQ(*client->Start(WriteVector(near, "gat", "hered")).result(), 5u);
  lab.Advance(kOneWay);
  EXPECT_EQ(*server->Start(ReadVector(far, 2, 2)).result(), "ga|th");
  EXPECT_EQ(*server->Start(ReadVector(far, 2, 2)).result(), "e-|--");
}

TEST_F(Streams, OptionsAreInForceAndEndWithTheStream) {
  EXPECT_EQ(*near->SendBufferSize(), HostLimits().send_buffer_bytes);
  ASSERT_TRUE(near->SetSendBufferSize(1234).ok());
  ASSERT_TRUE(near->SetReceiveBufferSize(4321).ok());
  EXPECT_TRUE(near->SetNoDelay(false).ok());
  EXPECT_EQ(*near->SendBufferSize(), 1234u);
  EXPECT_EQ(*near->ReceiveBufferSize(), 4321u);
  ASSERT_TRUE(near->Close().ok());
  EXPECT_EQ(ErrnoOf(near->SetSendBufferSize(1)), EBADF);
  EXPECT_EQ(ErrnoOf(near->SendBufferSize().status()), EBADF);
  EXPECT_EQ(ErrnoOf(near->SetNoDelay(true)), EBADF);
}

TEST_F(Streams, OptionsOfAConnectShapeItsWindow) {
  ConnectOptions options;
  options.stream.send_buffer_bytes = 700;
  options.stream.receive_buffer_bytes = 900;
  Listener* listener = server->Listen(server->At(81));
  Stream* stream = *lab.Await(client->Connect(server->At(81), options));
  EXPECT_EQ(*stream->SendBufferSize(), 700u);
  EXPECT_EQ(*stream->ReceiveBufferSize(), 900u);
  Stream* accepted = *lab.Await(server->Accept(listener));
  server->WriteAll(accepted, Pattern(5000));
  lab.Advance(1s);
  EXPECT_EQ(client->Read(stream).result()->size(), 900u);
}

// --- Ends ---

TEST_F(Streams, AnAbortEndsPendingOperationsAndReturnsTheDescriptor) {
  Job<std::string> reading = client->Read(near);
  Job<size_t> writing = client->WriteAll(near, Pattern(1 << 20));
  lab.Advance(1s);
  uint32_t before = client->host()->process()->descriptors();
  near->Abort();
  lab.Settle();
  EXPECT_EQ(ErrorOf(reading), ECANCELED);
  EXPECT_EQ(ErrorOf(writing), ECANCELED);
  EXPECT_EQ(client->host()->process()->descriptors(), before - 1);
}

TEST_F(Streams, ACancelledWriteLeavesThePeerWithWhatItReported) {
  Job<size_t> writing = client->Write(near, Pattern(64 << 10));
  Job<size_t> stuck = client->Write(near, Pattern(64 << 10));
  EXPECT_EQ(*writing.result(), size_t{64 << 10});
  stuck.Cancel();
  lab.Settle();
  EXPECT_TRUE(absl::IsCancelled(stuck.status()));
  ASSERT_TRUE(near->Close().ok());
  EXPECT_EQ(lab.Await(server->ReadAll(far))->size(), size_t{64 << 10});
}

Task<void> ReadInto(Stream* stream, std::byte* into) {
  (void)co_await stream->Read(std::span(into, 1));
}

// The reader is spawned outside of the stream's frame and destroyed after it.
Task<void> OwnStream(Runtime runtime, Endpoint to, Scope* readers, std::byte* into) {
  auto stream = co_await runtime.network->Connect(to, {});
  if (!stream.ok()) co_return;
  readers->Spawn(ReadInto(stream->get(), into));
  (void)co_await runtime.clock->SleepFor(1h);
}

Task<void> OwnReaders(Runtime runtime, Endpoint to, std::byte* into) {
  Scope readers(co_await ThisTask());
  Scope owners(co_await ThisTask());  // destroyed first
  owners.Spawn(OwnStream(runtime, to, &readers, into));
  co_await owners.Join();
  co_await readers.Join();
}

TEST_F(Streams, ACrashDestroysFramesInAnyOrder) {
  std::byte into{};
  Listener* listener = server->Listen(server->At(81));
  Job<Stream*> accepting = server->Accept(listener);
  Host* third = lab.world()->AddHost({.name = "third"});
  third->Boot([&](const Runtime& runtime) { return OwnReaders(runtime, server->At(81), &into); });
  lab.Advance(1s);
  ASSERT_TRUE(accepting.done());
  third->Crash();
  lab.Advance(1s);
  EXPECT_EQ(lab.Count(TraceKind::kReset), 0u);
}

// --- Unix ---

TEST_F(Streams, AUnixPathConnectsOnItsHostOnly) {
  Endpoint path = Endpoint::Unix("/run/ledger.sock");
  Listener* listener = server->Listen(path);
  EXPECT_EQ(listener->local_address(), path);
  Stream* here = *lab.Await(server->Connect(path));
  Stream* there = *lab.Await(server->Accept(listener));
  EXPECT_EQ(here->peer_address(), path);
  EXPECT_EQ(there->local_address(), path);
  EXPECT_EQ(there->peer_address(), Endpoint());
  server->Write(here, "over the path");
  EXPECT_EQ(*lab.Await(server->Read(there)), "over the path");
  EXPECT_EQ(ErrorOf(client->Connect(path)), ENOENT);
}

TEST_F(Streams, AUnixPathIsTakenOnce) {
  Endpoint path = Endpoint::Unix("/run/ledger.sock");
  Listener* listener = server->Listen(path);
  EXPECT_EQ(ErrnoOf(server->TryListen(path).status()), EADDRINUSE);
  EXPECT_TRUE(client->TryListen(path).ok()) << "another host has other files";
  ASSERT_TRUE(listener->Close().ok());
  EXPECT_EQ(ErrorOf(server->Connect(path)), ENOENT);
  EXPECT_TRUE(server->TryListen(path).ok());
}

TEST_F(Streams, AUnixPathOutlivesACrashAndIsTakenOver) {
  Endpoint path = Endpoint::Unix("/run/ledger.sock");
  server->Listen(path);
  server->Crash();
  server->Restart();
  EXPECT_EQ(ErrorOf(server->Connect(path)), ECONNREFUSED);
  server->Listen(path);
  EXPECT_TRUE(lab.Await(server->Connect(path)).ok());
}

TEST_F(Streams, AnAbstractNameLeavesNoFile) {
  Endpoint name = Endpoint::Unix("@ledger");
  EXPECT_EQ(ErrorOf(server->Connect(name)), ECONNREFUSED);
  server->Listen(name);
  EXPECT_TRUE(lab.Await(server->Connect(name)).ok());
  server->Crash();
  server->Restart();
  EXPECT_EQ(ErrorOf(server->Connect(name)), ECONNREFUSED);
}

class UnixStreams : public Streams {
 protected:
  void SetUp() override {
    Listener* listener = server->Listen(Endpoint::Unix("/run/ledger.sock"));
    near = *lab.Await(server->Connect(listener->local_address()));
    far = *lab.Await(server->Accept(listener));
  }
};

TEST_F(UnixStreams, WhatIsWrittenIsAtThePeerAtOnceAndWaitersAreTold) {
  server->Write(near, "at once");
  EXPECT_EQ(*server->Read(far).result(), "at once");
  Job<std::string> waiting = server->Read(far);
  server->Write(near, "later");
  EXPECT_FALSE(waiting.done()) << "time passes before a waiter runs";
  lab.Advance(5us);
  EXPECT_EQ(*waiting.result(), "later");
}

TEST_F(UnixStreams, NoFaultOfALinkReachesThem) {
  LinkConfig dead;
  dead.loss = dead.corrupt = {1, 1};
  dead.bytes_per_second = 1;
  lab.world()->SetLink(Plane::kLoopback, dead);
  uint32_t cut =
      lab.world()->Partition({.from = {kServer}, .to = {kServer}, .planes = {true, true, true}});
  server->Write(near, "still");
  EXPECT_EQ(*lab.Await(server->Read(far)), "still");
  Listener* listener = server->Listen(Endpoint::Unix("@other"));
  EXPECT_TRUE(lab.Await(server->Connect(listener->local_address()), 1s).ok());
  EXPECT_EQ(lab.bites(), Lab::Bites());
  Heal(cut);
}

TEST_F(UnixStreams, AFullBufferMakesAWriterWaitForTheReader) {
  Job<size_t> writing = server->WriteAll(near, Pattern(1 << 20));
  lab.Advance(1h);
  EXPECT_FALSE(writing.done());
  EXPECT_EQ(*lab.Await(server->ReadAll(far, 1 << 20)), Pattern(1 << 20));
  EXPECT_TRUE(writing.done());
}

TEST_F(UnixStreams, AWriteToAClosedPeerIsEpipeAtOnce) {
  ASSERT_TRUE(far->Close().ok());
  EXPECT_EQ(ErrorOf(server->Write(near, "x")), EPIPE);
  EXPECT_EQ(*server->Read(near).result(), "");
}

TEST_F(UnixStreams, AnAbortIsAClose) {
  server->Write(far, "last words");
  far->Abort();
  EXPECT_EQ(*server->Read(near).result(), "last words");
  EXPECT_EQ(*server->Read(near).result(), "");
  EXPECT_TRUE(near->ShutdownWrite().ok());
}

TEST_F(UnixStreams, ACloseWithUnreadInputIsAReset) {
  server->Write(near, "unread");
  far->Abort();
  EXPECT_EQ(ErrorOf(server->Write(near, "x")), EPIPE);
  EXPECT_EQ(ErrorOf(server->Read(near)), ECONNRESET);
  EXPECT_EQ(ErrorOf(server->Read(near)), ECONNRESET);  // never the end
}

TEST_F(UnixStreams, AConnectWaitsForRoomInTheBacklogAsLongAsItTakes) {
  Listener* listener = server->Listen(Endpoint::Unix("/run/full.sock"), Backlog(0));
  ASSERT_TRUE(lab.Await(server->Connect(listener->local_address())).ok());
  Job<Stream*> waiting = server->Connect(listener->local_address());
  lab.Advance(1h);
  EXPECT_FALSE(waiting.done());
  ASSERT_TRUE(lab.Await(server->Accept(listener)).ok());
  EXPECT_TRUE(lab.Await(waiting, 20ms).ok());
}

// --- IPv6 and loopback ---

TEST_F(Streams, Ipv6ConnectsInBothPlanes) {
  for (Plane plane : {Plane::kReplica, Plane::kClient}) {
    Endpoint address = server->host()->Ipv6Address(plane, 90);
    Listener* listener = server->Listen(address);
    Stream* here = *lab.Await(client->Connect(address));
    Stream* there = *lab.Await(server->Accept(listener));
    EXPECT_EQ(there->peer_address(), here->local_address());
    EXPECT_EQ(here->local_address().WithPort(0), client->host()->Ipv6Address(plane, 0));
    client->Write(here, "six");
    EXPECT_EQ(*lab.Await(server->Read(there)), "six");
  }
}

TEST_F(Streams, LoopbackStaysOnTheHostAndIsFast) {
  for (const Endpoint& any : {Endpoint::Ipv4Any(91), Endpoint::Ipv6Any(91)}) {
    Listener* listener = server->Listen(any);
    Endpoint loopback = any.family() == Endpoint::Family::kIpv4 ? Endpoint::Ipv4Loopback(91)
                                                                : Endpoint::Ipv6Loopback(91);
    for (const Endpoint& to : {loopback, any}) {
      Duration before = lab.now();
      Stream* here = *lab.Await(server->Connect(to));
      EXPECT_EQ(lab.now() - before, 10us);
      Stream* there = *lab.Await(server->Accept(listener));
      EXPECT_EQ(there->local_address(), loopback);
      EXPECT_EQ(here->local_address().WithPort(91), loopback);
    }
    Job<Stream*> elsewhere = client->Connect(loopback);
    lab.Advance(1s);
    EXPECT_EQ(ErrorOf(elsewhere), ECONNREFUSED) << "each host has its own";
  }
}

TEST_F(Streams, AHostTalksToItsOwnAddressFromThatAddress) {
  server->Listen(Endpoint::Ipv4Any(92));
  Duration before = lab.now();
  Stream* here = *lab.Await(server->Connect(server->At(92)));
  EXPECT_EQ(lab.now() - before, 10us);
  EXPECT_EQ(here->local_address().WithPort(0), server->At(0));
}

}  // namespace
}  // namespace faultline::sim
