// Goal: strangers and whoever sits on the path can make QUIC slow, not wrong: no session of theirs,
// no answer longer than what they sent, no message lost, altered or seen twice.
// Method: raw datagrams at a listener, and a relay between client and server that flips, cuts,
// repeats, reflects and invents datagrams, and moves to another port; in both worlds.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/errors.h"
#include "transports/message/frame_error.h"
#include "transports/quic/quic.h"
#include "transports/quic/testing/fixture.h"
#include "transports/testing/samples.h"

namespace faultline::quic {
namespace {

using testing::CheckEcho;
using testing::Context;
using testing::EchoClient;
using testing::EchoServer;
using testing::InBothWorlds;
using testing::kMax;
using testing::ListenAt;
using testing::NewContext;
using testing::Place;

using Bytes = std::vector<std::byte>;

std::unique_ptr<DatagramSocket> BindAny(const Place& place) {
  auto socket = place.runtime.network->Bind(Endpoint::Ipv4Any(0), {});
  FAULTLINE_CHECK(socket.ok()) << socket.status();
  return *std::move(socket);
}

Task<Bytes> ReceiveWithin(Clock* clock, DatagramSocket* socket, Duration patience) {
  Bytes buffer(4096);
  struct Receive {
    static Task<absl::StatusOr<size_t>> Once(DatagramSocket* socket, Bytes* buffer) {
      co_return co_await socket->ReceiveFrom(*buffer, nullptr);
    }
  };
  auto got = co_await Deadline(clock, clock->Now() + patience, Receive::Once(socket, &buffer));
  buffer.resize(got.ok() ? *got : 0);
  co_return buffer;
}

// --- Datagrams of strangers ---

// Serves one echo, while a stranger does its worst before it.
Task<void> StoneServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  auto accepted = co_await listener.Accept();
  FAULTLINE_CHECK(accepted.ok()) << accepted.status();
  auto read = co_await accepted->ReadMessage(kMax);
  EXPECT_TRUE(read.ok()) << read.status();
  context->counters = listener.counters();
  EXPECT_TRUE(accepted->Close().ok());
}

Task<void> SendOne(Place place, Context* context) {
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  auto connected = co_await connector.Connect(context->address);
  FAULTLINE_CHECK(connected.ok()) << connected.status();
  FrozenBatch batch;
  batch.Add(faultline::testing::Sample(place.runtime.buffers, 1, 100).frozen());
  EXPECT_TRUE((co_await connected->SendBatch(&batch)).ok());
  auto end = co_await connected->ReadMessage(kMax);
  EXPECT_TRUE(message::IsConnectionClosed(end.status())) << end.status();
}

// Every first byte, many sizes, the rest noise.
Task<void> NoisyStranger(Place place, Context* context) {
  std::unique_ptr<DatagramSocket> socket = BindAny(place);
  for (size_t i = 0; i < 512; ++i) {
    Bytes noise(i < 256 ? 1200 + i : i % 64);
    for (std::byte& byte : noise) byte = static_cast<std::byte>(place.runtime.random->Next());
    if (!noise.empty()) noise[0] = static_cast<std::byte>(i);
    (void)co_await socket->SendTo(&context->address, noise);
    if (i % 16 == 0) (void)co_await place.runtime.clock->SleepFor(1ms);
  }
  co_await SendOne(place, context);
}

TEST(QuicHostile, NoiseStartsNothing) {
  InBothWorlds(StoneServer, NoisyStranger, [](const Context& context) {
    EXPECT_GT(context.counters.received, 500u);
    EXPECT_EQ(context.counters.sessions, 1u);
  });
}

// A long header of `version`, with ids of 8 and 5 bytes, filled up to `size`.
Bytes LongHeader(uint32_t version, size_t size) {
  Bytes packet(size);
  packet[0] = std::byte{0xc0};
  for (int i = 0; i < 4; ++i) packet[1 + i] = static_cast<std::byte>(version >> (24 - 8 * i));
  packet[5] = std::byte{8};
  for (size_t i = 0; i < 8; ++i) packet[6 + i] = static_cast<std::byte>(0xd0 + i);
  packet[14] = std::byte{5};
  for (size_t i = 0; i < 5; ++i) packet[15 + i] = static_cast<std::byte>(0x50 + i);
  return packet;
}

// RFC 8999, section 6: the ids change places; the versions follow.
void CheckVersionNegotiation(const Bytes& answer) {
  ASSERT_EQ(answer.size(), 24u);
  EXPECT_EQ(answer[0] & std::byte{0x80}, std::byte{0x80});
  EXPECT_EQ(Bytes(answer.begin() + 1, answer.begin() + 5), Bytes(4));
  EXPECT_EQ(answer[5], std::byte{5});
  EXPECT_EQ(answer[6], std::byte{0x50});
  EXPECT_EQ(answer[11], std::byte{8});
  EXPECT_EQ(answer[12], std::byte{0xd0});
  EXPECT_EQ(Bytes(answer.begin() + 20, answer.end()),
            (Bytes{std::byte{0}, std::byte{0}, std::byte{0}, std::byte{1}}));
}

Task<void> ForeignVersions(Place place, Context* context) {
  std::unique_ptr<DatagramSocket> socket = BindAny(place);
  // Reserved, draft 29, version 2 as it was drafted.
  for (uint32_t version : {0x1a2a3a4au, 0xff00001du, 0x709a50c4u}) {
    Bytes asked = LongHeader(version, 1200);
    (void)co_await socket->SendTo(&context->address, asked);
    CheckVersionNegotiation(co_await ReceiveWithin(place.runtime.clock, socket.get(), 10s));
  }
  // Too small to be answered: an answer might be used against somebody else.
  Bytes small = LongHeader(0x1a2a3a4a, 1199);
  (void)co_await socket->SendTo(&context->address, small);
  EXPECT_TRUE((co_await ReceiveWithin(place.runtime.clock, socket.get(), 50ms)).empty());
  co_await SendOne(place, context);
}

TEST(QuicHostile, ForeignVersionsAreToldOurs) {
  InBothWorlds(StoneServer, ForeignVersions, [](const Context& context) {
    EXPECT_EQ(context.counters.version_negotiations, 3u);
    EXPECT_EQ(context.counters.sessions, 1u);
  });
}

// An Initial with a token of a retry that we never gave.
Task<void> ForgedToken(Place place, Context* context) {
  std::unique_ptr<DatagramSocket> socket = BindAny(place);
  Bytes packet = LongHeader(1, 1200);
  packet[20] = std::byte{40};    // length of the token
  packet[21] = std::byte{0xb6};  // what a token of a retry begins with
  packet[61] = std::byte{0x44};  // length of the packet: 1137 bytes
  packet[62] = std::byte{0x71};
  (void)co_await socket->SendTo(&context->address, packet);
  Bytes answer = co_await ReceiveWithin(place.runtime.clock, socket.get(), 10s);
  EXPECT_GT(answer.size(), 20u);  // CONNECTION_CLOSE, in a packet that is encrypted
  EXPECT_LT(answer.size(), 300u);
  co_await SendOne(place, context);
}

TEST(QuicHostile, AForgedTokenIsRefused) {
  InBothWorlds(StoneServer, ForgedToken, [](const Context& context) {
    EXPECT_EQ(context.counters.refusals, 1u);
    EXPECT_EQ(context.counters.sessions, 1u);
  });
}

// First packets that are well-formed, each for a session of its own, and cannot be decrypted.
Task<void> FloodingStranger(Place place, Context* context) {
  std::unique_ptr<DatagramSocket> socket = BindAny(place);
  for (size_t i = 0; i < 300; ++i) {
    Bytes packet = LongHeader(1, 1200);
    packet[6] = static_cast<std::byte>(i);
    packet[7] = static_cast<std::byte>(i >> 8);
    packet[21] = std::byte{0x44};  // length of the packet: 1177 bytes
    packet[22] = std::byte{0x99};
    (void)co_await socket->SendTo(&context->address, packet);
    if (i % 16 == 0) (void)co_await place.runtime.clock->SleepFor(1ms);
  }
  co_await SendOne(place, context);
}

TEST(QuicHostile, FirstPacketsThatMeanNothingLeaveNothing) {
  Context context = NewContext();
  context.server.limits.max_sessions = 40;  // below what came
  InBothWorlds(
      StoneServer, FloodingStranger,
      [](const Context& context) { EXPECT_GE(context.counters.sessions, 250u); }, context);
}

// A server of another version: answers each first packet by what it speaks.
Task<void> ForeignServer(Place place, Context* context) {
  std::unique_ptr<DatagramSocket> socket = *place.runtime.network->Bind(context->listen, {});
  if (context->address == Endpoint()) context->address = socket->local_address();
  Bytes buffer(4096);
  DatagramInfo info;
  auto got = co_await socket->ReceiveFrom(buffer, &info);
  FAULTLINE_CHECK(got.ok() && *got >= 1200) << got.status();
  // The client's ids: 20 bytes that it has invented for the server, and its own 8.
  EXPECT_EQ(buffer[5], std::byte{20});
  EXPECT_EQ(buffer[26], std::byte{8});
  Bytes answer = {std::byte{0x80}, {}, {}, {}, {}, std::byte{8}};
  answer.insert(answer.end(), buffer.begin() + 27, buffer.begin() + 35);
  answer.push_back(std::byte{20});
  answer.insert(answer.end(), buffer.begin() + 6, buffer.begin() + 26);
  for (size_t offered = 0; offered <= context->count; ++offered) {
    Bytes version = offered == 1 ? Bytes{{}, {}, {}, std::byte{1}}
                                 : Bytes{std::byte{0x6b}, std::byte{0x33}, {}, std::byte{2}};
    answer.insert(answer.end(), version.begin(), version.end());
  }
  (void)co_await socket->SendTo(&info.from, answer);
}

Task<void> RefusedClient(Place place, Context* context) {
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  context->client_end = (co_await connector.Connect(context->address)).status();
}

TEST(QuicHostile, AServerWithoutOurVersionIsGivenUp) {
  InBothWorlds(ForeignServer, RefusedClient, [](const Context& context) {
    EXPECT_TRUE(absl::IsUnimplemented(context.client_end)) << context.client_end;
  });
}

// RFC 9000, section 6.2: such an answer is a forgery, and is ignored.
TEST(QuicHostile, AnAnswerThatOffersOurVersionIsIgnored) {
  Context context = NewContext();
  context.count = 1;
  context.client.transport.handshake_timeout = 500ms;
  InBothWorlds(
      ForeignServer, RefusedClient,
      [](const Context& context) {
        EXPECT_EQ(ErrnoOf(context.client_end), ETIMEDOUT) << context.client_end;
      },
      context);
}

// Packets of sessions that nobody knows.
Task<void> LostClient(Place place, Context* context) {
  std::unique_ptr<DatagramSocket> socket = BindAny(place);
  for (size_t size : {43u, 100u, 1200u}) {
    Bytes lost(size, std::byte{0x5a});
    (void)co_await socket->SendTo(&context->address, lost);
    Bytes answer = co_await ReceiveWithin(place.runtime.clock, socket.get(), 10s);
    EXPECT_GE(answer.size(), 21u);
    EXPECT_LT(answer.size(),
              size);  // or two ends that know nothing would answer each other for ever
  }
  Bytes short_one(42, std::byte{0x5a});
  (void)co_await socket->SendTo(&context->address, short_one);
  EXPECT_TRUE((co_await ReceiveWithin(place.runtime.clock, socket.get(), 50ms)).empty());
  co_await SendOne(place, context);
}

TEST(QuicHostile, LostClientsAreReset) {
  InBothWorlds(StoneServer, LostClient,
               [](const Context& context) { EXPECT_EQ(context.counters.stateless_resets, 3u); });
}

// --- On the path ---

// What a relay does to each datagram whose number is a multiple; 0: never.
struct Mischief {
  size_t flip = 0;          // one byte is changed
  size_t cut = 0;           // its end is lost
  size_t repeat = 0;        // an older one is sent again
  size_t reflect = 0;       // it also goes back to its sender
  size_t invent = 0;        // noise goes to both sides
  size_t rebind_after = 0;  // datagrams of the client; then the relay speaks from another port
  size_t forward_max = SIZE_MAX;  // datagrams of the client that go through
};
Mischief mischief;  // of the scenario that runs

struct Relay {
  Endpoint server;
  Endpoint client;
  std::unique_ptr<DatagramSocket> front;
  std::vector<std::unique_ptr<DatagramSocket>> backs;  // the last is used
  std::vector<Bytes> seen;
  size_t count = 0;
  size_t upward_count = 0;
  size_t upward_bytes = 0;
  size_t downward_bytes = 0;
};

bool Every(size_t multiple, size_t count) { return multiple != 0 && count % multiple == 0; }

Task<void> Forward(Relay* relay, DatagramSocket* out, Endpoint to, Bytes datagram) {
  size_t count = ++relay->count;
  relay->seen.push_back(datagram);
  if (Every(mischief.flip, count)) datagram[count * 7919 % datagram.size()] ^= std::byte{0x41};
  if (Every(mischief.cut, count)) datagram.resize(count * 31 % datagram.size());
  (void)co_await out->SendTo(&to, datagram);
  if (Every(mischief.repeat, count)) {
    Bytes again = relay->seen[count * 13 % relay->seen.size()];
    (void)co_await out->SendTo(&to, again);
  }
  if (Every(mischief.invent, count)) {
    Bytes noise(30 + count % 1200, static_cast<std::byte>(count));
    (void)co_await out->SendTo(&to, noise);
  }
}

Task<void> Downward(Relay* relay, DatagramSocket* back) {
  Bytes buffer(4096);
  for (;;) {
    auto got = co_await back->ReceiveFrom(buffer, nullptr);
    if (!got.ok()) co_return;
    if (back != relay->backs.back().get()) continue;  // a port that is no longer ours
    relay->downward_bytes += *got;
    Bytes datagram(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*got));
    co_await Forward(relay, relay->front.get(), relay->client, datagram);
    if (Every(mischief.reflect, relay->count)) {
      (void)co_await back->SendTo(&relay->server, datagram);
    }
  }
}

Task<void> Upward(Place place, Relay* relay, Scope* scope) {
  Bytes buffer(4096);
  for (;;) {
    DatagramInfo info;
    auto got = co_await relay->front->ReceiveFrom(buffer, &info);
    if (!got.ok()) co_return;
    relay->client = info.from;
    if (++relay->upward_count > mischief.forward_max) continue;
    if (relay->upward_count == mischief.rebind_after) {
      relay->backs.push_back(BindAny(place));
      scope->Spawn(Downward(relay, relay->backs.back().get()));
    }
    relay->upward_bytes += *got;
    Bytes datagram(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*got));
    co_await Forward(relay, relay->backs.back().get(), relay->server, std::move(datagram));
  }
}

// Runs the client against a relay in the place of the server.
Task<void> ThroughRelay(Place place, Context* context, testing::Side client, Relay* relay) {
  relay->server = context->address;
  relay->front = BindAny(place);
  relay->backs.push_back(BindAny(place));
  context->address = Endpoint::Ipv4Loopback(relay->front->local_address().port());
  Scope scope(co_await ThisTask());
  scope.Spawn(Upward(place, relay, &scope));
  scope.Spawn(Downward(relay, relay->backs.front().get()));
  co_await client(place, context);
  (void)co_await place.runtime.clock->SleepFor(300ms);  // its last words are forwarded too
  scope.RequestStop();
  co_await scope.Join();
}

Task<void> EchoThroughRelay(Place place, Context* context) {
  Relay relay;
  co_await ThroughRelay(place, context, EchoClient, &relay);
  context->count = relay.count;
}

void EchoesDespite(const Mischief& what) {
  mischief = what;
  InBothWorlds(EchoServer, EchoThroughRelay, [](const Context& context) {
    CheckEcho(context);
    EXPECT_GT(context.count, 100u);
  });
}

TEST(QuicRelay, AnHonestOneIsNotNoticed) { EchoesDespite({}); }
TEST(QuicRelay, FlippedBytesAreNoticed) { EchoesDespite({.flip = 7}); }
TEST(QuicRelay, CutDatagramsAreNoticed) { EchoesDespite({.cut = 7}); }
TEST(QuicRelay, RepeatedDatagramsAreSeenOnce) { EchoesDespite({.repeat = 2}); }
TEST(QuicRelay, ReflectedDatagramsAreIgnored) { EchoesDespite({.reflect = 2}); }
TEST(QuicRelay, InventedDatagramsAreIgnored) { EchoesDespite({.invent = 2}); }
TEST(QuicRelay, APortThatChangesIsFollowed) { EchoesDespite({.rebind_after = 40}); }
TEST(QuicRelay, EverythingAtOnceIsSurvived) {
  EchoesDespite(
      {.flip = 11, .cut = 13, .repeat = 3, .reflect = 5, .invent = 7, .rebind_after = 60});
}

Task<void> WaitingServer(Place place, Context* context) {
  Listener listener = ListenAt(place, context);
  Clock* clock = place.runtime.clock;
  auto accepted = co_await Deadline(clock, clock->Now() + 4s, listener.Accept());
  context->server_end = accepted.status();
  context->counters = listener.counters();
}

Task<void> ConnectOnly(Place place, Context* context) {
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  auto connected = co_await connector.Connect(context->address);
  context->client_end = connected.status();
}

Task<void> ConnectThroughRelay(Place place, Context* context) {
  Relay relay;
  co_await ThroughRelay(place, context, ConnectOnly, &relay);
}

// A token is for the address that has asked for it.
TEST(QuicRelay, ATokenFromAnotherAddressIsRefused) {
  mischief = {.rebind_after = 2};
  Context context = NewContext();
  context.server.limits.retry = RetryPolicy::kAlways;
  testing::UnderWeather(
      WaitingServer, ConnectThroughRelay,
      [](const Context& context) {
        EXPECT_NE(context.client_end.message().find("INVALID_TOKEN"), std::string::npos)
            << context.client_end;
        EXPECT_EQ(context.counters.sessions, 0u);
        EXPECT_EQ(context.counters.refusals, 1u);
      },
      context, {}, 5);
}

// --- Amplification ---

// The first datagram of the client alone goes through, as if its address were a lie.
Task<void> SpoofingClient(Place place, Context* context) {
  Relay relay;
  co_await ThroughRelay(place, context, ConnectOnly, &relay);
  EXPECT_EQ(relay.upward_bytes, 1200u);
  EXPECT_LE(relay.downward_bytes, 3600u);
  EXPECT_GE(relay.downward_bytes, 1200u);
}

// RFC 9000, section 8.1: at most three times what came. (Such a client may believe that it is
// connected: the whole flight of a server with a short certificate fits into that.)
TEST(QuicHostile, AnUnprovenAddressGetsThreeTimesWhatItSent) {
  mischief = {.forward_max = 1};
  testing::UnderWeather(
      WaitingServer, SpoofingClient,
      [](const Context& context) {
        EXPECT_TRUE(absl::IsDeadlineExceeded(context.server_end)) << context.server_end;
      },
      NewContext(), {}, 5);
}

}  // namespace
}  // namespace faultline::quic
