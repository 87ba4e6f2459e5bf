#include "transports/quic/session_callbacks.h"

#include <ngtcp2/ngtcp2_crypto.h>

#include <cerrno>
#include <span>

#include "absl/strings/str_cat.h"
#include "runtime/errors.h"
#include "transports/quic/session.h"

namespace faultline::quic {

struct SessionCallbacks {
  static Session* Self(void* user) { return static_cast<Session*>(user); }

  static void Random(uint8_t* to, size_t size, const ngtcp2_rand_ctx* context) {
    auto* entropy = static_cast<Entropy*>(context->native_handle);
    entropy->Fill(std::as_writable_bytes(std::span(to, size)));
  }

  static int NewId(ngtcp2_conn*, ngtcp2_cid* id, uint8_t* token, size_t size, void* user) {
    Session* self = Self(user);
    *id = NewConnectionId(self->context_.environment.entropy, size);
    self->ResetTokenOf(*id, token);
    self->RegisterId(*id);
    return 0;
  }

  static int RemoveId(ngtcp2_conn*, const ngtcp2_cid* id, void* user) {
    Self(user)->ForgetId(*id);
    return 0;
  }

  static int HandshakeCompleted(ngtcp2_conn*, void* user) {
    Self(user)->handshake_done_ = true;
    return 0;
  }

  static int HandshakeConfirmed(ngtcp2_conn*, void* user) {
    Self(user)->confirmed_ = true;
    return 0;
  }

  static int StreamOpened(ngtcp2_conn*, int64_t id, void* user) {
    Self(user)->OnPeerStream(id);
    return 0;
  }

  static int StreamData(ngtcp2_conn*, uint32_t flags, int64_t id, uint64_t, const uint8_t* data,
                        size_t size, void* user, void*) {
    Session* self = Self(user);
    // 0-RTT, the second refusal.
    if ((flags & NGTCP2_STREAM_DATA_FLAG_EARLY) != 0) {
      self->early_data_seen_ = true;
      return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    StreamState* stream = self->FindStream(id);
    if (stream == nullptr) return 0;
    stream->OnData(std::as_bytes(std::span(data, size)),
                   (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
    return 0;
  }

  static int Acknowledged(ngtcp2_conn*, int64_t id, uint64_t, uint64_t size, void* user, void*) {
    Session* self = Self(user);
    self->progress_ = true;
    StreamState* stream = self->FindStream(id);
    if (stream != nullptr) stream->OnAcknowledged(size);
    return 0;
  }

  static int StreamClosed(ngtcp2_conn*, uint32_t, int64_t id, uint64_t, void* user, void*) {
    Self(user)->OnStreamForgotten(id);
    return 0;
  }

  static int StreamReset(ngtcp2_conn*, int64_t id, uint64_t, uint64_t code, void* user, void*) {
    StreamState* stream = Self(user)->FindStream(id);
    if (stream == nullptr) return 0;
    stream->OnReset(
        ErrnoStatus(ECONNRESET, absl::StrCat("quic: stream reset by the peer with code ", code)));
    return 0;
  }

  static int PathValidated(ngtcp2_conn*, uint32_t, const ngtcp2_path*,
                           ngtcp2_path_validation_result result, void* user) {
    if (result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS) ++Self(user)->paths_validated_;
    return 0;
  }

  static int StatelessResetSeen(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user) {
    Self(user)->reset_seen_ = true;
    return 0;
  }
};

ngtcp2_callbacks SessionCallbackTable(bool server) {
  ngtcp2_callbacks table{};
  if (server) {
    table.recv_client_initial = &ngtcp2_crypto_recv_client_initial_cb;
  } else {
    table.client_initial = &ngtcp2_crypto_client_initial_cb;
    table.recv_retry = &ngtcp2_crypto_recv_retry_cb;
  }
  table.recv_crypto_data = &ngtcp2_crypto_recv_crypto_data_cb;
  table.encrypt = &ngtcp2_crypto_encrypt_cb;
  table.decrypt = &ngtcp2_crypto_decrypt_cb;
  table.hp_mask = &ngtcp2_crypto_hp_mask_cb;
  table.update_key = &ngtcp2_crypto_update_key_cb;
  table.delete_crypto_aead_ctx = &ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  table.delete_crypto_cipher_ctx = &ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  table.get_path_challenge_data = &ngtcp2_crypto_get_path_challenge_data_cb;
  table.version_negotiation = &ngtcp2_crypto_version_negotiation_cb;
  table.rand = &SessionCallbacks::Random;
  table.get_new_connection_id = &SessionCallbacks::NewId;
  table.remove_connection_id = &SessionCallbacks::RemoveId;
  table.handshake_completed = &SessionCallbacks::HandshakeCompleted;
  table.handshake_confirmed = &SessionCallbacks::HandshakeConfirmed;
  table.stream_open = &SessionCallbacks::StreamOpened;
  table.recv_stream_data = &SessionCallbacks::StreamData;
  table.acked_stream_data_offset = &SessionCallbacks::Acknowledged;
  table.stream_close = &SessionCallbacks::StreamClosed;
  table.stream_reset = &SessionCallbacks::StreamReset;
  table.path_validation = &SessionCallbacks::PathValidated;
  table.recv_stateless_reset = &SessionCallbacks::StatelessResetSeen;
  return table;
}

}  // namespace faultline::quic
