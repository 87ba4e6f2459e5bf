// A session under arbitrary mischief on its path: for libFuzzer, and for the bounded test beside
// it.
//
//   ./bazelw run --config=asan --copt=-fsanitize=fuzzer-no-link \
//       //transports/quic:datagram_fuzzer -- -max_total_time=60
//
// A client sends numbered messages to a server through a relay, in simulation. The input says what
// the relay does to each datagram that passes: four bytes each, then the relay is honest. Whatever
// it is, what the server has read is a prefix of what the client has sent, and both ends come to an
// end in bounded time.
//
//   0  what: pass, drop, flip a byte, cut, repeat an older one, reflect, put a long header before
//      noise, put a short header before noise
//   1, 2  where, or which   3  the byte
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/scope.h"
#include "transports/quic/quic.h"
#include "transports/quic/testing/fixture.h"
#include "transports/testing/samples.h"

namespace faultline::quic {
namespace {

using testing::Context;
using testing::Place;
using Bytes = std::vector<std::byte>;

constexpr uint64_t kMessages = 20;

std::span<const uint8_t> plan;  // of the run that is under way

struct Relay {
  std::span<const uint8_t> plan;
  Endpoint server;
  Endpoint client;
  std::unique_ptr<DatagramSocket> front;
  std::unique_ptr<DatagramSocket> back;
  std::vector<Bytes> seen;
};

struct Step {
  uint8_t what = 0;
  size_t where = 0;
  std::byte byte{};
};

Step NextStep(Relay* relay) {
  if (relay->plan.size() < 4) return {};
  std::span<const uint8_t> next = relay->plan.first(4);
  relay->plan = relay->plan.subspan(4);
  return {static_cast<uint8_t>(next[0] % 8), size_t{next[1]} * 256 + next[2],
          static_cast<std::byte>(next[3])};
}

Bytes Noise(std::byte first, size_t size) {
  Bytes noise(size, first);
  noise[0] = first;
  for (size_t i = 1; i < noise.size(); ++i) noise[i] ^= static_cast<std::byte>(i * 7);
  return noise;
}

// `out` leads on, to `to`; `back` leads back, to `from`.
Task<void> Pass(Relay* relay, DatagramSocket* out, Endpoint to, DatagramSocket* back, Endpoint from,
                Bytes datagram) {
  Step step = NextStep(relay);
  if (relay->seen.size() < 64) relay->seen.push_back(datagram);
  if (step.what == 1) co_return;
  if (step.what == 2) datagram[step.where % datagram.size()] ^= step.byte;
  if (step.what == 3) datagram.resize(step.where % datagram.size());
  (void)co_await out->SendTo(&to, datagram);
  if (step.what == 4) {
    (void)co_await out->SendTo(&to, relay->seen[step.where % relay->seen.size()]);
  }
  if (step.what == 5) (void)co_await back->SendTo(&from, datagram);
  if (step.what >= 6) {
    std::byte form = step.what == 6 ? std::byte{0xc0} : std::byte{0x40};
    Bytes noise = Noise((step.byte & std::byte{0x3f}) | form, step.where % 1500 + 1);
    (void)co_await out->SendTo(&to, noise);
  }
}

Task<void> Upward(Relay* relay) {
  Bytes buffer(4096);
  for (;;) {
    DatagramInfo info;
    auto got = co_await relay->front->ReceiveFrom(buffer, &info);
    if (!got.ok()) co_return;
    relay->client = info.from;
    co_await Pass(relay, relay->back.get(), relay->server, relay->front.get(), relay->client,
                  Bytes(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*got)));
  }
}

Task<void> Downward(Relay* relay) {
  Bytes buffer(4096);
  for (;;) {
    auto got = co_await relay->back->ReceiveFrom(buffer, nullptr);
    if (!got.ok()) co_return;
    co_await Pass(relay, relay->front.get(), relay->client, relay->back.get(), relay->server,
                  Bytes(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*got)));
  }
}

// Numbers that arrive, in order, are all that a server may see.
Task<void> Server(Place place, Context* context) {
  Listener listener = testing::ListenAt(place, context);
  Clock* clock = place.runtime.clock;
  for (;;) {
    auto accepted = co_await Deadline(clock, clock->Now() + 30s, listener.Accept());
    if (!accepted.ok()) co_return;
    for (uint64_t expected = 1;; ++expected) {
      auto read = co_await accepted->ReadMessage(testing::kMax);
      if (!read.ok()) break;
      FAULTLINE_CHECK(faultline::testing::TagOf(*read) == expected)
          << faultline::testing::TagOf(*read) << " was read in the place of " << expected;
      ++context->count;
    }
  }
}

Task<void> Talk(Place place, Context* context) {
  Connector connector(place.surroundings, place.runtime.buffers, context->client, {});
  auto connected = co_await connector.Connect(context->address);
  if (!connected.ok()) co_return;
  for (uint64_t tag = 1; tag <= kMessages; ++tag) {
    FrozenBatch batch;
    batch.Add(faultline::testing::Sample(place.runtime.buffers, tag, tag * 100).frozen());
    if (!(co_await connected->SendBatch(&batch)).ok()) co_return;
    (void)co_await place.runtime.clock->SleepFor(1ms);
  }
  (void)connected->Close();
}

Task<void> TalkThroughRelay(Place place, Context* context) {
  Relay relay;
  relay.plan = plan;
  relay.server = context->address;
  relay.front = *place.runtime.network->Bind(Endpoint::Ipv4Loopback(0), {});
  relay.back = *place.runtime.network->Bind(Endpoint::Ipv4Any(0), {});
  context->address = relay.front->local_address();
  Scope pumps(co_await ThisTask());
  pumps.Spawn(Upward(&relay));
  pumps.Spawn(Downward(&relay));
  {
    Scope scope(co_await ThisTask());
    place.surroundings.scope = &scope;
    co_await Talk(place, context);
    co_await scope.Join();
  }
  pumps.RequestStop();
  co_await pumps.Join();
  context->answers.push_back(context->count);
}

}  // namespace

// What was read of `kMessages`.
size_t RunMischief(std::span<const uint8_t> input) {
  plan = input;
  Context context = testing::NewContext();
  context.client.transport.idle_timeout = 5s;
  context.server.transport.idle_timeout = 5s;
  testing::Weather weather{.seed = input.size()};
  context = testing::InSimulation(Server, TalkThroughRelay, context, weather).context;
  FAULTLINE_CHECK(context.answers.size() == 1) << "the client did not come to an end";
  return context.count;
}

}  // namespace faultline::quic

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)faultline::quic::RunMischief({data, size});
  return 0;
}
