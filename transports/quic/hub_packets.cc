// Datagrams that come in, up to the session that they are for; and the answers to those that are
// for none. None of this keeps anything of a stranger, but for a bounded queue of answers.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "transports/quic/address.h"
#include "transports/quic/hub.h"

namespace faultline::quic {
namespace {

constexpr size_t kInitialMin = 1200;  // a client's first datagram, RFC 9000, section 14.1
constexpr size_t kResetMin = 43;      // answers are shorter than what caused them, 10.3.3
constexpr size_t kResetMax = 42;
constexpr size_t kRetryIdBytes = kConnectionIdSize;
constexpr ngtcp2_duration kTokenLife = 10 * NGTCP2_SECONDS;

const uint8_t* Bytes(std::span<const std::byte> datagram) {
  return reinterpret_cast<const uint8_t*>(datagram.data());
}

bool IsLong(std::span<const std::byte> datagram) {
  return (datagram[0] & std::byte{0x80}) != std::byte{0};
}

ngtcp2_tstamp Timestamp(Clock* clock) {
  return static_cast<ngtcp2_tstamp>(clock->Now().time_since_epoch().count());
}

}  // namespace

void Hub::OnReceived(std::span<const std::byte> datagrams, const DatagramInfo& info) {
  if (info.truncated || datagrams.empty()) {
    ++counters_.received;
    ++counters_.dropped;
    return;
  }
  size_t size = info.segment_bytes == 0 ? datagrams.size() : info.segment_bytes;
  for (; !datagrams.empty(); datagrams = datagrams.subspan(std::min(size, datagrams.size()))) {
    OnDatagram(datagrams.first(std::min(size, datagrams.size())), info);
  }
}

void Hub::OnDatagram(std::span<const std::byte> datagram, const DatagramInfo& info) {
  ++counters_.received;
  if (info.ecn != Ecn::kNotEct) ++counters_.received_ect;
  if (info.ecn == Ecn::kCe) ++counters_.received_ce;
  ngtcp2_version_cid id{};
  int error =
      ngtcp2_pkt_decode_version_cid(&id, Bytes(datagram), datagram.size(), kConnectionIdSize);
  bool foreign =
      error == NGTCP2_ERR_VERSION_NEGOTIATION ||
      (error == 0 && IsLong(datagram) && id.version != 0 && id.version != NGTCP2_PROTO_VER_V1);
  if (foreign && role_ == Role::kServer && datagram.size() >= kInitialMin) {
    return ReplyVersions(id, info.from);
  }
  if (error != 0 || foreign || id.dcidlen > NGTCP2_MAX_CIDLEN) {
    ++counters_.dropped;
    return;
  }
  auto found = ids_.find(ConnectionId(id.dcid, id.dcidlen));
  if (found != ids_.end()) return found->second->Receive(datagram, info.from, info.ecn);
  OnUnknown(datagram, info);
}

void Hub::OnUnknown(std::span<const std::byte> datagram, const DatagramInfo& info) {
  if (role_ == Role::kClient) return OnUnknownAtClient(datagram, info);
  if (IsLong(datagram)) return OnFirstPacket(datagram, info);
  ReplyReset(datagram, info.from);
}

// A stateless reset looks like a packet of nobody's; the session that has its token knows it. There
// may be several to one peer.
void Hub::OnUnknownAtClient(std::span<const std::byte> datagram, const DatagramInfo& info) {
  ++counters_.dropped;
  if (IsLong(datagram)) return;
  for (auto& [number, entry] : sessions_) {
    if (!entry.session->open() || entry.session->peer_address() != info.from) continue;
    entry.session->Receive(datagram, info.from, info.ecn);
    if (!entry.session->end().ok()) return;
  }
}

// --- New sessions ---

void Hub::OnFirstPacket(std::span<const std::byte> datagram, const DatagramInfo& info) {
  FirstPacket first;
  first.from = info.from;
  if (ngtcp2_accept(&first.header, Bytes(datagram), datagram.size()) != 0) {
    ++counters_.dropped;
    return;
  }
  if (std::string_view refusal = Refusal(); !refusal.empty()) {
    return ReplyRefusal(first, NGTCP2_CONNECTION_REFUSED, refusal);
  }
  if (first.header.token.len > 0 && !CheckToken(&first)) {
    return ReplyRefusal(first, NGTCP2_INVALID_TOKEN,
                        "the token is not for this address, or too old");
  }
  if (WantsRetry() && !first.address_proven) return ReplyRetry(first);
  Admit(datagram, info, first);
}

std::string_view Hub::Refusal() const {
  if (ready_.closed()) return "the listener was closed";
  if (sessions_.size() >= options_.limits.max_sessions) return "max_sessions";
  if (pending_ + ready_.size() >= options_.limits.max_handshakes) return "max_handshakes";
  return "";
}

bool Hub::WantsRetry() const {
  switch (options_.limits.retry) {
    case RetryPolicy::kNever:
      return false;
    case RetryPolicy::kUnderLoad:
      return pending_ >= options_.limits.retry_above_handshakes;
    case RetryPolicy::kAlways:
      return true;
  }
  return true;
}

// False if it is one of a retry and not good. Tokens of other kinds are none of ours; they prove
// nothing.
bool Hub::CheckToken(FirstPacket* first) {
  const ngtcp2_pkt_hd& header = first->header;
  if (header.token.base[0] != NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY) return true;
  engine::Entered entered(environment_);
  SocketAddress from(first->from);
  int error = ngtcp2_crypto_verify_retry_token(
      &first->original_id, header.token.base, header.token.len, token_key_.data(),
      token_key_.size(), header.version, from.address(), from.size(), &header.dcid, kTokenLife,
      Timestamp(surroundings_.clock));
  first->address_proven = error == 0;
  return error == 0;
}

void Hub::Admit(std::span<const std::byte> datagram, const DatagramInfo& info,
                const FirstPacket& first) {
  absl::StatusOr<std::shared_ptr<Session>> session = Session::Accept(Context(), first);
  if (!session.ok()) {
    ++counters_.dropped;
    return;
  }
  AddSession(*session, /*pending=*/true);
  (*session)->Receive(datagram, info.from, info.ecn);
}

// --- Answers ---

void Hub::AddReply(const Endpoint& to, std::span<const uint8_t> datagram, uint64_t* counter) {
  if (replies_.size() >= kRepliesMax) {
    ++counters_.replies_dropped;
    return;
  }
  ++*counter;
  std::span<const std::byte> bytes = std::as_bytes(datagram);
  replies_.push_back({to, {bytes.begin(), bytes.end()}});
  wake_.Set();
}

void Hub::ReplyVersions(const ngtcp2_version_cid& id, const Endpoint& to) {
  std::array<uint8_t, 1> unused{};
  surroundings_.entropy->Fill(std::as_writable_bytes(std::span(unused)));
  std::array<uint32_t, 1> versions = {NGTCP2_PROTO_VER_V1};
  std::array<uint8_t, 600> packet{};  // ids of unknown versions have up to 255 bytes
  ngtcp2_ssize size = ngtcp2_pkt_write_version_negotiation(packet.data(), packet.size(), unused[0],
                                                           id.scid, id.scidlen, id.dcid, id.dcidlen,
                                                           versions.data(), versions.size());
  if (size <= 0) return;
  AddReply(to, std::span(packet).first(static_cast<size_t>(size)), &counters_.version_negotiations);
}

void Hub::ReplyRetry(const FirstPacket& first) {
  engine::Entered entered(environment_);
  ngtcp2_cid id = NewConnectionId(environment_.entropy, kRetryIdBytes);
  SocketAddress from(first.from);
  std::array<uint8_t, NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN> token{};
  ngtcp2_ssize token_size = ngtcp2_crypto_generate_retry_token(
      token.data(), token_key_.data(), token_key_.size(), first.header.version, from.address(),
      from.size(), &id, &first.header.dcid, Timestamp(surroundings_.clock));
  if (token_size <= 0) return;
  std::array<uint8_t, 256> packet{};
  ngtcp2_ssize size = ngtcp2_crypto_write_retry(packet.data(), packet.size(), first.header.version,
                                                &first.header.scid, &id, &first.header.dcid,
                                                token.data(), static_cast<size_t>(token_size));
  if (size <= 0) return;
  AddReply(first.from, std::span(packet).first(static_cast<size_t>(size)), &counters_.retries);
}

void Hub::ReplyRefusal(const FirstPacket& first, uint64_t code, std::string_view reason) {
  engine::Entered entered(environment_);
  std::array<uint8_t, 256> packet{};
  ngtcp2_ssize size = ngtcp2_crypto_write_connection_close(
      packet.data(), packet.size(), first.header.version, &first.header.scid, &first.header.dcid,
      code, reinterpret_cast<const uint8_t*>(reason.data()), reason.size());
  if (size <= 0) return;
  AddReply(first.from, std::span(packet).first(static_cast<size_t>(size)), &counters_.refusals);
}

void Hub::ReplyReset(std::span<const std::byte> datagram, const Endpoint& to) {
  if (datagram.size() < kResetMin) {
    ++counters_.dropped;
    return;
  }
  engine::Entered entered(environment_);
  ngtcp2_cid id{};
  ngtcp2_cid_init(&id, Bytes(datagram) + 1, kConnectionIdSize);
  std::array<uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> token{};
  if (ngtcp2_crypto_generate_stateless_reset_token(token.data(), reset_key_.data(),
                                                   reset_key_.size(), &id) != 0) {
    return;
  }
  std::array<uint8_t, kResetMax - NGTCP2_STATELESS_RESET_TOKENLEN> noise{};
  surroundings_.entropy->Fill(std::as_writable_bytes(std::span(noise)));
  std::array<uint8_t, kResetMax> packet{};
  ngtcp2_ssize size = ngtcp2_pkt_write_stateless_reset(packet.data(), packet.size(), token.data(),
                                                       noise.data(), noise.size());
  if (size <= 0) return;
  AddReply(to, std::span(packet).first(static_cast<size_t>(size)), &counters_.stateless_resets);
}

}  // namespace faultline::quic
