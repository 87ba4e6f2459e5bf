#include "runtime/kernel/datagrams.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace faultline::kernel {
namespace {

constexpr int kEcnBits = 3;

// The kernel writes a byte for IPv4 and an int for the rest.
int NumberIn(cmsghdr* header) {
  if (header->cmsg_len < CMSG_LEN(sizeof(int))) return *CMSG_DATA(header);
  int value = 0;
  std::memcpy(&value, CMSG_DATA(header), sizeof(value));
  return value;
}

// An IPv4 address in IPv6 clothes has IPv4's traffic class.
bool IsIpv4(const SocketAddress& address) {
  if (address.family() == AF_INET) return true;
  const auto* in6 = reinterpret_cast<const sockaddr_in6*>(address.get());
  return IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
}

}  // namespace

template <typename T>
void DatagramControl::Add(int level, int type, T value, msghdr* message) {
  auto* header = reinterpret_cast<cmsghdr*>(bytes_.data() + message->msg_controllen);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof(T));
  std::memcpy(CMSG_DATA(header), &value, sizeof(T));
  message->msg_controllen += CMSG_SPACE(sizeof(T));
}

void DatagramControl::PrepareSend(const SocketAddress& to, Ecn ecn, size_t segment_bytes,
                                  msghdr* message) {
  message->msg_control = bytes_.data();
  message->msg_controllen = 0;
  if (ecn != Ecn::kNotEct) {
    bool ipv4 = IsIpv4(to);
    Add<int>(ipv4 ? IPPROTO_IP : IPPROTO_IPV6, ipv4 ? IP_TOS : IPV6_TCLASS, static_cast<int>(ecn),
             message);
  }
  if (segment_bytes != 0) {
    Add<uint16_t>(SOL_UDP, UDP_SEGMENT, static_cast<uint16_t>(segment_bytes), message);
  }
}

void DatagramControl::PrepareReceive(msghdr* message) {
  message->msg_control = bytes_.data();
  message->msg_controllen = bytes_.size();
}

void ReadControl(msghdr* message, size_t bytes, DatagramInfo* info) {
  for (cmsghdr* at = CMSG_FIRSTHDR(message); at != nullptr; at = CMSG_NXTHDR(message, at)) {
    if ((at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_TOS) ||
        (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_TCLASS)) {
      info->ecn = static_cast<Ecn>(NumberIn(at) & kEcnBits);
    }
    if (at->cmsg_level == SOL_UDP && at->cmsg_type == UDP_GRO) {
      info->segment_bytes = static_cast<size_t>(NumberIn(at));
    }
  }
  if (info->segment_bytes >= bytes) info->segment_bytes = 0;  // one datagram is no several
}

bool RefusesToCut(int error) { return error == EIO || error == EINVAL || error == EOPNOTSUPP; }

}  // namespace faultline::kernel
