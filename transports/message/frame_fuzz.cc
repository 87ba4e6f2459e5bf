// The frame parser under arbitrary bytes, in arbitrary pieces: for libFuzzer, and for the bounded
// test beside it.
//
//   ./bazelw run --config=asan --copt=-fsanitize=fuzzer-no-link \
//       //transports/message:frame_fuzzer -- -max_total_time=60
//
// The oracle is a parser that has everything in one piece and needs no state. Both must give the
// same messages and the same end.
//
// An input is a few bytes of settings, then the stream:
//   0  bit 0: seal every frame anew, to get behind the seals; bit 1: cancel before each piece;
//      bit 2: too late to cancel
//   1  the receive buffer's size   2  the maximum of a message   3  the threshold of large frames
//   4  how many pieces sizes follow (0..15), then those: the pieces of the stream, repeated
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "transports/message/frame_error.h"
#include "transports/message/frame_reader.h"
#include "transports/message/validate.h"
#include "transports/testing/memory_stream.h"
#include "transports/testing/task_runner.h"

namespace faultline::message {
namespace {

constexpr size_t kBufferSizes[] = {512, 513, 700, 1024, 4096, 65536};
constexpr size_t kMaximums[] = {256, 300, 1000, 5000, 100'000, 1 << 20};
constexpr size_t kDirect[] = {256, 1000, 16384, 1 << 20};

struct Input {
  bool reseal = false;
  bool cancel = false;
  bool late = false;
  FrameReaderOptions options{};
  size_t max_message_size = 0;
  std::vector<size_t> pieces{};
  std::vector<std::byte> stream{};
};

struct Outcome {
  std::vector<std::vector<std::byte>> messages;
  absl::Status end;
};

template <size_t N>
size_t PickFrom(const size_t (&values)[N], uint8_t byte) {
  return values[byte % N];
}

// Takes the settings off the front of `data`; what is missing is 0.
Input Decode(std::span<const uint8_t> data) {
  auto take = [&data]() -> uint8_t {
    if (data.empty()) return 0;
    uint8_t byte = data.front();
    data = data.subspan(1);
    return byte;
  };
  uint8_t flags = take();
  Input input{.reseal = (flags & 1) != 0, .cancel = (flags & 2) != 0, .late = (flags & 4) != 0};
  input.options.receive_buffer_bytes = PickFrom(kBufferSizes, take());
  input.options.receive_buffer_max_bytes = 2 * input.options.receive_buffer_bytes;
  input.max_message_size = PickFrom(kMaximums, take());
  input.options.direct_bytes = PickFrom(kDirect, take());
  input.pieces.resize(take() % 16);
  for (size_t& piece : input.pieces) piece = size_t{take()} * 3 + 1;
  if (input.pieces.empty()) input.pieces.push_back(SIZE_MAX);
  std::span<const std::byte> rest = std::as_bytes(data);
  input.stream.assign(rest.begin(), rest.end());
  return input;
}

// Makes the checksums right, frame by frame, as far as the sizes lead.
void Reseal(std::span<std::byte> stream) {
  while (stream.size() >= kHeaderSize) {
    HeaderBytes header(stream.data(), kHeaderSize);
    size_t size = SizeOf(header);
    if (size >= kHeaderSize && size <= stream.size()) {
      Uint128 body = ChecksumOf(stream.subspan(kHeaderSize, size - kHeaderSize));
      std::memcpy(stream.data() + offsetof(Header, checksum_body), &body, sizeof(body));
    }
    Uint128 seal = SealOf(header);
    std::memcpy(stream.data(), &seal, sizeof(seal));
    if (size < kHeaderSize || size > stream.size()) return;
    stream = stream.subspan(size);
  }
}

absl::Status Torn(FrameError error, const char* what, size_t got, size_t of) {
  return FrameErrorStatus(error, absl::StrCat("torn ", what, ": ", got, " of ", of, " bytes"));
}

// The oracle.
Outcome ParseWhole(std::span<const std::byte> stream, size_t max_message_size) {
  Outcome outcome;
  while (outcome.end.ok()) {
    if (stream.empty()) {
      outcome.end = ConnectionClosed();
    } else if (stream.size() < kHeaderSize) {
      outcome.end = Torn(FrameError::kTornHeader, "header", stream.size(), kHeaderSize);
    } else {
      HeaderBytes header = stream.first<kHeaderSize>();
      outcome.end = ValidateHeader(header, max_message_size);
      if (!outcome.end.ok()) break;
      size_t size = SizeOf(header);
      if (size > stream.size()) {
        outcome.end =
            Torn(FrameError::kTornBody, "body", stream.size() - kHeaderSize, size - kHeaderSize);
        break;
      }
      outcome.end = ValidateBody(header, stream.subspan(kHeaderSize, size - kHeaderSize));
      if (!outcome.end.ok()) break;
      outcome.messages.emplace_back(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(size));
      stream = stream.subspan(size);
    }
  }
  return outcome;
}

// The reader under test, fed piece by piece.
class Feed {
 public:
  explicit Feed(const Input& input)
      : input_(input),
        streams_(testing::MakeMemoryStreams(
            {.read_sizes = input.pieces, .hold_completions = input.late})),
        reader_(streams_.second.get(), &pool_, input.options) {}

  Outcome Run() {
    std::span<const std::byte> rest = input_.stream;
    for (size_t i = 0; !rest.empty() && outcome_.end.ok(); ++i) {
      size_t size = std::min(rest.size(), input_.pieces[i % input_.pieces.size()]);
      if (input_.cancel) {
        ReadCancelling(rest.first(size));
      } else {
        streams_.first->Inject(rest.first(size));
      }
      rest = rest.subspan(size);
    }
    (void)streams_.first->ShutdownWrite();
    while (outcome_.end.ok()) Take(loop_.Await(reader_.ReadMessage(input_.max_message_size)));
    return std::move(outcome_);
  }

 private:
  // Reads what is there, and lets `next` come while a read waits that is then cancelled.
  void ReadCancelling(std::span<const std::byte> next) {
    for (;;) {
      auto read = loop_.Start(reader_.ReadMessage(input_.max_message_size));
      loop_.Run();
      bool waits = !read.done();
      if (waits) {
        if (input_.late) streams_.first->Inject(next);
        read.RequestStop();
        loop_.Run();
      }
      Take(read.result());
      if (waits || !outcome_.end.ok()) break;
    }
    if (!input_.late) streams_.first->Inject(next);
  }

  void Take(const absl::StatusOr<Message>& message) {
    if (message.ok()) {
      std::span<const std::byte> bytes = message->frozen().bytes();
      outcome_.messages.emplace_back(bytes.begin(), bytes.end());
    } else if (!absl::IsCancelled(message.status())) {
      outcome_.end = message.status();
    }
  }

  const Input& input_;
  BufferPool pool_;
  testing::TaskRunner loop_;
  std::pair<std::unique_ptr<testing::MemoryStream>, std::unique_ptr<testing::MemoryStream>>
      streams_;
  FrameReader<Stream> reader_;
  Outcome outcome_;
};

}  // namespace
}  // namespace faultline::message

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

// Ends the program if the reader and the oracle differ.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace faultline::message;  // NOLINT: the name of this function is libFuzzer's
  Input input = Decode({data, size});
  if (input.reseal) Reseal(input.stream);
  Outcome expected = ParseWhole(input.stream, input.max_message_size);
  Outcome seen = Feed(input).Run();
  FAULTLINE_CHECK(seen.messages == expected.messages)
      << seen.messages.size() << " messages instead of " << expected.messages.size();
  FAULTLINE_CHECK(seen.end == expected.end) << seen.end << " instead of " << expected.end;
  return 0;
}
