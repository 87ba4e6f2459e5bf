// Whole transfers over a stream, for those who do not count bytes.
//
//   absl::Status sent = co_await WriteAll(stream, bytes);
//   absl::Status got = co_await ReadExactly(stream, buffer);
//
// Both resume short transfers until everything has moved. A stop request ends them in between; then
// some of the bytes have moved and the stream is good for nothing but `Abort`.
#ifndef FAULTLINE_RUNTIME_STREAM_IO_H_
#define FAULTLINE_RUNTIME_STREAM_IO_H_

#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "runtime/stream.h"
#include "runtime/task.h"

namespace faultline {

// `bytes` stays valid until it returns. Errors: those of `Stream::Write`.
Task<absl::Status> WriteAll(Stream* stream, std::span<const std::byte> bytes);

// `buffer` stays valid until it returns. Errors: those of `Stream::Read`; OutOfRange if the stream
// ends before the first byte; DataLoss if it ends after some of them, naming how many.
Task<absl::Status> ReadExactly(Stream* stream, std::span<std::byte> buffer);

}  // namespace faultline

#endif  // FAULTLINE_RUNTIME_STREAM_IO_H_
