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
  // Of a self-signed one, beside the addresses: DNS names and IP addresses. None: what one calls
  // one's own machine.
  std::vector<std::string> names{};
  std::string written_to{};  // where a self-signed certificate goes, for clients to trust
};

// For a server at `urls`. Errors: InvalidArgument, naming the flag: one file without the other,
// files and `self_signed`, `written_to` or `names` without it; any of them where no URL uses TLS;
// none of them where one does.
absl::Status Validate(const ServerCertificate& certificate, const std::vector<any::Url>& urls);

// For a server at `urls`, whose addresses a self-signed certificate names, but for wildcards. Null:
// no certificate was asked for. Errors: InvalidArgument, naming the flag: a file that cannot be
// read, is empty or has something else in it; a name that a certificate cannot hold. DataLoss,
// writing.
absl::StatusOr<std::unique_ptr<any::Security>> OpenServerSecurity(
    const Runtime& runtime, const ServerCertificate& certificate,
    const std::vector<any::Url>& urls);

// Of a client: whom it trusts.
struct ClientTrust {
  std::string roots_file{};
  bool everybody = false;
};

// For a client of a server at `url`. Errors: InvalidArgument, naming the flag: both of them; one of
// them where the URL does not use TLS; none where it does.
absl::Status Validate(const ClientTrust& trust, const any::Url& url);

// Null: nobody. Errors: InvalidArgument, naming the flag and the file.
absl::StatusOr<std::unique_ptr<any::Security>> OpenClientSecurity(const Runtime& runtime,
                                                                  const ClientTrust& trust);

}  // namespace faultline::scenarios

#endif  // FAULTLINE_SCENARIOS_SECURITY_CERTIFICATE_FILES_H_
