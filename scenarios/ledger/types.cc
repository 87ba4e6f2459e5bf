#include "scenarios/ledger/types.h"

#include <bit>

#include "absl/strings/str_cat.h"
#include "xxhash.h"

namespace faultline::ledger {
namespace {

static_assert(std::endian::native == std::endian::little, "digests are over little-endian fields");

Digest Hash(const void* data, size_t size) {
  XXH128_hash_t hash = XXH3_128bits(data, size);
  return {hash.low64, hash.high64};
}

}  // namespace

Digest DigestOfBytes(std::span<const std::byte> bytes) { return Hash(bytes.data(), bytes.size()); }

Digest DigestOfRequest(const EntryId& id, const Digest& payload) {
  const uint64_t fields[] = {id.client.high, id.client.low, id.number, payload.low, payload.high};
  return Hash(fields, sizeof(fields));
}

Digest DigestOfChain(const Digest& previous, uint64_t op, const EntryId& id,
                     const Digest& payload) {
  const uint64_t fields[] = {previous.low,  previous.high, op,          id.client.high,
                             id.client.low, id.number,     payload.low, payload.high};
  return Hash(fields, sizeof(fields));
}

std::string ToString(const ClientId& id) {
  if (id.high == 0) return absl::StrCat("client ", id.low);
  return absl::StrCat("client ", id.high, ".", absl::Hex(id.low, absl::kZeroPad16));
}

std::string ToString(const EntryId& id) {
  return absl::StrCat("entry ", id.number, " of ", ToString(id.client));
}

std::string ToString(const Digest& digest) {
  return absl::StrCat(absl::Hex(digest.high, absl::kZeroPad16),
                      absl::Hex(digest.low, absl::kZeroPad16));
}

}  // namespace faultline::ledger
