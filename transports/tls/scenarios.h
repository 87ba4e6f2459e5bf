// The scenarios that most tests of TLS are made of: a pattern of bytes, both ways.
#ifndef FAULTLINE_TRANSPORTS_TLS_SCENARIOS_H_
#define FAULTLINE_TRANSPORTS_TLS_SCENARIOS_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/runtime.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/tls/stream.h"
#include "transports/tls/testing.h"

namespace faultline::tls::testing {

std::vector<std::byte> Pattern(size_t from, size_t size);
// Writes `total` bytes of the pattern, in blocks of several buffers.
Task<absl::Status> SendPattern(Stream* stream, size_t total);
// Reads until the end or an error; counts what matches the pattern.
Task<absl::Status> ReceivePattern(Stream* stream, size_t* received);

// One connection, accepted or made, and its handshake.
Task<absl::StatusOr<std::unique_ptr<TlsStream>>> Serve(Runtime runtime, Shared* shared,
                                                       ServerContext* context);
Task<absl::StatusOr<std::unique_ptr<TlsStream>>> Dial(Runtime runtime, Shared* shared,
                                                      ClientContext* context);

// `shared->bytes` both ways at once, then an orderly end. Notes what was agreed on.
Task<void> ConversingServer(Runtime runtime, Shared* shared);
Task<void> ConversingClient(Runtime runtime, Shared* shared);
void CheckConversation(const Shared& shared);

}  // namespace faultline::tls::testing

#endif  // FAULTLINE_TRANSPORTS_TLS_SCENARIOS_H_
