#include "runtime/contract/helpers.h"

namespace faultline::contract {
namespace {

constexpr size_t kChunk = size_t{64} << 10;
constexpr size_t kTooMuch = size_t{256} << 20;  // a peer that takes this never makes a writer wait
// Longer than Linux delays an acknowledgement (TCP_DELACK_MAX, 200 ms). The last one may make room,
// of which a write that waits is told only once it is a third of the buffer; another would take it.
constexpr Duration kSettled = 250ms;

}  // namespace

Bytes Pattern(size_t size, size_t offset) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) {
    size_t position = offset + i;
    bytes[i] = static_cast<std::byte>(position * 7 + position / 251);
  }
  return bytes;
}

Task<absl::StatusOr<size_t>> ReadSome(Stream* stream, Bytes* into) {
  co_return co_await stream->Read(*into);
}

Task<absl::StatusOr<size_t>> WriteSome(Stream* stream, const Bytes* from) {
  co_return co_await stream->Write(*from);
}

Task<absl::Status> ReadExactly(Stream* stream, Bytes* into) {
  for (size_t done = 0; done < into->size();) {
    absl::StatusOr<size_t> got = co_await stream->Read(std::span(*into).subspan(done));
    if (!got.ok()) co_return got.status();
    if (*got == 0) co_return absl::OutOfRangeError("end of stream");
    done += *got;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> WriteAll(Stream* stream, const Bytes* from) {
  for (size_t done = 0; done < from->size();) {
    absl::StatusOr<size_t> taken = co_await stream->Write(std::span(*from).subspan(done));
    if (!taken.ok()) co_return taken.status();
    done += *taken;
  }
  co_return absl::OkStatus();
}

Task<absl::Status> WriteAllLater(Clock* clock, Duration delay, Stream* stream, const Bytes* from) {
  absl::Status slept = co_await clock->SleepFor(delay);
  if (!slept.ok()) co_return slept;
  co_return co_await WriteAll(stream, from);
}

Task<Bytes> ReadToEnd(Stream* stream, absl::Status* error) {
  Bytes all;
  Bytes chunk(kChunk);
  while (true) {
    absl::StatusOr<size_t> got = co_await stream->Read(chunk);
    if (!got.ok()) *error = got.status();
    if (!got.ok() || *got == 0) co_return all;
    all.insert(all.end(), chunk.begin(), chunk.begin() + static_cast<ptrdiff_t>(*got));
  }
}

Task<absl::StatusOr<size_t>> FillUp(Clock* clock, Stream* stream) {
  size_t total = 0;
  bool settled = false;
  while (total < kTooMuch) {
    Bytes chunk = Pattern(kChunk, total);
    absl::StatusOr<size_t> taken =
        co_await StoppedAfter(clock, settled ? 1ms : kSettled, WriteSome(stream, &chunk));
    const bool waited = absl::IsCancelled(taken.status());
    if (waited && settled) co_return total;
    if (!waited && !taken.ok()) co_return taken.status();
    settled = waited;
    total += taken.value_or(0);
  }
  co_return absl::OutOfRangeError("writes never wait");
}

Task<absl::Status> ReadError(Stream* stream) {
  absl::Status error = absl::OutOfRangeError("end of stream");
  (void)co_await ReadToEnd(stream, &error);
  co_return error;
}

Task<absl::Status> WriteError(Stream* stream) {
  Bytes chunk(kChunk);
  while (true) {
    absl::StatusOr<size_t> taken = co_await stream->Write(chunk);
    if (!taken.ok()) co_return taken.status();
  }
}

}  // namespace faultline::contract
