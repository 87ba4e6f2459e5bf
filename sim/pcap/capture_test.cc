// Goal: a capture shows every packet and every fault of a run, and the run is the same without it.
// Method: two hosts that talk by TCP (over IPv4 and IPv6) and UDP, over links that lose, double and
// corrupt, through a partition and a crash; an observer that keeps what it is shown, and the
// capture's own bytes.
#include "sim/pcap/capture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "runtime/stream_io.h"
#include "sim/host.h"
#include "sim/wire.h"
#include "sim/world.h"

namespace faultline::sim {
namespace {

constexpr uint16_t kPort = 7000;
constexpr size_t kBytes = 100'000;

std::vector<std::byte> Pattern(size_t size) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 251);
  return bytes;
}

Task<void> Receive(Runtime runtime, Endpoint local) {
  auto listener = runtime.network->Listen(local, {});
  if (!listener.ok()) co_return;
  auto stream = co_await (*listener)->Accept();
  std::array<std::byte, 1000> buffer;
  while (stream.ok()) {
    auto read = co_await (*stream)->Read(buffer);
    if (!read.ok() || *read == 0) break;
  }
  if (stream.ok()) (void)(*stream)->Close();
}

Task<void> Send(Runtime runtime, Endpoint to) {
  (void)co_await runtime.clock->SleepFor(1ms);
  auto stream = co_await Deadline(runtime.clock, runtime.clock->Now() + 30s,
                                  runtime.network->Connect(to, {}));
  if (!stream.ok()) co_return;
  const std::vector<std::byte> bytes = Pattern(kBytes);
  (void)co_await Deadline(runtime.clock, runtime.clock->Now() + 60s,
                          WriteAll(stream->get(), bytes));
  (void)(*stream)->Close();
}

Task<void> SendDatagrams(Runtime runtime, Endpoint local, Endpoint to, size_t count) {
  auto socket = runtime.network->Bind(local, {});
  if (!socket.ok()) co_return;
  const std::vector<std::byte> bytes = Pattern(200);
  for (size_t i = 0; i < count; ++i) {
    (void)co_await (*socket)->SendTo(&to, bytes);
    (void)co_await runtime.clock->SleepFor(1ms);
  }
}

Task<void> ReceiveDatagrams(Runtime runtime, Endpoint local, size_t) {
  auto socket = runtime.network->Bind(local, {});
  std::array<std::byte, 500> buffer;
  if (socket.ok()) {
    (void)co_await Deadline(
        runtime.clock, runtime.clock->Now() + 5s,
        [](DatagramSocket* socket, std::array<std::byte, 500>* buffer) -> Task<absl::Status> {
          for (;;) {
            auto got = co_await socket->ReceiveFrom(*buffer, nullptr);
            if (!got.ok()) co_return got.status();
          }
        }(socket->get(), &buffer));
  }
}

// Puts streams together again, as a program that reads captures does.
struct Reassembler final : WireObserver {
  struct Direction {
    uint32_t next = 0;  // what is expected
    bool open = false;
    std::vector<std::byte> bytes;
    bool finished = false;
  };
  void OnTcp(WallTime now, const TcpPacket& packet) override {
    EXPECT_GE(now, last);
    last = now;
    ++packets;
    if (packet.fate != nullptr) ++fates[packet.fate];
    if (packet.fate != nullptr && std::string(packet.fate) != "duplicate") return;
    Direction& direction = directions[packet.from.ToString() + ">" + packet.to.ToString()];
    if (packet.flags & kTcpSyn) {
      EXPECT_GT(packet.mss, 0);
      if (!direction.open) direction.next = packet.sequence + 1;
      direction.open = true;
      return;
    }
    if (packet.flags & kTcpRst) return;
    EXPECT_TRUE(packet.flags & kTcpAck);
    EXPECT_TRUE(direction.open) << "before any SYN";
    const Direction& other = directions[packet.to.ToString() + ">" + packet.from.ToString()];
    EXPECT_EQ(packet.acknowledgement, other.next) << "acknowledges what has been seen";
    if (packet.sequence != direction.next) {
      EXPECT_LT(static_cast<int32_t>(packet.sequence - direction.next), 0) << "a hole";
      return;
    }
    direction.bytes.insert(direction.bytes.end(), packet.payload.begin(), packet.payload.end());
    direction.next += static_cast<uint32_t>(packet.payload.size());
    if (packet.flags & kTcpFin) {
      ++direction.next;
      direction.finished = true;
    }
  }
  void OnUdp(WallTime now, const UdpPacket& packet) override {
    EXPECT_GE(now, last);
    last = now;
    ++datagrams;
    if (packet.fate != nullptr) ++fates[packet.fate];
    if (packet.fate == nullptr)
      EXPECT_TRUE(std::equal(packet.payload.begin(), packet.payload.end(), Pattern(200).begin()));
  }
  void OnSecret(std::string_view) override {}

  WallTime last;
  size_t packets = 0;
  size_t datagrams = 0;
  std::map<std::string, size_t> fates;
  std::map<std::string, Direction> directions;
};

struct Talk {
  Ratio loss{};
  bool ipv6 = false;
  size_t datagrams = 0;
  bool partition = false;
  bool crash = false;
};

TraceHash RunTalk(const Talk& talk, WireObserver* wire, TraceSink* sink) {
  WorldConfig config{.seed = 3};
  LinkConfig& link = config.links[static_cast<size_t>(Plane::kClient)];
  link.loss = link.corrupt = link.duplicate = talk.loss;
  World world(config);
  world.SetWire(wire);
  world.trace()->SetSink(sink);
  Host* server = world.AddHost({.name = "server"});
  Host* client = world.AddHost({.name = "client"});
  const Endpoint to = talk.ipv6 ? server->Ipv6Address(Plane::kClient, kPort)
                                : server->Address(Plane::kClient, kPort);
  const size_t count = talk.datagrams;
  server->Boot([=](const Runtime& runtime) {
    return count > 0 ? ReceiveDatagrams(runtime, to, count) : Receive(runtime, to);
  });
  client->Boot([=](const Runtime& runtime) {
    return count > 0 ? SendDatagrams(runtime, client->Address(Plane::kClient, 9), to, count)
                     : Send(runtime, to);
  });
  if (talk.partition) {
    world.At(MonotonicTime(4ms), [&world] {
      const uint32_t id = world.Partition({.from = {0}, .to = {1}, .symmetric = true});
      world.After(2s, [&world, id] { world.Heal(id); });
    });
  }
  if (talk.crash) world.At(MonotonicTime(3ms), [server] { server->Crash(); });
  (void)world.Run({.until = 2min});
  return world.trace()->hash();
}

// --- What is shown ---

TEST(Wire, AStreamCanBePutTogetherAgain) {
  for (bool ipv6 : {false, true}) {
    Reassembler seen;
    RunTalk({.ipv6 = ipv6}, &seen, nullptr);
    ASSERT_EQ(seen.directions.size(), 2u);
    EXPECT_TRUE(seen.fates.empty());
    bool whole = false;
    for (const auto& [name, direction] : seen.directions) {
      EXPECT_TRUE(direction.finished) << name;
      whole = whole || direction.bytes == Pattern(kBytes);
    }
    EXPECT_TRUE(whole);
    EXPECT_GT(seen.packets, kBytes / 1460);
  }
}

TEST(Wire, WhatIsLostIsShownAndComesAgain) {
  Reassembler seen;
  RunTalk({.loss = {1, 8}}, &seen, nullptr);
  EXPECT_GT(seen.fates["lost"], 0u);
  EXPECT_GT(seen.fates["lost: corrupted on the way"], 0u);
  EXPECT_GT(seen.fates["duplicate"], 0u);
  bool whole = false;
  for (const auto& [name, direction] : seen.directions) {
    whole = whole || direction.bytes == Pattern(kBytes);
  }
  EXPECT_TRUE(whole);
}

TEST(Wire, PartitionsAndCrashesShow) {
  Reassembler cut;
  RunTalk({.partition = true}, &cut, nullptr);
  EXPECT_GT(cut.fates["lost: partition"], 0u);
  Reassembler crashed;
  RunTalk({.crash = true}, &crashed, nullptr);
  EXPECT_GT(crashed.fates["lost: the host is down"], 0u);
}

TEST(Wire, DatagramsShowWithTheirFates) {
  Reassembler seen;
  RunTalk({.loss = {1, 10}, .datagrams = 300}, &seen, nullptr);
  EXPECT_GE(seen.datagrams, 300u);
  for (const char* fate : {"lost", "duplicate", "corrupted: one byte changed on the way"}) {
    EXPECT_GT(seen.fates[fate], 5u) << fate;
  }
}

// --- The capture ---

struct Written {
  std::string file;
  Capture capture{[this](std::span<const std::byte> bytes) {
    file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }};
};

TEST(Capture, ARunIsTheSameWithoutIt) {
  for (const Talk& talk :
       {Talk{}, Talk{.loss = {1, 20}}, Talk{.ipv6 = true}, Talk{.loss = {1, 10}, .datagrams = 100},
        Talk{.partition = true}, Talk{.crash = true}}) {
    Written written;
    const TraceHash watched = RunTalk(talk, &written.capture, &written.capture);
    written.capture.Finish();
    EXPECT_EQ(watched, RunTalk(talk, nullptr, nullptr));
    EXPECT_GT(written.capture.packets(), 2u);
    Written again;
    RunTalk(talk, &again.capture, &again.capture);
    again.capture.Finish();
    EXPECT_EQ(written.file, again.file);
  }
}

TEST(Capture, FaultsAreCommentsOfPackets) {
  Written written;
  RunTalk({.partition = true}, &written.capture, &written.capture);
  written.capture.Finish();
  EXPECT_NE(written.file.find("fault: partition begins"), std::string::npos);
  EXPECT_NE(written.file.find("fault: partition ends"), std::string::npos);
  EXPECT_NE(written.file.find("lost: partition"), std::string::npos);
  Written crashed;
  RunTalk({.crash = true}, &crashed.capture, &crashed.capture);
  crashed.capture.Finish();
  EXPECT_NE(crashed.file.find("0.003000000s host 0: crash"), std::string::npos);
}

TEST(Capture, SecretsComeBeforeTheNextPacket) {
  Written written;
  written.capture.OnSecret("LABEL 01 02");
  EXPECT_EQ(written.file.find("LABEL"), std::string::npos);
  const Endpoint from = Endpoint::Ipv4Loopback(1);
  written.capture.OnUdp(WallTime(), {.from = from, .to = from, .fate = "after"});
  EXPECT_LT(written.file.find("LABEL 01 02\n"), written.file.find("after"));
  EXPECT_NE(written.file.find("after"), std::string::npos);
}

TEST(Capture, WhatNoPacketFollowsIsKeptWithinBounds) {
  Written written;
  for (size_t i = 0; i < Capture::kMaxComments + 7; ++i) {
    written.capture.OnRecord({.kind = TraceKind::kCrash});
  }
  written.capture.OnRecord({.kind = TraceKind::kRun});
  const size_t before = written.file.size();
  written.capture.Finish();
  EXPECT_NE(written.file.find("and 7 more"), std::string::npos);
  const size_t after = written.file.size();
  EXPECT_GT(after, before);
  written.capture.Finish();
  EXPECT_EQ(written.file.size(), after);
}

}  // namespace
}  // namespace faultline::sim
