// PortTable: who has which port of a host, and which are in TIME_WAIT.
//
// An ephemeral port is taken for one remote endpoint, as connect(2) does: the same port can serve
// connections to different peers. A connection that this host closed first keeps its port for
// `time_wait` (RFC 9293, 3.6.1). Unix paths are in the table of listeners too.
#ifndef FAULTLINE_SIM_PORTS_H_
#define FAULTLINE_SIM_PORTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "runtime/endpoint.h"
#include "runtime/time.h"
#include "sim/choices.h"
#include "sim/config.h"

namespace faultline::sim {

// Sockets by local endpoint, which may be a wildcard.
template <typename Socket>
class BoundSockets {
 public:
  // Whether `local` can be bound beside what is bound. `v6_only` tells whether [::] leaves 0.0.0.0
  // alone.
  bool Free(const Endpoint& local, bool v6_only) const {
    for (const auto& [bound, entry] : sockets_) {
      if (bound == local) return false;
      if (!bound.is_ip() || !local.is_ip() || bound.port() != local.port()) continue;
      if (Covers(bound, entry.v6_only, local) || Covers(local, v6_only, bound)) return false;
    }
    return true;
  }
  void Add(const Endpoint& local, bool v6_only, Socket* socket) {
    sockets_.emplace(local, Entry{socket, v6_only});
  }
  void Remove(const Endpoint& local) { sockets_.erase(local); }
  void Clear() { sockets_.clear(); }

  // The one that gets what is sent to `to`: the exact address first, then a wildcard. Null if none.
  Socket* Find(const Endpoint& to) const {
    if (auto exact = sockets_.find(to); exact != sockets_.end()) return exact->second.socket;
    for (const auto& [bound, entry] : sockets_) {
      if (bound.port() == to.port() && Covers(bound, entry.v6_only, to)) return entry.socket;
    }
    return nullptr;
  }

 private:
  struct Entry {
    Socket* socket;
    bool v6_only;
  };

  // Whether a wildcard at `wild` takes what goes to `address`.
  static bool Covers(const Endpoint& wild, bool v6_only, const Endpoint& address) {
    if (!wild.is_any()) return false;
    if (wild.family() == address.family()) return true;
    return wild.family() == Endpoint::Family::kIpv6 && !v6_only &&
           address.family() == Endpoint::Family::kIpv4;
  }

  std::map<Endpoint, Entry> sockets_;
};

class SimListener;
class SimDatagramSocket;

class PortTable {
 public:
  BoundSockets<SimListener>* listeners() { return &listeners_; }
  BoundSockets<SimDatagramSocket>* datagrams() { return &datagrams_; }

  // `local` with a port: its own, or a free ephemeral one if that is 0. Nothing if taken, or none
  // is free.
  template <typename Socket>
  static std::optional<Endpoint> Resolve(const BoundSockets<Socket>& sockets, const Endpoint& local,
                                         bool v6_only, const HostLimits& limits, Chooser* chooser) {
    if (!local.is_ip() || local.port() != 0) {
      return sockets.Free(local, v6_only) ? std::optional(local) : std::nullopt;
    }
    uint32_t count = PortCount(limits);
    if (count == 0) return std::nullopt;
    uint64_t start = chooser->Below(Choice::kEphemeralPort, count);
    for (uint32_t i = 0; i < count; ++i) {
      Endpoint candidate = local.WithPort(PortAt(limits, start + i));
      if (sockets.Free(candidate, v6_only)) return candidate;
    }
    return std::nullopt;
  }

  // --- Outgoing connections ---
  // Takes a port for a connection to `remote`; nothing if all are taken or in TIME_WAIT.
  std::optional<Endpoint> TakeEphemeral(const Endpoint& local, const Endpoint& remote,
                                        const HostLimits& limits, MonotonicTime now,
                                        Chooser* chooser);
  // Takes this very port. False if it is taken for that remote.
  bool TakePort(const Endpoint& local, const Endpoint& remote, MonotonicTime now);
  // Gives it back at `until` (now or before: at once).
  void Release(const Endpoint& local, const Endpoint& remote, MonotonicTime until,
               MonotonicTime now);

  // --- Accepted connections ---
  // One at `local`, which this host closed first, is in TIME_WAIT until `until`.
  void Linger(const Endpoint& local, MonotonicTime until) { lingering_[local] = until; }
  // Whether one lies in the way of a listener at `local` that does not reuse addresses.
  bool Lingers(const Endpoint& local, MonotonicTime now) const;

  // --- Unix paths: files, which outlive the socket that made them unless it is closed in order ---
  void AddUnixPath(const Endpoint& path) {
    if (!path.path().starts_with('@')) unix_paths_.insert(path);
  }
  void RemoveUnixPath(const Endpoint& path) { unix_paths_.erase(path); }
  bool HasUnixPath(const Endpoint& path) const { return unix_paths_.contains(path); }

  // A power failure forgets everything but the files.
  void Clear();

 private:
  static uint32_t PortCount(const HostLimits& limits) {
    if (limits.last_ephemeral_port < limits.first_ephemeral_port) return 0;
    return uint32_t{limits.last_ephemeral_port} - limits.first_ephemeral_port + 1;
  }
  static uint16_t PortAt(const HostLimits& limits, uint64_t index) {
    return static_cast<uint16_t>(limits.first_ephemeral_port + index % PortCount(limits));
  }

  BoundSockets<SimListener> listeners_;
  BoundSockets<SimDatagramSocket> datagrams_;
  // By (local, remote): when the port is free again; kInfiniteFuture while in use.
  std::map<std::pair<Endpoint, Endpoint>, MonotonicTime> connections_;
  std::map<Endpoint, MonotonicTime> lingering_;
  std::set<Endpoint> unix_paths_;
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_PORTS_H_
