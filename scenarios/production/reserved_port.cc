#include "scenarios/production/reserved_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/check.h"

namespace faultline::production {

ReservedPort::ReservedPort() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* name = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  FAULTLINE_CHECK(setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
                  bind(socket_, name, size) == 0 && getsockname(socket_, name, &size) == 0)
      << "no port: " << errno;
  port_ = ntohs(address.sin_port);
}

ReservedPort::~ReservedPort() { close(socket_); }

std::string ReservedPort::address() const { return "127.0.0.1:" + std::to_string(port_); }

void ReservedPort::Occupy() { FAULTLINE_CHECK(listen(socket_, 1) == 0) << "listen: " << errno; }

}  // namespace faultline::production
