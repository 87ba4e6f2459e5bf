// The 256-byte header in front of every frame: the one definition of it, for all transports.
//
// A frame is this header and an optional body of `size - 256` bytes. Integers are little-endian.
// Bytes 128..256 belong to the command: each command has a struct for them, read and written as a
// value.
//
//   Header header;
//   header.cluster = cluster;
//   header.SetFields(RequestFields{.client = client, .request = 7, .operation =
//       Operation::kAppend});                          // sets `command` too
//   ... header.Fields<RequestFields>().request ...
//
// What a header must satisfy is said, and checked, in validate.h; `MessageBuilder` (message.h)
// fills in size and seals.
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_HEADER_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_HEADER_H_

#include <array>
#include <bit>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "runtime/check.h"

namespace faultline::message {

static_assert(std::endian::native == std::endian::little, "fields are read where they lie");

inline constexpr size_t kHeaderSize = 256;

// The largest frame that is accepted unless a configuration says otherwise, in bytes.
inline constexpr size_t kDefaultMaxMessageSize = size_t{64} << 20;

// What a frame is. A byte outside of this list makes a frame invalid; 0 is never used, so that
// zeroed memory is not a frame.
enum class Command : uint8_t {
  kPing = 1,            // the first frame of a connection: who I am; later: I am alive
  kPong = 2,            // the answer to a ping
  kRequest = 3,         // client to primary
  kReply = 4,           // primary to client
  kPrepare = 5,         // primary to backup: an entry and its place
  kPrepareOk = 6,       // backup to primary: I hold everything up to there
  kCommit = 7,          // primary to backup: a majority holds everything up to there
  kCatchUpRequest = 8,  // backup to primary, reader to replica: send me entries
  kCatchUpData = 9,     // the answer: entries, in the body
  kReject = 10,         // I do not serve this, and why
};

// Who speaks on the other side of a connection.
enum class Role : uint8_t {
  kReplica = 1,
  kClient = 2,
  kReader = 3,  // reads what a replica holds, whichever it is; adds nothing
};

// What a request asks for.
enum class Operation : uint8_t { kAppend = 1, kRead = 2 };

enum class ReplyStatus : uint32_t {
  kOk = 0,
  kStaleRequest = 1,  // older than one that has been answered since
  kRefused = 2,       // the service will never do this
};

enum class RejectReason : uint32_t {
  kNotPrimary = 1,
  kOverloaded = 2,    // try again later
  kWrongCluster = 3,  // never try again
  kSuperseded = 4,    // the same peer has connected anew
  kShuttingDown = 5,  // try elsewhere
  kNotReady = 6,      // catching up, or without a majority
};

// "PrepareOk"; "unknown" for a byte that is no command.
std::string_view CommandName(Command command);

// 128 bits as the wire has them: low half first. Ordered as a number.
struct Uint128 {
  uint64_t low = 0;
  uint64_t high = 0;

  friend bool operator==(const Uint128&, const Uint128&) = default;
  friend std::strong_ordering operator<=>(const Uint128& a, const Uint128& b) {
    if (a.high != b.high) return a.high <=> b.high;
    return a.low <=> b.low;
  }
};

// What `Header::Fields` may be read as: the 128 bytes of one command.
template <typename T>
concept CommandFields = std::is_trivially_copyable_v<T> && sizeof(T) == 128 && requires {
  { T::kCommand } -> std::convertible_to<Command>;
};

struct Header {
  Uint128 checksum{};  // the seal: XXH3-64 of bytes 16..256, in the low half; the high half is 0
  Uint128 checksum_body{};  // the same over the body, empty or not
  Uint128 cluster{};        // which cluster the sender believes to be in
  uint32_t size = 0;        // of the whole frame, in bytes
  uint32_t view = 0;
  uint32_t release = 0;  // of the sender's protocol
  Command command{};
  uint8_t replica = 0;  // the sender, if it is a replica
  std::array<uint8_t, 66> reserved_frame{};
  std::array<uint8_t, 128> reserved_command{};  // the command's fields

  // The command's fields, by value. `command` is T's: another is a bug of the caller's.
  template <CommandFields T>
  T Fields() const {
    FAULTLINE_CHECK(command == T::kCommand)
        << "a " << CommandName(command) << " read as a " << CommandName(T::kCommand);
    return std::bit_cast<T>(reserved_command);
  }

  // Sets `command` and its fields.
  template <CommandFields T>
  void SetFields(const T& fields) {
    command = T::kCommand;
    reserved_command = std::bit_cast<std::array<uint8_t, 128>>(fields);
  }
};

// The layout on the wire. Nothing else in the library knows an offset.
static_assert(sizeof(Header) == kHeaderSize);
static_assert(std::has_unique_object_representations_v<Header>, "no hidden padding");
static_assert(offsetof(Header, checksum) == 0);
static_assert(offsetof(Header, checksum_body) == 16);
static_assert(offsetof(Header, cluster) == 32);
static_assert(offsetof(Header, size) == 48);
static_assert(offsetof(Header, view) == 52);
static_assert(offsetof(Header, release) == 56);
static_assert(offsetof(Header, command) == 60);
static_assert(offsetof(Header, replica) == 61);
static_assert(offsetof(Header, reserved_frame) == 62);
static_assert(offsetof(Header, reserved_command) == 128);

}  // namespace faultline::message

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_HEADER_H_
