// Certificates as the node and load programs are given them: files in PEM, or one made on the spot.
#ifndef FAULTLINE_SCENARIOS_SECURITY_CERTIFICATE_FILES_H_
#define FAULTLINE_SCENARIOS_SECURITY_CERTIFICATE_FILES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/runtime.h"
#include "transports/any/security.h"
#include "transports/any/url.h"

namespace faultline::scenarios {

// Of a server.
struct ServerCertificate {
  std::string chain_file{};  // its certificate first, then those that sign it
  std::string key_file{};
  bool self_signed = false;  // instead of the two: for development
  std::string written_to{};  // where a self-signed certificate goes, for clients to trust
};

// Errors: InvalidArgument, naming the flag: one file without the other, files and `self_signed`,
// `written_to` without it.
absl::Status Validate(const ServerCertificate& certificate);

// For a server at `urls`, whose addresses a self-signed certificate names. Null: no certificate was
// asked for. Errors: InvalidArgument, naming the file; DataLoss, writing.
absl::StatusOr<std::unique_ptr<any::Security>> OpenServerSecurity(
    const Runtime& runtime, const ServerCertificate& certificate,
    const std::vector<any::Url>& urls);

// Of a client: whom it trusts.
struct ClientTrust {
  std::string roots_file{};
  bool everybody = false;
};

// Null: nobody. Errors: InvalidArgument, naming the file.
absl::StatusOr<std::unique_ptr<any::Security>> OpenClientSecurity(const Runtime& runtime,
                                                                  const ClientTrust& trust);

}  // namespace faultline::scenarios

#endif  // FAULTLINE_SCENARIOS_SECURITY_CERTIFICATE_FILES_H_
