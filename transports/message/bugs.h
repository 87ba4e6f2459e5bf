// Planted transport bugs: real ones of real systems, each behind a switch, so that it can be shown
// that the simulation finds them.
//
//   TransportBugs bugs;
//   absl::Status known = EnableBug("partial-write-is-complete", &bugs);
//   tcp::Connector connector(network, pool, {.connection = {.bugs = &bugs}});
//
// Readers and writers take a pointer to the switches. It is null in production: only the replay
// program passes one; null costs a predicted branch a frame and a write.
#ifndef FAULTLINE_TRANSPORTS_MESSAGE_BUGS_H_
#define FAULTLINE_TRANSPORTS_MESSAGE_BUGS_H_

#include <span>
#include <string_view>

#include "absl/status/status.h"

namespace faultline::message {

// Fields in the order of the catalogue.
struct TransportBugs {
  bool partial_write_is_complete = false;
  bool partial_write_starts_over = false;
  bool partial_write_swaps_order = false;
  bool failed_writer_goes_on = false;
  bool dead_writer_parks_reader = false;
  bool torn_header_is_clean_end = false;
  bool torn_body_is_clean_end = false;
  bool cancelled_read_loses_bytes = false;
  bool compaction_off_by_one = false;
  bool maximum_size_ignored = false;
};

struct TransportBugDescription {
  std::string_view name;    // for --bug
  std::string_view what;    // what the transport then does
  std::string_view origin;  // where such a bug was real
  bool needs_bad_peer;      // shows only if a peer ends within a frame, or sends too large a one
  bool TransportBugs::* enabled;  // its switch
  // Whether it is a bug of WebSocket too; all are bugs of streams of frames (tcp, tls, quic, unix).
  bool over_websocket = true;
};

std::span<const TransportBugDescription> TransportBugCatalog();

// Errors: NotFound, no bug has this name.
absl::Status EnableBug(std::string_view name, TransportBugs* bugs);

// Whether `bugs` is given and has `bug` on.
inline bool Planted(const TransportBugs* bugs, bool TransportBugs::* bug) {
  return __builtin_expect(bugs != nullptr, false) && bugs->*bug;
}

}  // namespace faultline::message

#endif  // FAULTLINE_TRANSPORTS_MESSAGE_BUGS_H_
