// Certificates for tests, in PEM, good from 2020 to 2120. They sign themselves; their keys are no
// secrets.
#ifndef FAULTLINE_TRANSPORTS_QUIC_TESTING_CERTIFICATES_H_
#define FAULTLINE_TRANSPORTS_QUIC_TESTING_CERTIFICATES_H_

namespace faultline::quic::testing {

// For "quic.test", 127.0.0.1 and ::1.
inline constexpr char kCertificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBejCCASCgAwIBAgICEAAwCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJcXVpYy50\n"
    "ZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAUMRIwEAYDVQQD\n"
    "DAlxdWljLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQeo3VvF4zebsAc\n"
    "U++wTTZEIUaSWDAdfyOkH6N0bSqeLbKyF4ZJEsbl6Iqp96JDzJ7KG2LvAzJsoPxm\n"
    "0jz2gDANo2AwXjAsBgNVHREEJTAjgglxdWljLnRlc3SHBH8AAAGHEAAAAAAAAAAA\n"
    "AAAAAAAAAAEwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQUrlQo7kkJzE/qrsg3\n"
    "A/G2zUCGMjQwCgYIKoZIzj0EAwIDSAAwRQIhALDhdQAF6fTcl0k+hUuZNYqaHVLz\n"
    "2Y0xOQkAEY+gAaOPAiAC8kIQ1P/VPuxvRoOEFVDdvR8QJEQHK7tqsU+E9864ww==\n"
    "-----END CERTIFICATE-----\n";
inline constexpr char kPrivateKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgXS/8smN+4yLj4XD9\n"
    "f0IxeC/e+sOoCkO6H8j9hlsficOhRANCAAQeo3VvF4zebsAcU++wTTZEIUaSWDAd\n"
    "fyOkH6N0bSqeLbKyF4ZJEsbl6Iqp96JDzJ7KG2LvAzJsoPxm0jz2gDAN\n"
    "-----END PRIVATE KEY-----\n";
// For "other.test".
inline constexpr char kOtherCertificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBZDCCAQmgAwIBAgICEAEwCgYIKoZIzj0EAwIwFDESMBAGA1UEAwwJcXVpYy50\n"
    "ZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAUMRIwEAYDVQQD\n"
    "DAlxdWljLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQ9WucZzzHCap6V\n"
    "JxKvdiWUCzI0kC+udCqHVGVKEk2AbFSOXH6rrJZ/tTPS+duV9Zl/7sVIhSkFtGaP\n"
    "xV3o3lzQo0kwRzAVBgNVHREEDjAMggpvdGhlci50ZXN0MA8GA1UdEwEB/wQFMAMB\n"
    "Af8wHQYDVR0OBBYEFLak6x7TSXeVxzTNYCH+7uRs0WS8MAoGCCqGSM49BAMCA0kA\n"
    "MEYCIQCF1dMcOw1U6ttCUWcH3lqR8GC246mcemxVeWC+5HQm5wIhALIB9QyjuZnr\n"
    "rKmkJ01c6iET1pbwAUcDNv0AlFExv8yQ\n"
    "-----END CERTIFICATE-----\n";
inline constexpr char kOtherPrivateKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghbxy37o1FvevIWZ9\n"
    "Hgbrx5CETDC76Kr/l6WntuZ1uP6hRANCAAQ9WucZzzHCap6VJxKvdiWUCzI0kC+u\n"
    "dCqHVGVKEk2AbFSOXH6rrJZ/tTPS+duV9Zl/7sVIhSkFtGaPxV3o3lzQ\n"
    "-----END PRIVATE KEY-----\n";

}  // namespace faultline::quic::testing

#endif  // FAULTLINE_TRANSPORTS_QUIC_TESTING_CERTIFICATES_H_
