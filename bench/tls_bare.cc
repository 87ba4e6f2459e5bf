// TLS in C style: BoringSSL on a bare socket, as somebody writes it by hand who serves one protocol
// and nothing else. See bare_socket.h.
//
//   bare     ciphertext goes through two buffers of 256 KiB: few calls of the system, each large
//   bare_fd  BoringSSL reads and writes the socket by itself, as with SSL_set_fd: two reads and one
//            write a record. What most programs do.

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "bench/bare_socket.h"
#include "bench/credentials.h"
#include "bench/tls_contestants.h"

namespace faultline::bench {
namespace {

constexpr size_t kBufferBytes = size_t{256} << 10;

[[noreturn]] void DieOfTls(const char* what) {
  ERR_print_errors_fp(stderr);
  Die(what);
}

// Ciphertext on its way, in one piece of memory.
struct Buffer {
  std::unique_ptr<std::byte[]> bytes;
  size_t begin = 0;
  size_t end = 0;
};

class BareTls {
 public:
  // Shakes hands.
  BareTls(int fd, int epoll, bool buffered, bssl::UniquePtr<SSL> ssl)
      : socket_(fd, epoll), buffered_(buffered), ssl_(std::move(ssl)) {
    BIO* bio = BIO_new(Method());
    BIO_set_data(bio, this);
    SSL_set_bio(ssl_.get(), bio, bio);
    if (SSL_do_handshake(ssl_.get()) != 1) DieOfTls("handshake");
    Flush();
  }

  // At least one byte; 0 at the end.
  size_t Read(std::byte* to, size_t size) {
    int got = SSL_read(ssl_.get(), to, static_cast<int>(size));
    if (got > 0) return static_cast<size_t>(got);
    if (SSL_get_error(ssl_.get(), got) != SSL_ERROR_ZERO_RETURN) DieOfTls("SSL_read");
    return 0;
  }

  void ReadAll(std::byte* to, size_t size) {
    while (size > 0) {
      size_t got = Read(to, size);
      if (got == 0) Die("the server has ended");
      to += got;
      size -= got;
    }
  }

  void Write(const std::byte* bytes, size_t size) {
    if (SSL_write(ssl_.get(), bytes, static_cast<int>(size)) <= 0) DieOfTls("SSL_write");
    Flush();
  }

  void FinishWrites() {
    if (SSL_shutdown(ssl_.get()) < 0) DieOfTls("SSL_shutdown");
    Flush();
    socket_.FinishWrites();
  }

  // Nothing is on its way, and nothing is waited for: gives its buffers back.
  void Shrink() {
    in_ = {};
    out_ = {};
  }

 private:
  static BareTls* Of(BIO* bio) { return static_cast<BareTls*>(BIO_get_data(bio)); }

  static const BIO_METHOD* Method() {
    static const BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(0, "bare");
      BIO_meth_set_create(made, [](BIO* bio) {
        BIO_set_init(bio, 1);
        return 1;
      });
      BIO_meth_set_read(made, [](BIO* bio, char* to, int size) {
        return Of(bio)->ReadBelow(reinterpret_cast<std::byte*>(to), static_cast<size_t>(size));
      });
      BIO_meth_set_write(made, [](BIO* bio, const char* from, int size) {
        return Of(bio)->WriteBelow(reinterpret_cast<const std::byte*>(from),
                                   static_cast<size_t>(size));
      });
      BIO_meth_set_ctrl(made, [](BIO* bio, int command, long, void*) -> long {
        if (command != BIO_CTRL_FLUSH) return 0;
        Of(bio)->Flush();
        return 1;
      });
      return made;
    }();
    return method;
  }

  int ReadBelow(std::byte* to, size_t size) {
    if (!buffered_) return static_cast<int>(socket_.Read(to, size));
    if (in_.begin == in_.end) {
      Reserve(&in_);
      in_.begin = 0;
      in_.end = socket_.Read(in_.bytes.get(), kBufferBytes);
    }
    size_t taken = std::min(size, in_.end - in_.begin);
    std::memcpy(to, in_.bytes.get() + in_.begin, taken);
    in_.begin += taken;
    return static_cast<int>(taken);
  }

  int WriteBelow(const std::byte* from, size_t size) {
    if (!buffered_) {
      socket_.Write(from, size);
      return static_cast<int>(size);
    }
    Reserve(&out_);
    if (out_.end + size > kBufferBytes) Flush();
    std::memcpy(out_.bytes.get() + out_.end, from, size);
    out_.end += size;
    return static_cast<int>(size);
  }

  void Flush() {
    if (out_.end > 0) socket_.Write(out_.bytes.get(), std::exchange(out_.end, 0));
  }

  static void Reserve(Buffer* buffer) {
    if (buffer->bytes == nullptr) buffer->bytes.reset(new std::byte[kBufferBytes]);
  }

  BareSocket socket_;
  const bool buffered_;
  const bssl::UniquePtr<SSL> ssl_;
  Buffer in_;
  Buffer out_;
};

// What an end has for all of its connections.
struct Place {
  explicit Place(bool buffers) : buffered(buffers), epoll(Checked(epoll_create1(0), "epoll")) {}
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { close(epoll); }

  const bool buffered;
  const int epoll;
};

// --- Server ---

class Server : private Place {
 public:
  Server(bool buffered, const Announce& announce) : Place(buffered), listener_(announce) {}

  std::unique_ptr<BareTls> Accept() {
    bssl::UniquePtr<SSL> ssl(SSL_new(engine_.get()));
    SSL_set_accept_state(ssl.get());
    return std::make_unique<BareTls>(listener_.Accept(), epoll, buffered, std::move(ssl));
  }

 private:
  const bssl::UniquePtr<SSL_CTX> engine_ = NewServerEngine();
  BareListener listener_;
};

void Echo(const Load& load, BareTls* stream, Counter* counter) {
  std::vector<std::byte> message(load.message_bytes);
  size_t filled = 0;
  while (size_t got = stream->Read(message.data() + filled, message.size() - filled)) {
    filled += got;
    if (filled < message.size()) continue;
    counter->OnBytes(filled);
    stream->Write(message.data(), std::exchange(filled, 0));
  }
}

void Count(BareTls* stream, Counter* counter) {
  const std::vector<std::byte> reply = MakeReply();
  std::vector<std::byte> buffer(kBufferBytes);
  while (size_t got = stream->Read(buffer.data(), buffer.size())) {
    counter->OnBytes(got);
    for (uint64_t rounds = counter->TakeRounds(); rounds > 0; --rounds) {
      stream->Write(reply.data(), reply.size());
    }
  }
}

uint64_t ServeHandshakes(Server* server) {
  for (uint64_t count = 0;; ++count) {
    std::unique_ptr<BareTls> stream = server->Accept();
    std::byte goodbye;
    bool last = false;
    while (stream->Read(&goodbye, 1) > 0) last = true;
    stream->FinishWrites();
    if (last) return count;
  }
}

uint64_t ServeIdle(const Load& load, Server* server) {
  std::vector<std::unique_ptr<BareTls>> streams;
  while (streams.size() < load.connections) {
    streams.push_back(server->Accept());
    streams.back()->Shrink();
  }
  std::byte none;
  for (std::unique_ptr<BareTls>& stream : streams) {
    if (stream->Read(&none, 1) > 0) Die("an idle connection speaks");
  }
  return streams.size();
}

template <bool kBuffered>
uint64_t Serve(const Load& load, const Announce& announce) {
  Server server(kBuffered, announce);
  if (load.shape == Shape::kHandshakes) return ServeHandshakes(&server);
  if (load.shape == Shape::kIdle) return ServeIdle(load, &server);
  Counter counter(load);
  std::unique_ptr<BareTls> stream = server.Accept();
  load.shape == Shape::kStream ? Count(stream.get(), &counter) : Echo(load, stream.get(), &counter);
  stream->FinishWrites();
  return counter.messages();
}

// --- Client ---

class Client : private Place {
 public:
  Client(bool buffered, uint16_t port) : Place(buffered), port_(port) {}

  std::unique_ptr<BareTls> Connect() {
    return std::make_unique<BareTls>(bench::Connect(port_), epoll, buffered,
                                     NewClientSession(engine_.get()));
  }

 private:
  const uint16_t port_;
  const bssl::UniquePtr<SSL_CTX> engine_ = NewClientEngine();
};

void Close(BareTls* stream) {
  stream->FinishWrites();
  std::byte rest[kReplyBytes];
  while (stream->Read(rest, sizeof(rest)) > 0) {
  }
}

uint64_t PingPong(const Load& load, BareTls* stream, const KeepGoing& keep_going) {
  const std::vector<std::byte> messages = MakeMessages(load);
  std::vector<std::byte> echo(load.message_bytes);
  uint64_t sent = 0;
  do {
    for (uint64_t i = 0; i < kRoundTripsAtOnce; ++i, ++sent) {
      stream->Write(messages.data(), load.message_bytes);
      stream->ReadAll(echo.data(), echo.size());
    }
  } while (keep_going());
  return sent;
}

uint64_t Stream(const Load& load, BareTls* stream, const KeepGoing& keep_going) {
  const std::vector<std::byte> messages = MakeMessages(load);
  std::vector<std::byte> reply(kReplyBytes);
  uint64_t rounds = 0;
  do {
    for (uint64_t sent = 0; sent < load.round(); sent += load.batch()) {
      stream->Write(messages.data(), messages.size());
    }
    if (++rounds >= kRoundsUnderWay) stream->ReadAll(reply.data(), reply.size());
  } while (keep_going());
  return rounds * load.round();
}

uint64_t DriveHandshakes(Client* client, const KeepGoing& keep_going) {
  uint64_t count = 0;
  do {
    Close(client->Connect().get());
    ++count;
  } while (keep_going());
  std::unique_ptr<BareTls> last = client->Connect();
  const std::byte goodbye{};
  last->Write(&goodbye, 1);
  Close(last.get());
  return count;
}

uint64_t DriveIdle(Client* client, const KeepGoing& keep_going) {
  std::vector<std::unique_ptr<BareTls>> streams;
  do {
    streams.push_back(client->Connect());
    streams.back()->Shrink();
  } while (keep_going());
  for (std::unique_ptr<BareTls>& stream : streams) stream->FinishWrites();
  return streams.size();
}

template <bool kBuffered>
uint64_t Drive(const Load& load, uint16_t port, const KeepGoing& keep_going) {
  Client client(kBuffered, port);
  if (load.shape == Shape::kHandshakes) return DriveHandshakes(&client, keep_going);
  if (load.shape == Shape::kIdle) return DriveIdle(&client, keep_going);
  std::unique_ptr<BareTls> stream = client.Connect();
  const uint64_t sent = load.shape == Shape::kStream ? Stream(load, stream.get(), keep_going)
                                                     : PingPong(load, stream.get(), keep_going);
  Close(stream.get());
  return sent;
}

}  // namespace

const Contestant kBareTls = {"bare", &Serve<true>, &Drive<true>};
const Contestant kBareFdTls = {"bare_fd", &Serve<false>, &Drive<false>};

}  // namespace faultline::bench
