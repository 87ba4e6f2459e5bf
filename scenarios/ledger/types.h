// The ledger's vocabulary: who a client is, what an entry is called, and digests of entries.
//
// A client's id is unique to one life of one client program: whoever starts again starts as another
// client. An entry is named by its client and the number that the client gave it (1, 2, 3, ...);
// the primary gives it its place in the log, the op number (1, 2, 3, ...; 0 is "nothing yet").
//
// Digests are XXH3 with 128 bits, over little-endian fields in the order of the arguments: against
// accidents and our own bugs, not against an attacker.
#ifndef FAULTLINE_SCENARIOS_LEDGER_TYPES_H_
#define FAULTLINE_SCENARIOS_LEDGER_TYPES_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <span>
#include <string>

namespace faultline::ledger {

using ReplicaId = uint8_t;

// A cluster has an odd number of replicas, at most this many. Replica 0 is the primary.
inline constexpr uint8_t kMaxReplicas = 7;

struct ClientId {
  uint64_t high = 0;
  uint64_t low = 0;

  friend bool operator==(const ClientId&, const ClientId&) = default;
  friend auto operator<=>(const ClientId&, const ClientId&) = default;
};

struct EntryId {
  ClientId client;
  uint64_t number = 0;  // from 1

  friend bool operator==(const EntryId&, const EntryId&) = default;
  friend auto operator<=>(const EntryId&, const EntryId&) = default;
};

struct Digest {
  uint64_t low = 0;
  uint64_t high = 0;

  friend bool operator==(const Digest&, const Digest&) = default;
  friend auto operator<=>(const Digest&, const Digest&) = default;
};

Digest DigestOfBytes(std::span<const std::byte> bytes);
// What a reply names its request by: the same for each copy of a request, and for no other request.
Digest DigestOfRequest(const EntryId& id, const Digest& payload);
// The link of the hash chain at `op`: it stands for the whole log up to there.
Digest DigestOfChain(const Digest& previous, uint64_t op, const EntryId& id, const Digest& payload);

std::string ToString(const ClientId& id);
std::string ToString(const EntryId& id);
std::string ToString(const Digest& digest);

inline std::ostream& operator<<(std::ostream& out, const ClientId& id) {
  return out << ToString(id);
}
inline std::ostream& operator<<(std::ostream& out, const EntryId& id) {
  return out << ToString(id);
}
inline std::ostream& operator<<(std::ostream& out, const Digest& digest) {
  return out << ToString(digest);
}

}  // namespace faultline::ledger

#endif  // FAULTLINE_SCENARIOS_LEDGER_TYPES_H_
