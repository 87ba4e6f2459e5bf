#include "runtime/stream_io.h"

#include "absl/strings/str_cat.h"

namespace faultline {

Task<absl::Status> WriteAll(Stream* stream, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    absl::StatusOr<size_t> written = co_await stream->Write(bytes);
    if (!written.ok()) co_return written.status();
    bytes = bytes.subspan(*written);
  }
  co_return absl::OkStatus();
}

Task<absl::Status> ReadExactly(Stream* stream, std::span<std::byte> buffer) {
  size_t filled = 0;
  while (filled < buffer.size()) {
    absl::StatusOr<size_t> read = co_await stream->Read(buffer.subspan(filled));
    if (!read.ok()) co_return read.status();
    if (*read == 0 && filled == 0) co_return absl::OutOfRangeError("end of stream");
    if (*read == 0) {
      co_return absl::DataLossError(
          absl::StrCat("the stream ended after ", filled, " of ", buffer.size(), " bytes"));
    }
    filled += *read;
  }
  co_return absl::OkStatus();
}

}  // namespace faultline
