// Two ends of TLS without any stream between them: a test carries every byte itself.
#ifndef FAULTLINE_TRANSPORTS_TLS_SESSION_PEER_H_
#define FAULTLINE_TRANSPORTS_TLS_SESSION_PEER_H_

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/check.h"
#include "runtime/engine/environment.h"
#include "runtime/entropy.h"
#include "runtime/frozen.h"
#include "transports/tls/session.h"

namespace faultline::tls::testing {

using internal::Session;
using Bytes = std::vector<std::byte>;

// Like a simulated host's: bytes that follow from a seed.
struct SeededEntropy final : Entropy {
  explicit SeededEntropy(uint64_t seed) : state(seed) {}
  uint64_t Next() {  // SplitMix64
    uint64_t z = state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  void Fill(std::span<std::byte> bytes) override {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(Next());
  }
  uint64_t state;
};

// One end, and what has come of it.
class Peer {
 public:
  Peer(bssl::UniquePtr<SSL> ssl, const engine::Environment& environment, BufferPool* pool)
      : ssl_(ssl.get()), session_(std::move(ssl), environment, pool, "server") {}

  SSL* ssl() { return ssl_; }
  Session* session() { return &session_; }
  bool open() const { return open_; }
  bool ended() const { return ended_; }
  const absl::Status& fault() const { return fault_; }
  const std::string& plaintext() const { return plaintext_; }

  // Goes as far as its input lets it.
  void Step() {
    if (!open_ && fault_.ok()) ShakeHands();
    while (open_ && !ended_ && fault_.ok() && ReadSome()) {
    }
  }

  void Send(std::string_view text) {
    const iovec buffer{const_cast<char*>(text.data()), text.size()};
    absl::StatusOr<size_t> written = session_.Write(std::array{buffer});
    FAULTLINE_CHECK(written.ok() && *written == text.size()) << written.status();
  }

  // What it has to say.
  Bytes Take() {
    Bytes taken;
    while (!session_.output()->empty()) {
      std::span<const std::byte> next = session_.output()->Next();
      taken.insert(taken.end(), next.begin(), next.end());
      session_.output()->Consume(next.size());
    }
    return taken;
  }

  // Hears `bytes`, at most `chunk` at a time.
  void Hear(std::span<const std::byte> bytes, size_t chunk = 4096) {
    while (!bytes.empty() && fault_.ok()) {
      std::span<std::byte> room = session_.input()->Room();
      size_t size = std::min({bytes.size(), chunk, room.size()});
      std::copy_n(bytes.begin(), size, room.begin());
      session_.input()->Fill(size);
      bytes = bytes.subspan(size);
      Step();
    }
  }

 private:
  void ShakeHands() {
    absl::StatusOr<bool> done = session_.Handshake();
    if (!done.ok()) fault_ = done.status();
    open_ = done.ok() && *done;
  }

  bool ReadSome() {
    std::array<char, 1000> text;
    const iovec buffer{text.data(), text.size()};
    absl::StatusOr<std::optional<size_t>> read = session_.Read(std::array{buffer});
    if (!read.ok()) {
      fault_ = read.status();
      return false;
    }
    if (!read->has_value()) return false;
    ended_ = **read == 0;
    plaintext_.append(text.data(), **read);
    return !ended_;
  }

  SSL* const ssl_;
  Session session_;
  bool open_ = false;
  bool ended_ = false;
  absl::Status fault_;
  std::string plaintext_;
};

}  // namespace faultline::tls::testing

#endif  // FAULTLINE_TRANSPORTS_TLS_SESSION_PEER_H_
