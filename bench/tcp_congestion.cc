#include "bench/tcp_congestion.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "absl/strings/numbers.h"
#include "bench/tcp_workload.h"
#include "runtime/check.h"

namespace faultline::bench {
namespace {

bool IsTcp(int fd) {
  int protocol = 0;
  socklen_t size = sizeof(protocol);
  return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == IPPROTO_TCP;
}

}  // namespace

void UseReno() {
  constexpr std::string_view kReno = "reno";
  int sockets = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    int fd = -1;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &fd) || !IsTcp(fd)) continue;
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, kReno.data(), kReno.size()) != 0) {
      Die("TCP_CONGESTION");
    }
    ++sockets;
  }
  FAULTLINE_CHECK(sockets > 0) << "called while no socket is open";
}

}  // namespace faultline::bench
