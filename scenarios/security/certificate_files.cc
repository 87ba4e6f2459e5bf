#include "scenarios/security/certificate_files.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transports/tls/certificate.h"

namespace faultline::scenarios {
namespace {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  if (file) content << file.rdbuf();
  if (!file || !content) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": ", strerror(errno)));
  }
  return content.str();
}

absl::Status WriteFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content << std::flush;
  if (file) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("cannot write ", path, ": ", strerror(errno)));
}

// The addresses, and what one calls one's own machine.
std::vector<std::string> NamesOf(const std::vector<any::Url>& urls) {
  std::vector<std::string> names = {"localhost"};
  for (const any::Url& url : urls) {
    if (url.address.is_ip()) names.push_back(any::IpText(url.address));
  }
  return names;
}

absl::StatusOr<tls::Identity> MakeIdentity(const Runtime& runtime,
                                           const ServerCertificate& certificate,
                                           const std::vector<any::Url>& urls) {
  absl::StatusOr<tls::Identity> identity =
      tls::SelfSigned({runtime.entropy, runtime.clock}, {.names = NamesOf(urls)});
  if (!identity.ok() || certificate.written_to.empty()) return identity;
  absl::Status written = WriteFile(certificate.written_to, identity->certificate_chain_pem);
  if (!written.ok()) return written;
  return identity;
}

absl::StatusOr<tls::Identity> ReadIdentity(const ServerCertificate& certificate) {
  absl::StatusOr<std::string> chain = ReadFile(certificate.chain_file);
  if (!chain.ok()) return chain.status();
  absl::StatusOr<std::string> key = ReadFile(certificate.key_file);
  if (!key.ok()) return key.status();
  return tls::Identity{*std::move(chain), *std::move(key)};
}

}  // namespace

absl::Status Validate(const ServerCertificate& certificate) {
  if (certificate.chain_file.empty() != certificate.key_file.empty()) {
    return absl::InvalidArgumentError("--tls-certificate and --tls-key belong together");
  }
  if (certificate.self_signed && !certificate.key_file.empty()) {
    return absl::InvalidArgumentError("--tls-self-signed and --tls-key exclude each other");
  }
  if (!certificate.self_signed && !certificate.written_to.empty()) {
    return absl::InvalidArgumentError("--tls-write-certificate is for --tls-self-signed");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<any::Security>> OpenServerSecurity(
    const Runtime& runtime, const ServerCertificate& certificate,
    const std::vector<any::Url>& urls) {
  if (!certificate.self_signed && certificate.chain_file.empty()) return nullptr;
  absl::StatusOr<tls::Identity> identity = certificate.self_signed
                                               ? MakeIdentity(runtime, certificate, urls)
                                               : ReadIdentity(certificate);
  if (!identity.ok()) return identity.status();
  return any::Security::Create(runtime, {.identity = *std::move(identity)});
}

absl::StatusOr<std::unique_ptr<any::Security>> OpenClientSecurity(const Runtime& runtime,
                                                                  const ClientTrust& trust) {
  any::SecurityOptions options{.trust_everybody = trust.everybody};
  if (!trust.roots_file.empty()) {
    absl::StatusOr<std::string> roots = ReadFile(trust.roots_file);
    if (!roots.ok()) return roots.status();
    options.roots_pem = *std::move(roots);
  }
  if (options.roots_pem.empty() && !options.trust_everybody) return nullptr;
  return any::Security::Create(runtime, std::move(options));
}

}  // namespace faultline::scenarios
