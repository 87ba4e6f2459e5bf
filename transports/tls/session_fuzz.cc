// A session under a conversation that somebody in between edits: for libFuzzer, and for the bounded
// test beside it.
//
//   ./bazelw run --config=asan --copt=-fsanitize=fuzzer-no-link \
//       //transports/tls:session_fuzzer -- -max_total_time=60
//
// Both ends draw from a fixed seed, so that the genuine conversation is the same each time and an
// edit hits the same byte. Whatever is edited: nobody gets plaintext that was not sent, nobody sees
// a clean end before all of it, and nobody has much to say about it.
//
// An input is two bytes of settings, then edits of four bytes each:
//   0  bit 0: of what the client says, else of what the server says; bit 1: the rest of the input
//   is
//      no edits, but what is said instead
//   1  how many bytes are heard at a time, less one
//   edit: position (two bytes, from the first byte that was ever said), what (flip, drop, repeat,
//      insert), how much or with what
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "runtime/check.h"
#include "runtime/testing/manual_clock.h"
#include "transports/tls/context.h"
#include "transports/tls/session_peer.h"
#include "transports/tls/testing.h"

namespace faultline::tls {
namespace {

using testing::Bytes;
using testing::Peer;

constexpr std::string_view kFromClient = "from the client";
constexpr std::string_view kFromServer = "from the server";
constexpr size_t kSaidMax = 16384;  // bytes: a handshake, a message, an alert
constexpr int kRounds = 20;

// What all inputs share.
struct Fixture {
  Fixture() {
    clock.set_wall_offset(24h * 365 * 56);
    certificates.emplace(environment);
    server = *ServerContext::Create(environment, {.identities = {certificates->server}});
    client = *ClientContext::Create(environment, {.roots_pem = certificates->authority.root_pem()});
  }
  testing::SeededEntropy entropy{7};
  faultline::testing::ManualClock clock;
  engine::Environment environment{&entropy, &clock};
  BufferPool pool;
  std::optional<testing::Certificates> certificates;
  std::unique_ptr<ServerContext> server;
  std::unique_ptr<ClientContext> client;
};

// Applies the edits of an input to what one end says.
class Editor {
 public:
  Editor(std::span<const uint8_t> input, bool instead) : input_(input), instead_(instead) {}

  Bytes Apply(Bytes said) {
    size_t before = std::exchange(said_, said_ + said.size());
    if (instead_) {
      Bytes other;
      for (uint8_t byte : std::exchange(input_, {})) other.push_back(static_cast<std::byte>(byte));
      return other;
    }
    for (size_t at = 0; at + 4 <= input_.size(); at += 4) {
      size_t position = size_t{input_[at]} << 8 | input_[at + 1];
      if (position < before || position >= said_) continue;
      Edit(&said, std::min(position - before, said.size()), input_[at + 2] % 4, input_[at + 3]);
    }
    return said;
  }

 private:
  static void Edit(Bytes* said, size_t at, int what, uint8_t value) {
    auto place = said->begin() + static_cast<ptrdiff_t>(at);
    size_t size = std::min<size_t>(value, said->size() - at);
    Bytes part(place, place + static_cast<ptrdiff_t>(size));
    if (what == 0 && at < said->size()) *place ^= static_cast<std::byte>(value);
    if (what == 1) said->erase(place, place + static_cast<ptrdiff_t>(size));
    if (what == 2) said->insert(place, part.begin(), part.end());
    if (what == 3) said->insert(place, static_cast<std::byte>(value));
  }

  std::span<const uint8_t> input_;
  const bool instead_;
  size_t said_ = 0;
};

struct Conversation {
  Peer server;
  Peer client;
  Editor editor;
  bool edit_client;
  size_t chunk;
  size_t said = 0;

  Bytes Say(Peer* peer, bool edited) {
    Bytes bytes = peer->Take();
    said += bytes.size();
    if (edited && !bytes.empty()) bytes = editor.Apply(std::move(bytes));
    return bytes;
  }

  void Exchange() {
    client.Step();
    for (int round = 0; round < kRounds; ++round) {
      Bytes forth = Say(&client, edit_client);
      Bytes back = Say(&server, !edit_client);
      if (forth.empty() && back.empty()) return;
      server.Hear(forth, chunk);
      client.Hear(back, chunk);
    }
  }
};

void SendLast(Peer* peer, std::string_view text) {
  if (!peer->open() || !peer->fault().ok()) return;
  peer->Send(text);
  peer->session()->SayCloseNotify();
}

void Check(const Peer& peer, std::string_view sent) {
  FAULTLINE_CHECK(sent.starts_with(peer.plaintext())) << "plaintext that nobody sent";
  FAULTLINE_CHECK(!peer.ended() || peer.plaintext() == sent) << "a clean end before all had come";
}

}  // namespace
}  // namespace faultline::tls

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace faultline::tls;  // NOLINT: the entry point
  static Fixture* const fixture = new Fixture();
  std::span<const uint8_t> input(data, size);
  if (input.size() < 2) return 0;
  fixture->entropy.state = 7;
  Conversation talk{
      .server = Peer(fixture->server->NewEngine(), fixture->environment, &fixture->pool),
      .client = Peer(*fixture->client->NewEngine("server"), fixture->environment, &fixture->pool),
      .editor = Editor(input.subspan(2), (input[0] & 2) != 0),
      .edit_client = (input[0] & 1) != 0,
      .chunk = size_t{input[1]} + 1};
  talk.Exchange();
  SendLast(&talk.client, kFromClient);
  SendLast(&talk.server, kFromServer);
  talk.Exchange();
  Check(talk.server, kFromClient);
  Check(talk.client, kFromServer);
  FAULTLINE_CHECK(talk.said < kSaidMax) << "an end says more than it was told";
  return 0;
}
