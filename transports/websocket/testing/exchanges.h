// Exchange: what a raw peer sends after the upgrade, and what has to come of it; for tables.
#ifndef FAULTLINE_TRANSPORTS_WEBSOCKET_TESTING_EXCHANGES_H_
#define FAULTLINE_TRANSPORTS_WEBSOCKET_TESTING_EXCHANGES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "transports/websocket/testing/worlds.h"

namespace faultline::websocket::testing {

struct Exchange {
  std::string name;
  std::string wire;
  std::vector<uint64_t> tags{};  // of the messages that are read
  int close_code = 1000;         // of the close frame that is sent at the end
  absl::StatusCode end = absl::StatusCode::kOutOfRange;  // of the reader; OutOfRange: clean
  std::vector<std::string> pongs{};
  std::string reason{};  // of the peer's close frame
  bool torn = false;     // the peer closes in the middle of a message: DataLoss, and the code stays
};

// `payload` in frames that are cut at the offsets `at`, with the bytes `between` between them.
std::string Split(const std::string& payload, std::vector<size_t> at, bool masked,
                  const std::string& between = "");

// Sends it to a server, or as a server to a client, in pieces of many sizes, in both worlds, and
// checks what comes of it.
void RunExchange(const Exchange& exchange, bool server, uint64_t seeds);

}  // namespace faultline::websocket::testing

#endif  // FAULTLINE_TRANSPORTS_WEBSOCKET_TESTING_EXCHANGES_H_
