/* A cipher that hides nothing, for simulations: as long as the one in whose place it stands, and
 * cheap. Text stays as it is; the tag is a checksum (XXH3, 128 bits) of it, of the key, the nonce
 * and the additional data. So a record under another key, out of order or damaged is refused, as
 * the real cipher refuses it, unless somebody forges it on purpose. */
#ifndef FAULTLINE_THIRD_PARTY_BORINGSSL_SAME_LENGTH_H_
#define FAULTLINE_THIRD_PARTY_BORINGSSL_SAME_LENGTH_H_

#ifdef __cplusplus
extern "C" {
#endif

/* The one with the lengths of `cipher`, an EVP_AEAD of TLS 1.3; for engine::RecordCiphers. */
const void* faultline_same_length_cipher(const void* cipher);

#ifdef __cplusplus
}
#endif

#endif /* FAULTLINE_THIRD_PARTY_BORINGSSL_SAME_LENGTH_H_ */
