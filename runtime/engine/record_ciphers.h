// RecordCiphers: with what engines protect the records of TLS and the packets of QUIC, where that
// is not the cipher on which the two ends have agreed.
//
// For simulations alone: no program for production contains this header's target, or a cipher to
// choose (//scenarios/production:no_simulation_test).
#ifndef FAULTLINE_RUNTIME_ENGINE_RECORD_CIPHERS_H_
#define FAULTLINE_RUNTIME_ENGINE_RECORD_CIPHERS_H_

namespace faultline::engine {

// As long as it lives, engine calls of this thread that set up a cipher for records use what
// `choose` makes of it. Both are of the engine's type (BoringSSL: EVP_AEAD), with keys, nonces and
// tags of the same lengths. One at a time.
class RecordCiphers {
 public:
  using Choose = const void* (*)(const void* cipher);

  // Null: the cipher itself.
  explicit RecordCiphers(Choose choose);
  RecordCiphers(const RecordCiphers&) = delete;
  RecordCiphers& operator=(const RecordCiphers&) = delete;
  ~RecordCiphers();
};

}  // namespace faultline::engine

// What engines written in C call; declared where they do.
extern "C" const void* faultline_engine_record_cipher(const void* cipher);

#endif  // FAULTLINE_RUNTIME_ENGINE_RECORD_CIPHERS_H_
