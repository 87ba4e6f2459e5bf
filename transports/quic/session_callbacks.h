// What ngtcp2 calls while it reads or writes a packet of a session. Nothing here changes the
// session's state: flags are set, bytes are queued.
#ifndef FAULTLINE_TRANSPORTS_QUIC_SESSION_CALLBACKS_H_
#define FAULTLINE_TRANSPORTS_QUIC_SESSION_CALLBACKS_H_

#include <ngtcp2/ngtcp2.h>

namespace faultline::quic {

// The table for `ngtcp2_conn_client_new` and `ngtcp2_conn_server_new`; the user data is a Session.
ngtcp2_callbacks SessionCallbackTable(bool server);

}  // namespace faultline::quic

#endif  // FAULTLINE_TRANSPORTS_QUIC_SESSION_CALLBACKS_H_
