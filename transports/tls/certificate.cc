#include "transports/tls/certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "runtime/endpoint.h"
#include "transports/tls/pem.h"

namespace faultline::tls {
namespace {

constexpr size_t kCommonNameMax = 64;  // RFC 5280, appendix A.1: ub-common-name
constexpr size_t kNameMax = 253;       // RFC 1035, section 2.3.4, without the root's dot

// A certificate in the making, and who signs it.
struct Draft {
  bssl::UniquePtr<X509> certificate;
  X509* issuer;
  EVP_PKEY* issuer_key;
};

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '*' || c == ':';
}

absl::Status CheckName(std::string_view name) {
  bool plain = !name.empty() && name.size() <= kNameMax;
  for (char c : name) plain = plain && IsPlain(c);
  if (plain) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("a certificate cannot hold the name '", std::string(name), "'"));
}

bssl::UniquePtr<EVP_PKEY> MakeKey() {
  bssl::UniquePtr<EC_KEY> curve_key(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  FAULTLINE_CHECK(EC_KEY_generate_key(curve_key.get()) == 1) << "a key on P-256 can be made";
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  FAULTLINE_CHECK(EVP_PKEY_set1_EC_KEY(key.get(), curve_key.get()) == 1);
  return key;
}

void SetSerialNumber(X509* certificate) {
  std::array<uint8_t, 16> bytes{};
  RAND_bytes(bytes.data(), bytes.size());
  bytes[0] = static_cast<uint8_t>((bytes[0] & 0x7F) | 0x40);  // positive, and always 16 bytes
  bssl::UniquePtr<BIGNUM> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate));
}

void SetDates(X509* certificate, const engine::Environment& environment,
              const CertificateOptions& options) {
  auto seconds = [](WallTime time) {
    return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
  };
  WallTime from = environment.clock->WallNow() + options.valid_from;
  ASN1_TIME_set(X509_getm_notBefore(certificate), seconds(from));
  ASN1_TIME_set(X509_getm_notAfter(certificate), seconds(from + options.valid_for));
}

void SetSubject(X509* certificate, const std::vector<std::string>& names) {
  std::string name = names.empty() ? "faultline" : names.front().substr(0, kCommonNameMax);
  X509_NAME* subject = X509_get_subject_name(certificate);
  int added = X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8,
                                         reinterpret_cast<const uint8_t*>(name.data()),
                                         static_cast<int>(name.size()), -1, 0);
  FAULTLINE_CHECK(added == 1) << "a checked name is a common name";
}

void AddExtension(const Draft& draft, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, draft.issuer, draft.certificate.get(), nullptr, nullptr, 0);
  bssl::UniquePtr<X509_EXTENSION> extension(
      X509V3_EXT_nconf_nid(nullptr, &context, nid, const_cast<char*>(value.c_str())));
  FAULTLINE_CHECK(extension != nullptr) << "extension " << nid << ": " << value;
  X509_add_ext(draft.certificate.get(), extension.get(), -1);
}

std::string AlternativeNames(const std::vector<std::string>& names) {
  std::string value;
  for (const std::string& name : names) {
    bool address = IsAddress(name);
    absl::StrAppend(&value, value.empty() ? "" : ",", address ? "IP:" : "DNS:", name);
  }
  return value;
}

// A root has to be allowed to sign, even if all that it signs is itself (RFC 5280, section 6.1.4).
const char* KeyUsageOf(bool root, bool authority) {
  if (authority) return "critical,keyCertSign,cRLSign";
  return root ? "critical,digitalSignature,keyCertSign" : "critical,digitalSignature";
}

void AddExtensions(const Draft& draft, const CertificateOptions& options, bool authority) {
  bool root = draft.issuer == draft.certificate.get();
  AddExtension(draft, NID_basic_constraints, root ? "critical,CA:TRUE" : "critical,CA:FALSE");
  AddExtension(draft, NID_key_usage, KeyUsageOf(root, authority));
  AddExtension(draft, NID_subject_key_identifier, "hash");
  if (authority) return;
  AddExtension(draft, NID_ext_key_usage, "serverAuth,clientAuth");
  if (!options.names.empty()) {
    AddExtension(draft, NID_subject_alt_name, AlternativeNames(options.names));
  }
}

struct Issuer {
  X509* certificate = nullptr;  // null: it signs itself
  EVP_PKEY* key = nullptr;
};

absl::StatusOr<Identity> Make(const engine::Environment& environment,
                              const CertificateOptions& options, const Issuer& issuer,
                              bool authority) {
  for (const std::string& name : options.names) {
    if (absl::Status checked = CheckName(name); !checked.ok()) return checked;
  }
  engine::Entered entered(environment);
  bssl::UniquePtr<EVP_PKEY> key = MakeKey();
  Draft draft{bssl::UniquePtr<X509>(X509_new()), issuer.certificate, issuer.key};
  if (draft.issuer == nullptr) draft.issuer = draft.certificate.get();
  if (draft.issuer_key == nullptr) draft.issuer_key = key.get();
  X509* certificate = draft.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  SetSerialNumber(certificate);
  SetDates(certificate, environment, options);
  SetSubject(certificate, options.names);
  X509_set_pubkey(certificate, key.get());
  X509_set_issuer_name(certificate, X509_get_subject_name(draft.issuer));
  AddExtensions(draft, options, authority);
  FAULTLINE_CHECK(X509_sign(certificate, draft.issuer_key, EVP_sha256()) != 0);
  return Identity{CertificateToPem(certificate), KeyToPem(key.get())};
}

}  // namespace

absl::StatusOr<Identity> SelfSigned(const engine::Environment& environment,
                                    const CertificateOptions& options) {
  return Make(environment, options, {}, false);
}

absl::StatusOr<Authority> Authority::Create(const engine::Environment& environment,
                                            const CertificateOptions& options) {
  absl::StatusOr<Identity> identity = Make(environment, options, {}, true);
  if (!identity.ok()) return identity.status();
  return Authority(*std::move(identity));
}

absl::StatusOr<Identity> Authority::Issue(const engine::Environment& environment,
                                          const CertificateOptions& options) const {
  auto certificates = CertificatesFromPem(identity_.certificate_chain_pem);
  FAULTLINE_CHECK(certificates.ok()) << certificates.status();
  auto key = KeyFromPem(identity_.private_key_pem);
  FAULTLINE_CHECK(key.ok()) << key.status();
  return Make(environment, options, {certificates->front().get(), key->get()}, false);
}

}  // namespace faultline::tls
