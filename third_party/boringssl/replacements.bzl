"""Where BoringSSL reads the machine's clock, and what stands there instead; and where it sets up a record's cipher."""

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
    # The one place that sets up a cipher for records, of either direction (runtime/engine/record_ciphers.h).
    "src/ssl/ssl_aead_ctx.cc": [
        "#include \"../crypto/internal.h\"\n",
        "#include \"../crypto/internal.h\"\n" +
        "extern \"C\" const void *faultline_engine_record_cipher(const void *cipher);\n",
        "aead_ctx->ctx_.get(), aead, enc_key.data()",
        "aead_ctx->ctx_.get(),\n          static_cast<const EVP_AEAD *>(faultline_engine_record_cipher(aead)),\n" +
        "          enc_key.data()",
    ],
}

# The same of QUIC's packets.
NGTCP2_REPLACEMENTS = {
    "crypto/boringssl/boringssl.c": [
        "#include \"shared.h\"\n",
        "#include \"shared.h\"\nextern const void *faultline_engine_record_cipher(const void *cipher);\n",
        "EVP_AEAD_CTX_new(cipher, key, keylen,",
        "EVP_AEAD_CTX_new(faultline_engine_record_cipher(cipher), key, keylen,",
    ],
}
