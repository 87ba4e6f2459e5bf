// BareQuic: ngtcp2 on a bare UDP socket, in the style of its own examples (client.cc, server.cc):
// up to ten datagrams are read, one recvmsg(2) each; then packets are written until there is
// nothing to write, the window is full or a burst is over; then the timer is set. One connection,
// one stream, no allocation of its own.
//
// Examples send a burst as one sendmsg(2) with UDP_SEGMENT in the server, and one call a packet in
// the client; here that is an option of both ends.
#ifndef FAULTLINE_BENCH_BARE_QUIC_H_
#define FAULTLINE_BENCH_BARE_QUIC_H_

#include <netinet/in.h>
#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>
#include <openssl/ssl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace faultline::bench {

// A UDP socket of loopback.
class BareUdp {
 public:
  BareUdp();
  BareUdp(const BareUdp&) = delete;
  BareUdp& operator=(const BareUdp&) = delete;
  ~BareUdp();

  uint16_t port() const { return ntohs(local_.sin_port); }
  sockaddr_in* local() { return &local_; }

  // Waits until there is something to receive, or `deadline` has come (CLOCK_MONOTONIC).
  void Wait(uint64_t deadline);
  // The size of the next datagram; 0 if there is none.
  size_t Receive(std::span<uint8_t> room, sockaddr_in* from);
  // `bytes` as datagrams of `size` each; the last may be shorter.
  void Send(const sockaddr_in& to, std::span<const uint8_t> bytes, size_t size);

 private:
  int fd_;
  int epoll_;
  sockaddr_in local_{};
};

// CLOCK_MONOTONIC, as ngtcp2 wants it.
uint64_t NowNanoseconds();

// Before the first connection with it.
void ConfigureForQuic(SSL_CTX* engine, bool server);

// What the application does on the connection's one stream.
class BareApplication {
 public:
  virtual ~BareApplication() = default;
  virtual void OnData(std::span<const uint8_t> data) = 0;
  // What is to be sent next; stays where it is until the peer has it. `*last`: nothing behind it.
  virtual std::span<const std::byte> Next(bool* last) = 0;
  virtual void OnTaken(size_t bytes) = 0;
};

class BareQuic {
 public:
  // A client; the application's stream is opened when the handshake is done. Neither is owned.
  BareQuic(BareUdp* socket, bool gso, SSL_CTX* engine, const sockaddr_in& server,
           BareApplication* application);
  // A server, for the client that sent `first`.
  BareQuic(BareUdp* socket, bool gso, SSL_CTX* engine, const sockaddr_in& client,
           const ngtcp2_pkt_hd& first, BareApplication* application);
  BareQuic(const BareQuic&) = delete;
  BareQuic& operator=(const BareQuic&) = delete;
  ~BareQuic();

  bool ready() const { return ready_; }
  // The peer has finished its stream.
  bool finished() const { return finished_; }
  // Everything was sent, and the end of it acknowledged.
  bool delivered() const { return last_taken_ && acknowledged_ == taken_; }
  // The peer has closed the connection.
  bool over() const { return over_; }
  bool has_stream() const { return stream_ >= 0; }
  void OpenStream();

  void Read(std::span<const uint8_t> datagram, const sockaddr_in& from);
  void Write();
  // One turn of the loop: waits, reads, expires, writes.
  void Turn();
  void Close();

 private:
  friend struct BareCallbacks;

  static constexpr size_t kReadsAtOnce = 10;
  static constexpr size_t kBurstBytes = size_t{64} << 10;

  BareQuic(BareUdp* socket, bool gso, const sockaddr_in& peer, BareApplication* application);
  ngtcp2_settings Settings() const;
  ngtcp2_transport_params Parameters() const;
  ngtcp2_path Path();
  void Adopt(int error, SSL_CTX* engine, bool server);
  ngtcp2_ssize WriteOnce(uint8_t* to, size_t room, uint64_t now);
  void Flush(size_t bytes, size_t size);

  BareUdp* const socket_;
  const bool gso_;
  sockaddr_in peer_;
  BareApplication* const application_;
  ngtcp2_conn* connection_ = nullptr;
  SSL* ssl_ = nullptr;
  ngtcp2_crypto_conn_ref reference_{};
  int64_t stream_ = -1;
  uint64_t taken_ = 0;
  uint64_t acknowledged_ = 0;
  bool last_taken_ = false;
  bool blocked_ = false;  // by the peer's window, in this burst
  bool ready_ = false;
  bool finished_ = false;
  bool over_ = false;
  std::array<uint8_t, kBurstBytes> out_;
  std::array<uint8_t, kBurstBytes> in_;
};

}  // namespace faultline::bench

#endif  // FAULTLINE_BENCH_BARE_QUIC_H_
