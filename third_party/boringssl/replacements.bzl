"""Where BoringSSL reads the machine's clock, and what stands there instead."""

_INCLUDE = "#include \"runtime/engine/calls.h\"\n"

BORINGSSL_REPLACEMENTS = {
    "src/crypto/asn1/a_time.c": [
        "#include <time.h>\n",
        "#include <time.h>\n" + _INCLUDE,
        "time(&now_t);",
        "now_t = faultline_engine_wall_seconds();",
    ],
    "src/crypto/x509/x509_vfy.c": [
        "#include <time.h>\n",
        "#include <time.h>\n" + _INCLUDE,
        "time(&t);",
        "t = faultline_engine_wall_seconds();",
    ],
    "src/ssl/ssl_lib.cc": [
        "#include <sys/time.h>\n",
        "#include <sys/time.h>\n" + _INCLUDE,
        "gettimeofday(&clock, NULL);",
        "clock.tv_sec = faultline_engine_wall_seconds();\n  clock.tv_usec = 0;",
    ],
    "src/ssl/ssl_session.cc": [
        "#include <openssl/lhash.h>\n",
        "#include <openssl/lhash.h>\n" + _INCLUDE,
        "time = ::time(nullptr);",
        "time = faultline_engine_wall_seconds();",
    ],
}
