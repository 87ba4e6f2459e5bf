#include "transports/tls/scenarios.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/scope.h"

namespace faultline::tls::testing {
namespace {

constexpr size_t kBlock = 5000;

std::byte PatternAt(size_t position) {
  return static_cast<std::byte>((position * 131 + position / 251) & 0xFF);
}

Task<void> SendAndFinish(Stream* stream, size_t bytes, absl::Status* result) {
  *result = co_await SendPattern(stream, bytes);
  if (result->ok()) *result = stream->ShutdownWrite();
}

// Both directions at once.
Task<absl::Status> Converse(TlsStream* stream, size_t bytes, size_t* received) {
  absl::Status sent;
  Scope scope(co_await ThisTask());
  scope.Spawn(SendAndFinish(stream, bytes, &sent));
  absl::Status ended = co_await ReceivePattern(stream, received);
  co_await scope.Join();
  ended.Update(sent);
  if (ended.ok()) ended = co_await stream->CloseOrderly();
  co_return ended;
}

}  // namespace

std::vector<std::byte> Pattern(size_t from, size_t size) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = PatternAt(from + i);
  return bytes;
}

// Writes `total` bytes of the pattern, in blocks of several buffers.
Task<absl::Status> SendPattern(Stream* stream, size_t total) {
  for (size_t sent = 0; sent < total;) {
    std::vector<std::byte> block = Pattern(sent, std::min(kBlock, total - sent));
    size_t half = block.size() / 2;
    std::array<iovec, 3> buffers = {iovec{block.data(), half}, iovec{nullptr, 0},
                                    iovec{block.data() + half, block.size() - half}};
    absl::StatusOr<size_t> written = co_await stream->WriteVector(buffers);
    if (!written.ok()) co_return written.status();
    sent += *written;
  }
  co_return absl::OkStatus();
}

// Reads until the end or an error; counts what matches the pattern.
Task<absl::Status> ReceivePattern(Stream* stream, size_t* received) {
  std::vector<std::byte> buffer(7000);
  for (;;) {
    std::array<iovec, 2> buffers = {iovec{buffer.data(), 100},
                                    iovec{buffer.data() + 100, buffer.size() - 100}};
    absl::StatusOr<size_t> read = co_await stream->ReadVector(buffers);
    if (!read.ok()) co_return read.status();
    if (*read == 0) co_return absl::OkStatus();
    for (size_t i = 0; i < *read; ++i) {
      if (buffer[i] != PatternAt(*received + i)) co_return absl::InternalError("wrong bytes");
    }
    *received += *read;
  }
}

Task<absl::StatusOr<std::unique_ptr<TlsStream>>> Serve(Runtime runtime, Shared* shared,
                                                       ServerContext* context) {
  std::unique_ptr<Stream> raw = co_await AcceptRaw(runtime, shared);
  co_return co_await ServerHandshake(std::move(raw), context, runtime.buffers);
}

Task<absl::StatusOr<std::unique_ptr<TlsStream>>> Dial(Runtime runtime, Shared* shared,
                                                      ClientContext* context) {
  std::unique_ptr<Stream> raw = co_await ConnectRaw(runtime, shared);
  if (raw == nullptr) co_return absl::UnavailableError("nobody listens");
  co_return co_await ClientHandshake(std::move(raw), context, runtime.buffers, shared->server_name);
}

Task<void> ConversingServer(Runtime runtime, Shared* shared) {
  auto context = NewServer(runtime, *shared);
  auto stream = co_await Serve(runtime, shared, context.get());
  shared->server_end = stream.status();
  if (stream.ok()) {
    shared->server_alpn = (*stream)->alpn();
    shared->server_saw = (*stream)->peer_certificate_pem();
    shared->server_end = co_await Converse(stream->get(), shared->bytes, &shared->received);
  }
  EXPECT_TRUE((co_await context->closing()->Drain()).ok());
}

Task<void> ConversingClient(Runtime runtime, Shared* shared) {
  auto context = NewClient(runtime, *shared);
  MonotonicTime start = runtime.clock->Now();
  auto stream = co_await Dial(runtime, shared, context.get());
  shared->client_end = stream.status();
  if (stream.ok()) {
    shared->client_alpn = (*stream)->alpn();
    shared->client_saw = (*stream)->peer_certificate_pem();
    shared->client_end = co_await Converse(stream->get(), shared->bytes, &shared->answered);
  }
  EXPECT_TRUE((co_await context->closing()->Drain()).ok());
  shared->took = runtime.clock->Now() - start;
}

void CheckConversation(const Shared& shared) {
  EXPECT_TRUE(shared.server_end.ok()) << shared.server_end;
  EXPECT_TRUE(shared.client_end.ok()) << shared.client_end;
  EXPECT_EQ(shared.received, shared.bytes);
  EXPECT_EQ(shared.answered, shared.bytes);
}

}  // namespace faultline::tls::testing
