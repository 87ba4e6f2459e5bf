#include "transports/message/bugs.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace faultline::message {
namespace {

constexpr TransportBugDescription kCatalog[] = {
    {"partial-write-is-complete", "a write that took a part of a batch counts as all of it",
     "short sends of completion-based I/O", false, &TransportBugs::partial_write_is_complete},
    {"partial-write-starts-over",
     "after a partial write the buffer that was interrupted is sent again from its start",
     "short sends of completion-based I/O", false, &TransportBugs::partial_write_starts_over},
    {"partial-write-swaps-order",
     "after a partial write the next whole buffers of the batch change places",
     "a writer that queues the rest of a batch anew", false,
     &TransportBugs::partial_write_swaps_order,
     /*over_websocket=*/false},  // a client's batch is one buffer, already masked
    {"failed-writer-goes-on",
     "after a failed or cancelled batch the stream is kept and takes the next batch",
     "TigerBeetle's message bus: a send races shutdown and is cancelled", false,
     &TransportBugs::failed_writer_goes_on},
    {"dead-writer-parks-reader",
     "a failed batch stops the writer, but the stream and its reader stay",
     "Iggy's message bus: a writer's panic left the reader parked and the slot taken", false,
     &TransportBugs::dead_writer_parks_reader},
    {"torn-header-is-clean-end", "a stream that ends within a header is reported as closed",
     "framing loops that read end of stream as the end of the conversation", true,
     &TransportBugs::torn_header_is_clean_end},
    {"torn-body-is-clean-end", "a stream that ends within a body is reported as closed",
     "framing loops that read end of stream as the end of the conversation", true,
     &TransportBugs::torn_body_is_clean_end},
    {"cancelled-read-loses-bytes", "a cancelled read forgets what had arrived of a frame",
     "Iggy's message bus: dropping a read lost bytes that the kernel had delivered", false,
     &TransportBugs::cancelled_read_loses_bytes},
    {"compaction-off-by-one",
     "what is left of a header moves to the front of the receive buffer with one stale byte",
     "TigerBeetle's message bus: a suspended receive buffer was invalidated twice", false,
     &TransportBugs::compaction_off_by_one},
    {"maximum-size-ignored", "the configured maximum of a message's size is not looked at",
     "Iggy's WebSocket transport", true, &TransportBugs::maximum_size_ignored},
};

}  // namespace

std::span<const TransportBugDescription> TransportBugCatalog() { return kCatalog; }

absl::Status EnableBug(std::string_view name, TransportBugs* bugs) {
  for (const TransportBugDescription& bug : kCatalog) {
    if (bug.name != name) continue;
    bugs->*bug.enabled = true;
    return absl::OkStatus();
  }
  return absl::NotFoundError(absl::StrCat("no transport bug is called '", std::string(name), "'"));
}

}  // namespace faultline::message
