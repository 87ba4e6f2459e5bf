// Listeners and connectors by URL.
//
//   any::Environment environment{runtime, &scope};
//   absl::StatusOr<any::Listener> listener = any::Listen(environment, url, {});
//   absl::StatusOr<any::Connector> connector = any::MakeConnector(environment, url, {});
//   ... co_await connector->Connect(url.address)
#ifndef FAULTLINE_TRANSPORTS_ANY_OPEN_H_
#define FAULTLINE_TRANSPORTS_ANY_OPEN_H_

#include "absl/status/statusor.h"
#include "runtime/network.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
#include "transports/any/any.h"
#include "transports/any/security.h"
#include "transports/any/url.h"
#include "transports/message/bugs.h"
#include "transports/message/frame_reader.h"

namespace faultline::any {

// Outlives whatever is made with it. `scope` runs what no caller waits for, handshakes and orderly
// ends; it is joined when listeners and connections are gone.
struct Environment {
  Runtime runtime;
  Scope* scope = nullptr;
};

struct Options {
  // Of listeners. Which of the socket's options there are depends on the transport.
  ListenOptions listen{};
  ConnectOptions connect{};
  message::FrameReaderOptions reader{};
  // For tls://, wss:// and quic://; not owned.
  Security* security = nullptr;
  // Planted bugs of the framing; null but in the replay program.
  const message::TransportBugs* bugs = nullptr;
};

// Errors: those of the transport; FailedPrecondition, if it needs a certificate and there is none;
// InvalidArgument, if a path has a query.
absl::StatusOr<Listener> Listen(const Environment& environment, const Url& url,
                                const Options& options);
// For any address of that transport; `url` says which, and what to ask for. Errors:
// FailedPrecondition, if it has to know whom to trust and does not.
absl::StatusOr<Connector> MakeConnector(const Environment& environment, const Url& url,
                                        const Options& options);

}  // namespace faultline::any

#endif  // FAULTLINE_TRANSPORTS_ANY_OPEN_H_
