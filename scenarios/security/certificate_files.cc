#include "scenarios/security/certificate_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transports/tls/certificate.h"

namespace faultline::scenarios {
namespace {

// What a flag names.
absl::StatusOr<std::string> ReadFile(const char* flag, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  if (file) content << file.rdbuf();
  if (file && content.str().empty()) {
    return absl::InvalidArgumentError(absl::StrCat(flag, ": ", path, " is empty"));
  }
  if (!file || !content) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": cannot read ", path, ": ", strerror(errno)));
  }
  return content.str();
}

// `status` with what the user gave in front.
absl::Status Of(const std::string& what, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(what, ": ", status.message()));
}

absl::Status WriteFile(const std::string& path, const std::string& content) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << content << std::flush;
  if (file) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("cannot write ", path, ": ", strerror(errno)));
}

// Those that were asked for, or what one calls one's own machine; and the addresses. Nobody
// connects to a wildcard.
std::vector<std::string> NamesOf(const ServerCertificate& certificate,
                                 const std::vector<any::Url>& urls) {
  std::vector<std::string> names = certificate.names;
  if (names.empty()) names = {"localhost", "127.0.0.1", "::1"};
  for (const any::Url& url : urls) {
    if (!url.address.is_ip() || url.address.is_any()) continue;
    const std::string name = any::IpText(url.address);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

absl::StatusOr<tls::Identity> MakeIdentity(const Runtime& runtime,
                                           const ServerCertificate& certificate,
                                           const std::vector<any::Url>& urls) {
  absl::StatusOr<tls::Identity> identity =
      tls::SelfSigned({runtime.entropy, runtime.clock}, {.names = NamesOf(certificate, urls)});
  if (!identity.ok()) return Of("--tls-names", identity.status());
  if (certificate.written_to.empty()) return identity;
  absl::Status written = WriteFile(certificate.written_to, identity->certificate_chain_pem);
  if (!written.ok()) return written;
  return identity;
}

absl::StatusOr<tls::Identity> ReadIdentity(const ServerCertificate& certificate) {
  absl::StatusOr<std::string> chain = ReadFile("--tls-certificate", certificate.chain_file);
  if (!chain.ok()) return chain.status();
  absl::StatusOr<std::string> key = ReadFile("--tls-key", certificate.key_file);
  if (!key.ok()) return key.status();
  return tls::Identity{*std::move(chain), *std::move(key)};
}

}  // namespace

absl::Status Validate(const ServerCertificate& certificate, const std::vector<any::Url>& urls) {
  if (certificate.chain_file.empty() != certificate.key_file.empty()) {
    return absl::InvalidArgumentError("--tls-certificate and --tls-key belong together");
  }
  if (certificate.self_signed && !certificate.key_file.empty()) {
    return absl::InvalidArgumentError("--tls-self-signed and --tls-key exclude each other");
  }
  if (!certificate.self_signed && !certificate.written_to.empty()) {
    return absl::InvalidArgumentError("--tls-write-certificate is for --tls-self-signed");
  }
  if (!certificate.self_signed && !certificate.names.empty()) {
    return absl::InvalidArgumentError("--tls-names is for --tls-self-signed");
  }
  const bool given = certificate.self_signed || !certificate.key_file.empty();
  const auto secure = std::find_if(urls.begin(), urls.end(),
                                   [](const any::Url& url) { return any::UsesTls(url.scheme); });
  if (given == (secure != urls.end())) return absl::OkStatus();
  if (given) {
    return absl::InvalidArgumentError(
        "a certificate is for tls://, wss:// and quic://, and --listen has none of them");
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--listen: ", secure->ToString(),
                   " needs --tls-certificate and --tls-key, or --tls-self-signed"));
}

absl::Status Validate(const ClientTrust& trust, const any::Url& url) {
  const bool file = !trust.roots_file.empty();
  if (file && trust.everybody) {
    return absl::InvalidArgumentError("--tls-trust and --tls-trust-everybody exclude each other");
  }
  const bool given = file || trust.everybody;
  if (given == any::UsesTls(url.scheme)) return absl::OkStatus();
  if (given) {
    return absl::InvalidArgumentError(
        absl::StrCat("whom to trust is for tls://, wss:// and quic://, not for ", url.ToString()));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--connect: ", url.ToString(), " needs --tls-trust, or --tls-trust-everybody"));
}

absl::StatusOr<std::unique_ptr<any::Security>> OpenServerSecurity(
    const Runtime& runtime, const ServerCertificate& certificate,
    const std::vector<any::Url>& urls) {
  if (!certificate.self_signed && certificate.chain_file.empty()) return nullptr;
  absl::StatusOr<tls::Identity> identity = certificate.self_signed
                                               ? MakeIdentity(runtime, certificate, urls)
                                               : ReadIdentity(certificate);
  if (!identity.ok()) return identity.status();
  auto security = any::Security::Create(runtime, {.identity = *std::move(identity)});
  if (security.ok()) return security;
  return Of(absl::StrCat("--tls-certificate=", certificate.chain_file,
                         " --tls-key=", certificate.key_file),
            security.status());
}

absl::StatusOr<std::unique_ptr<any::Security>> OpenClientSecurity(const Runtime& runtime,
                                                                  const ClientTrust& trust) {
  any::SecurityOptions options{.trust_everybody = trust.everybody};
  if (!trust.roots_file.empty()) {
    absl::StatusOr<std::string> roots = ReadFile("--tls-trust", trust.roots_file);
    if (!roots.ok()) return roots.status();
    options.roots_pem = *std::move(roots);
  }
  if (options.roots_pem.empty() && !options.trust_everybody) return nullptr;
  auto security = any::Security::Create(runtime, std::move(options));
  if (security.ok()) return security;
  return Of(absl::StrCat("--tls-trust=", trust.roots_file), security.status());
}

}  // namespace faultline::scenarios
