#include "runtime/epoll/testing.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/combine.h"
#include "runtime/errors.h"
#include "runtime/kernel/address.h"

namespace faultline::epoll {
namespace {

absl::StatusOr<Descriptor> RawConnect(const Endpoint& where) {
  absl::StatusOr<kernel::SocketAddress> address = kernel::ToSocketAddress(where);
  if (!address.ok()) return address.status();
  Descriptor raw(socket(address->family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!raw || connect(raw.get(), address->get(), address->size) != 0) {
    return ErrnoStatus(errno, "raw connect");
  }
  int on = 1;  // what is sent is there at once
  if (where.is_ip()) (void)setsockopt(raw.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return raw;
}

Task<absl::StatusOr<std::string>> ReadOnce(Stream* stream) {
  std::array<std::byte, 100> buffer;
  absl::StatusOr<size_t> got = co_await stream->Read(buffer);
  if (!got.ok()) co_return got.status();
  co_return std::string(reinterpret_cast<const char*>(buffer.data()), *got);
}

}  // namespace

std::unique_ptr<Loop> MakeLoop() {
  absl::StatusOr<std::unique_ptr<Loop>> loop = Loop::Create({});
  FAULTLINE_CHECK(loop.ok()) << loop.status();
  return *std::move(loop);
}

Task<absl::StatusOr<RawPair>> ConnectRaw(Network* network, Endpoint where) {
  auto listener = network->Listen(where, {});
  if (!listener.ok()) co_return listener.status();
  absl::StatusOr<Descriptor> raw = RawConnect((*listener)->local_address());
  if (!raw.ok()) co_return raw.status();
  auto stream = co_await (*listener)->Accept();
  if (!stream.ok()) co_return stream.status();
  co_return RawPair{*std::move(raw), *std::move(stream)};
}

void RawSend(const Descriptor& raw, std::string_view text, int flags) {
  ssize_t sent = send(raw.get(), text.data(), text.size(), flags | MSG_NOSIGNAL);
  FAULTLINE_CHECK(sent == static_cast<ssize_t>(text.size())) << ErrnoStatus(errno, "raw send");
}

void RawFinish(const Descriptor& raw) {
  FAULTLINE_CHECK(shutdown(raw.get(), SHUT_WR) == 0) << ErrnoStatus(errno, "raw shutdown");
}

void RawReset(Descriptor* raw) {
  linger drop{.l_onoff = 1, .l_linger = 0};
  FAULTLINE_CHECK(setsockopt(raw->get(), SOL_SOCKET, SO_LINGER, &drop, sizeof(drop)) == 0);
  raw->Close();
}

size_t RawReceive(const Descriptor& raw, size_t size) {
  std::vector<char> buffer(size);
  ssize_t got = recv(raw.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return 0;
  FAULTLINE_CHECK(got >= 0) << ErrnoStatus(errno, "raw recv");
  return static_cast<size_t>(got);
}

Task<absl::StatusOr<std::string>> ReadText(Clock* clock, Stream* stream) {
  return Deadline(clock, clock->Now() + 10s, ReadOnce(stream));
}

}  // namespace faultline::epoll
