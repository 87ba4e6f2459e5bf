#include "bench/bare_quic.h"

#include <ngtcp2/ngtcp2_crypto_boringssl.h>
#include <openssl/rand.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "bench/bare_socket.h"
#include "bench/credentials.h"
#include "bench/quic_contestants.h"
#include "runtime/check.h"

// Of linux/udp.h and netinet/in.h, which do not go together.
#ifndef SOL_UDP
#define SOL_UDP 17
#endif
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace faultline::bench {
namespace {

constexpr uint8_t kAlpn[] = {5, 'b', 'e', 'n', 'c', 'h'};
constexpr size_t kIdBytes = 8;

void CheckQuic(int error, const char* what) {
  FAULTLINE_CHECK(error == 0) << what << ": " << ngtcp2_strerror(error);
}

ngtcp2_cid NewId(size_t size) {
  ngtcp2_cid id{};
  id.datalen = size;
  RAND_bytes(id.data, size);
  return id;
}

int SelectAlpn(SSL*, const uint8_t** out, uint8_t* size, const uint8_t*, unsigned, void*) {
  *out = kAlpn + 1;
  *size = kAlpn[0];
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

uint64_t NowNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * NGTCP2_SECONDS + static_cast<uint64_t>(now.tv_nsec);
}

void ConfigureForQuic(SSL_CTX* engine, bool server) {
  const int error = server ? ngtcp2_crypto_boringssl_configure_server_context(engine)
                           : ngtcp2_crypto_boringssl_configure_client_context(engine);
  CheckQuic(error, "TLS for QUIC");
  SSL_CTX_set_alpn_select_cb(engine, &SelectAlpn, nullptr);
}

// --- The socket ---

BareUdp::BareUdp()
    : fd_(Checked(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket")),
      epoll_(Checked(epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      local_(Loopback(0)) {
  socklen_t size = sizeof(local_);
  Checked(bind(fd_, reinterpret_cast<sockaddr*>(&local_), size), "bind");
  Checked(getsockname(fd_, reinterpret_cast<sockaddr*>(&local_), &size), "getsockname");
  const int probe = IP_PMTUDISC_DO;
  Checked(setsockopt(fd_, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof(probe)), "setsockopt");
  epoll_event event{.events = EPOLLIN, .data = {}};
  Checked(epoll_ctl(epoll_, EPOLL_CTL_ADD, fd_, &event), "epoll_ctl");
}

BareUdp::~BareUdp() {
  close(epoll_);
  close(fd_);
}

void BareUdp::Wait(uint64_t deadline) {
  const uint64_t now = NowNanoseconds();
  uint64_t left = deadline > now ? deadline - now : 0;
  left = std::min(left, uint64_t{kPatienceSeconds} * NGTCP2_SECONDS);
  const timespec timeout{.tv_sec = static_cast<time_t>(left / NGTCP2_SECONDS),
                         .tv_nsec = static_cast<long>(left % NGTCP2_SECONDS)};
  epoll_event event;
  if (epoll_pwait2(epoll_, &event, 1, &timeout, nullptr) < 0 && errno != EINTR) Die("epoll_pwait2");
}

size_t BareUdp::Receive(std::span<uint8_t> room, sockaddr_in* from) {
  iovec buffer{room.data(), room.size()};
  msghdr message{};
  message.msg_name = from;
  message.msg_namelen = sizeof(*from);
  message.msg_iov = &buffer;
  message.msg_iovlen = 1;
  ssize_t got = recvmsg(fd_, &message, 0);
  if (got < 0 && errno != EAGAIN && errno != ECONNREFUSED) Die("recvmsg");
  return got < 0 ? 0 : static_cast<size_t>(got);
}

void BareUdp::Send(const sockaddr_in& to, std::span<const uint8_t> bytes, size_t size) {
  iovec buffer{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_name = const_cast<sockaddr_in*>(&to);
  message.msg_namelen = sizeof(to);
  message.msg_iov = &buffer;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(uint16_t))> control{};
  if (bytes.size() > size) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* segment = CMSG_FIRSTHDR(&message);
    segment->cmsg_level = SOL_UDP;
    segment->cmsg_type = UDP_SEGMENT;
    segment->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    const auto segment_bytes = static_cast<uint16_t>(size);
    std::memcpy(CMSG_DATA(segment), &segment_bytes, sizeof(segment_bytes));
  }
  // What does not fit the socket's buffer, or is longer than the MTU, is lost: QUIC sends it again.
  if (sendmsg(fd_, &message, 0) < 0 && errno != EAGAIN && errno != EMSGSIZE &&
      errno != ECONNREFUSED) {
    Die("sendmsg");
  }
}

// --- What ngtcp2 calls ---

struct BareCallbacks {
  static BareQuic* Self(void* user) { return static_cast<BareQuic*>(user); }

  static ngtcp2_conn* ConnectionOf(ngtcp2_crypto_conn_ref* reference) {
    return Self(reference->user_data)->connection_;
  }
  static void Random(uint8_t* to, size_t size, const ngtcp2_rand_ctx*) { RAND_bytes(to, size); }
  static int NewConnectionId(ngtcp2_conn*, ngtcp2_cid* id, uint8_t* token, size_t size, void*) {
    *id = NewId(size);
    RAND_bytes(token, NGTCP2_STATELESS_RESET_TOKENLEN);
    return 0;
  }
  static int HandshakeCompleted(ngtcp2_conn*, void* user) {
    Self(user)->ready_ = true;
    return 0;
  }
  static int StreamOpened(ngtcp2_conn*, int64_t id, void* user) {
    Self(user)->stream_ = id;
    return 0;
  }
  static int StreamData(ngtcp2_conn* connection, uint32_t flags, int64_t id, uint64_t,
                        const uint8_t* data, size_t size, void* user, void*) {
    Self(user)->application_->OnData({data, size});
    ngtcp2_conn_extend_max_stream_offset(connection, id, size);
    ngtcp2_conn_extend_max_offset(connection, size);
    if ((flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0) Self(user)->finished_ = true;
    return 0;
  }
  static int Acknowledged(ngtcp2_conn*, int64_t, uint64_t offset, uint64_t size, void* user,
                          void*) {
    Self(user)->acknowledged_ = offset + size;
    return 0;
  }

  static ngtcp2_callbacks Table(bool server) {
    ngtcp2_callbacks table{};
    if (server) {
      table.recv_client_initial = &ngtcp2_crypto_recv_client_initial_cb;
    } else {
      table.client_initial = &ngtcp2_crypto_client_initial_cb;
      table.recv_retry = &ngtcp2_crypto_recv_retry_cb;
    }
    table.recv_crypto_data = &ngtcp2_crypto_recv_crypto_data_cb;
    table.encrypt = &ngtcp2_crypto_encrypt_cb;
    table.decrypt = &ngtcp2_crypto_decrypt_cb;
    table.hp_mask = &ngtcp2_crypto_hp_mask_cb;
    table.update_key = &ngtcp2_crypto_update_key_cb;
    table.delete_crypto_aead_ctx = &ngtcp2_crypto_delete_crypto_aead_ctx_cb;
    table.delete_crypto_cipher_ctx = &ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
    table.get_path_challenge_data = &ngtcp2_crypto_get_path_challenge_data_cb;
    table.version_negotiation = &ngtcp2_crypto_version_negotiation_cb;
    table.rand = &Random;
    table.get_new_connection_id = &NewConnectionId;
    table.handshake_completed = &HandshakeCompleted;
    table.stream_open = &StreamOpened;
    table.recv_stream_data = &StreamData;
    table.acked_stream_data_offset = &Acknowledged;
    return table;
  }
};

// --- The connection ---

BareQuic::BareQuic(BareUdp* socket, bool gso, const sockaddr_in& peer, BareApplication* application)
    : socket_(socket), gso_(gso), peer_(peer), application_(application) {
  reference_ = {.get_conn = &BareCallbacks::ConnectionOf, .user_data = this};
}

BareQuic::BareQuic(BareUdp* socket, bool gso, SSL_CTX* engine, const sockaddr_in& server,
                   BareApplication* application)
    : BareQuic(socket, gso, server, application) {
  const ngtcp2_cid theirs = NewId(NGTCP2_MAX_CIDLEN);
  const ngtcp2_cid ours = NewId(kIdBytes);
  const ngtcp2_callbacks callbacks = BareCallbacks::Table(/*server=*/false);
  const ngtcp2_settings settings = Settings();
  const ngtcp2_transport_params parameters = Parameters();
  const ngtcp2_path path = Path();
  const int error = ngtcp2_conn_client_new(&connection_, &theirs, &ours, &path, NGTCP2_PROTO_VER_V1,
                                           &callbacks, &settings, &parameters, nullptr, this);
  Adopt(error, engine, /*server=*/false);
}

BareQuic::BareQuic(BareUdp* socket, bool gso, SSL_CTX* engine, const sockaddr_in& client,
                   const ngtcp2_pkt_hd& first, BareApplication* application)
    : BareQuic(socket, gso, client, application) {
  const ngtcp2_cid ours = NewId(kIdBytes);
  const ngtcp2_callbacks callbacks = BareCallbacks::Table(/*server=*/true);
  const ngtcp2_settings settings = Settings();
  ngtcp2_transport_params parameters = Parameters();
  parameters.original_dcid = first.dcid;
  const ngtcp2_path path = Path();
  const int error = ngtcp2_conn_server_new(&connection_, &first.scid, &ours, &path, first.version,
                                           &callbacks, &settings, &parameters, nullptr, this);
  Adopt(error, engine, /*server=*/true);
}

BareQuic::~BareQuic() {
  ngtcp2_conn_del(connection_);
  SSL_free(ssl_);
}

ngtcp2_settings BareQuic::Settings() const {
  ngtcp2_settings settings{};
  ngtcp2_settings_default(&settings);
  settings.initial_ts = NowNanoseconds();
  settings.max_tx_udp_payload_size = NGTCP2_MAX_PMTUD_UDP_PAYLOAD_SIZE;
  return settings;
}

ngtcp2_transport_params BareQuic::Parameters() const {
  ngtcp2_transport_params parameters{};
  ngtcp2_transport_params_default(&parameters);
  parameters.initial_max_stream_data_bidi_local = kStreamWindow;
  parameters.initial_max_stream_data_bidi_remote = kStreamWindow;
  parameters.initial_max_data = kSessionWindow;
  parameters.initial_max_streams_bidi = 1;
  parameters.max_idle_timeout = uint64_t{kPatienceSeconds} * NGTCP2_SECONDS;
  return parameters;
}

ngtcp2_path BareQuic::Path() {
  return {{reinterpret_cast<sockaddr*>(socket_->local()), sizeof(sockaddr_in)},
          {reinterpret_cast<sockaddr*>(&peer_), sizeof(sockaddr_in)},
          nullptr};
}

void BareQuic::Adopt(int error, SSL_CTX* engine, bool server) {
  CheckQuic(error, "a connection begins");
  if (server) {
    ssl_ = SSL_new(engine);
    SSL_set_accept_state(ssl_);
  } else {
    ssl_ = NewClientSession(engine).release();
    SSL_set_alpn_protos(ssl_, kAlpn, sizeof(kAlpn));
  }
  SSL_set_app_data(ssl_, &reference_);
  ngtcp2_conn_set_tls_native_handle(connection_, ssl_);
}

void BareQuic::OpenStream() {
  CheckQuic(ngtcp2_conn_open_bidi_stream(connection_, &stream_, nullptr), "a stream");
}

void BareQuic::Read(std::span<const uint8_t> datagram, const sockaddr_in& from) {
  ngtcp2_path path = Path();
  sockaddr_in remote = from;
  path.remote.addr = reinterpret_cast<sockaddr*>(&remote);
  const ngtcp2_pkt_info info{};
  const int error = ngtcp2_conn_read_pkt(connection_, &path, &info, datagram.data(),
                                         datagram.size(), NowNanoseconds());
  if (error == NGTCP2_ERR_DRAINING) {
    over_ = true;
  } else {
    CheckQuic(error, "a packet");
  }
}

ngtcp2_ssize BareQuic::WriteOnce(uint8_t* to, size_t room, uint64_t now) {
  ngtcp2_path_storage chosen;
  ngtcp2_path_storage_zero(&chosen);
  bool last = false;
  std::span<const std::byte> data;
  const bool offers = stream_ >= 0 && !blocked_ && !last_taken_;
  if (offers) data = application_->Next(&last);
  const bool carries = offers && (!data.empty() || last);
  const ngtcp2_vec piece{reinterpret_cast<uint8_t*>(const_cast<std::byte*>(data.data())),
                         data.size()};
  uint32_t flags = NGTCP2_WRITE_STREAM_FLAG_MORE;
  if (last) flags |= NGTCP2_WRITE_STREAM_FLAG_FIN;
  ngtcp2_pkt_info info{};
  ngtcp2_ssize taken = -1;
  const ngtcp2_ssize size =
      ngtcp2_conn_writev_stream(connection_, &chosen.path, &info, to, room, &taken, flags,
                                carries ? stream_ : -1, &piece, carries ? 1 : 0, now);
  if (size == NGTCP2_ERR_STREAM_DATA_BLOCKED) blocked_ = true;
  if (carries && taken >= 0) {
    taken_ += static_cast<uint64_t>(taken);
    last_taken_ = last && static_cast<size_t>(taken) == data.size();
    application_->OnTaken(static_cast<size_t>(taken));
  }
  return size;
}

void BareQuic::Flush(size_t bytes, size_t size) {
  if (bytes > 0) socket_->Send(peer_, std::span(out_).first(bytes), size);
}

// As `write_streams` of the examples: a burst of packets of one size, and perhaps a shorter one.
void BareQuic::Write() {
  const uint64_t now = NowNanoseconds();
  const size_t packet_max = ngtcp2_conn_get_max_tx_udp_payload_size(connection_);
  const size_t packets_max = std::max<size_t>(
      std::min(ngtcp2_conn_get_send_quantum(connection_), kBurstBytes) / packet_max, 1);
  size_t filled = 0;
  size_t first = 0;
  blocked_ = false;
  for (size_t packets = 0; packets < packets_max;) {
    const ngtcp2_ssize size = WriteOnce(out_.data() + filled, packet_max, now);
    if (size == NGTCP2_ERR_WRITE_MORE || size == NGTCP2_ERR_STREAM_DATA_BLOCKED) continue;
    if (size < 0) CheckQuic(static_cast<int>(size), "writing");
    if (size == 0) break;
    const auto bytes = static_cast<size_t>(size);
    ++packets;
    if (!gso_) {
      socket_->Send(peer_, std::span(out_).first(bytes), bytes);
      continue;
    }
    if (filled > 0 && bytes > first) {  // a larger one, to probe the path: by itself
      Flush(filled, first);
      socket_->Send(peer_, std::span(out_).subspan(filled, bytes), bytes);
      filled = 0;
      break;
    }
    if (filled == 0) first = bytes;
    filled += bytes;
    if (bytes < first) break;
  }
  Flush(filled, first);
  ngtcp2_conn_update_pkt_tx_time(connection_, now);
}

void BareQuic::Turn() {
  socket_->Wait(ngtcp2_conn_get_expiry(connection_));
  sockaddr_in from{};
  for (size_t reads = 0; reads < kReadsAtOnce && !over_; ++reads) {
    const size_t size = socket_->Receive(in_, &from);
    if (size == 0) break;
    Read(std::span<const uint8_t>(in_).first(size), from);
  }
  if (over_) return;
  if (ngtcp2_conn_get_expiry(connection_) <= NowNanoseconds()) {
    CheckQuic(ngtcp2_conn_handle_expiry(connection_, NowNanoseconds()), "a timer");
  }
  Write();
}

void BareQuic::Close() {
  ngtcp2_connection_close_error error{};
  ngtcp2_connection_close_error_default(&error);
  ngtcp2_path_storage chosen;
  ngtcp2_path_storage_zero(&chosen);
  ngtcp2_pkt_info info{};
  const ngtcp2_ssize size = ngtcp2_conn_write_connection_close(
      connection_, &chosen.path, &info, out_.data(), out_.size(), &error, NowNanoseconds());
  if (size > 0) Flush(static_cast<size_t>(size), static_cast<size_t>(size));
}

}  // namespace faultline::bench
