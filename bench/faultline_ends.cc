#include "bench/faultline_ends.h"

#include <span>

#include "runtime/stream_io.h"

namespace faultline::bench {
namespace {

Task<void> EchoBytes(Stream* stream, const Load* load, Counter* counter) {
  std::vector<std::byte> message(load->message_bytes);
  size_t filled = 0;
  while (size_t got = Must(co_await stream->Read(std::span(message).subspan(filled)))) {
    filled += got;
    if (filled < message.size()) continue;
    counter->OnBytes(std::exchange(filled, 0));
    Must(co_await WriteAll(stream, message));
  }
}

Task<void> CountBytes(Stream* stream, Counter* counter) {
  const std::vector<std::byte> reply = MakeReply();
  std::vector<std::byte> buffer(kReadBytes);
  while (size_t got = Must(co_await stream->Read(buffer))) {
    counter->OnBytes(got);
    for (uint64_t rounds = counter->TakeRounds(); rounds > 0; --rounds) {
      Must(co_await WriteAll(stream, reply));
    }
  }
}

Task<void> ReadWhole(Stream* stream, std::vector<std::byte>* message) {
  for (size_t filled = 0; filled < message->size();) {
    size_t got = Must(co_await stream->Read(std::span(*message).subspan(filled)));
    FAULTLINE_CHECK(got > 0) << "the server has ended";
    filled += got;
  }
}

Task<uint64_t> CallBytes(Stream* stream, const Load* load, const KeepGoing* keep_going) {
  const std::vector<std::byte> messages = MakeMessages(*load);
  const std::span<const std::byte> message = std::span(messages).first(load->message_bytes);
  std::vector<std::byte> echo(load->message_bytes);
  uint64_t sent = 0;
  do {
    for (uint64_t i = 0; i < kRoundTripsAtOnce; ++i, ++sent) {
      Must(co_await WriteAll(stream, message));
      co_await ReadWhole(stream, &echo);
    }
  } while ((*keep_going)());
  co_return sent;
}

Task<uint64_t> StreamBytes(Stream* stream, const Load* load, const KeepGoing* keep_going) {
  const std::vector<std::byte> messages = MakeMessages(*load);
  std::vector<std::byte> reply(kReplyBytes);
  uint64_t rounds = 0;
  do {
    for (uint64_t sent = 0; sent < load->round(); sent += load->batch()) {
      Must(co_await WriteAll(stream, messages));
    }
    if (++rounds >= kRoundsUnderWay) co_await ReadWhole(stream, &reply);
  } while ((*keep_going)());
  co_return rounds * load->round();
}

}  // namespace

Task<void> ServeBytes(Stream* stream, const Load* load, Counter* counter) {
  if (load->shape == Shape::kStream) return CountBytes(stream, counter);
  return EchoBytes(stream, load, counter);
}

Task<uint64_t> DriveBytes(Stream* stream, const Load* load, const KeepGoing* keep_going) {
  if (load->shape == Shape::kStream) return StreamBytes(stream, load, keep_going);
  return CallBytes(stream, load, keep_going);
}

Task<void> DropRest(Stream* stream) {
  std::vector<std::byte> rest(kReplyBytes);
  while (Must(co_await stream->Read(rest)) > 0) {
  }
}

}  // namespace faultline::bench
