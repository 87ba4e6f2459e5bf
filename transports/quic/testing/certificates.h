// Certificates for tests, in PEM, good from 2020 to 2120. They sign themselves; their keys are no
// secrets.
#ifndef FAULTLINE_TRANSPORTS_QUIC_TESTING_CERTIFICATES_H_
#define FAULTLINE_TRANSPORTS_QUIC_TESTING_CERTIFICATES_H_

namespace faultline::quic::testing {

// For "quic.test", 127.0.0.1 and ::1.
extern const char kCertificate[];
extern const char kPrivateKey[];
// For "other.test".
extern const char kOtherCertificate[];
extern const char kOtherPrivateKey[];

}  // namespace faultline::quic::testing

#endif  // FAULTLINE_TRANSPORTS_QUIC_TESTING_CERTIFICATES_H_
