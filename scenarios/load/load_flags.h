// The command line of the load program.
#ifndef FAULTLINE_SCENARIOS_LOAD_LOAD_FLAGS_H_
#define FAULTLINE_SCENARIOS_LOAD_LOAD_FLAGS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "runtime/backend/name.h"
#include "runtime/endpoint.h"
#include "runtime/time.h"
#include "scenarios/ledger/client.h"
#include "scenarios/ledger/workload.h"
#include "scenarios/security/certificate_files.h"
#include "transports/any/url.h"

namespace faultline::load {

struct LoadFlags {
  bool help = false;  // asked for; the rest is not set then

  std::vector<Endpoint> connect{};  // client-plane addresses of replicas, at least one
  any::Url by{};                    // the transport and the path; the address is one of `connect`
  scenarios::ClientTrust trust{};   // for those with TLS
  uint64_t cluster = 1;
  uint64_t clients = 8;
  uint64_t rate = 0;        // entries a second, of all clients; 0: as many as are answered
  Duration duration = 10s;  // zero: until a signal
  uint64_t payload = 256;   // bytes of each entry
  uint64_t pipeline = 16;   // entries of one client under way at a time
  Duration timeout = 10s;   // an entry that takes longer has failed

  bool check = true;
  bool verify = false;
  Duration verify_timeout = 30s;
  backend::Backend backend = backend::Backend::kEpoll;
  bool json = false;
  bool quiet = false;
};

// `arguments` are those after the program's name. Errors: InvalidArgument; the message is for the
// user and says what would be right.
absl::StatusOr<LoadFlags> ParseLoadFlags(std::span<const std::string> arguments);

std::string LoadHelp();

// What each client is to be and to do.
ledger::ClientConfig ClientConfigOf(const LoadFlags& flags);
ledger::WorkloadConfig WorkloadOf(const LoadFlags& flags);

}  // namespace faultline::load

#endif  // FAULTLINE_SCENARIOS_LOAD_LOAD_FLAGS_H_
