// A bare epoll loop in C style: what somebody writes by hand who serves one protocol and nothing
// else. Edge-triggered, non-blocking, one read of a big buffer, one writev of a batch; no call of
// which the answer is known, no allocation, no indirection.
//
// Streams of frames are sent from the frames as they lie, a vector of 512 at a time, as ours are:
// that is what a program does that has its messages in many places.

#include <sys/uio.h>

#include <utility>
#include <vector>

#include "bench/bare_socket.h"
#include "bench/tcp_inbox.h"
#include "bench/tcp_workload.h"

namespace faultline::bench {
namespace {

// --- Server ---

void EchoBytes(const Load& load, BareSocket* socket, Counter* counter) {
  std::vector<std::byte> message(load.message_bytes);
  size_t filled = 0;
  while (size_t got = socket->Read(message.data() + filled, message.size() - filled)) {
    filled += got;
    if (filled < message.size()) continue;
    counter->OnBytes(filled);
    socket->Write(message.data(), std::exchange(filled, 0));
  }
}

void EchoFrames(BareSocket* socket, Counter* counter) {
  Inbox inbox;
  while (size_t got = socket->Read(inbox.room(), inbox.room_bytes())) {
    inbox.Filled(got);
    inbox.TakeAll([&](const std::byte* frame, size_t size) {
      counter->OnFrame(frame, size);
      socket->Write(frame, size);
    });
  }
}

void AnswerRounds(BareSocket* socket, const std::vector<std::byte>& reply, Counter* counter) {
  for (uint64_t rounds = counter->TakeRounds(); rounds > 0; --rounds) {
    socket->Write(reply.data(), reply.size());
  }
}

void CountBytes(BareSocket* socket, Counter* counter) {
  const std::vector<std::byte> reply = MakeReply();
  std::vector<std::byte> buffer(Inbox::kBytes);
  while (size_t got = socket->Read(buffer.data(), buffer.size())) {
    counter->OnBytes(got);
    AnswerRounds(socket, reply, counter);
  }
}

void CountFrames(BareSocket* socket, Counter* counter) {
  const std::vector<std::byte> reply = MakeReply();
  Inbox inbox;
  while (size_t got = socket->Read(inbox.room(), inbox.room_bytes())) {
    inbox.Filled(got);
    inbox.TakeAll(
        [counter](const std::byte* frame, size_t size) { counter->OnFrame(frame, size); });
    AnswerRounds(socket, reply, counter);
  }
}

uint64_t Serve(const Load& load, const Announce& announce) {
  BareSocket socket(BareListener(announce).Accept());
  Counter counter(load);
  const bool frames = load.content == Content::kFrames;
  if (load.shape == Shape::kStream) {
    frames ? CountFrames(&socket, &counter) : CountBytes(&socket, &counter);
  } else {
    frames ? EchoFrames(&socket, &counter) : EchoBytes(load, &socket, &counter);
  }
  return counter.messages();
}

// --- Client ---

void ReadFrame(BareSocket* socket, Inbox* inbox) {
  bool whole = false;
  while (!whole) {
    size_t got = socket->Read(inbox->room(), inbox->room_bytes());
    if (got == 0) Die("the server has ended");
    inbox->Filled(got);
    inbox->TakeAll([&whole](const std::byte*, size_t) { whole = true; });
  }
}

uint64_t PingPong(const Load& load, BareSocket* socket, const KeepGoing& keep_going) {
  const std::vector<std::byte> messages = MakeMessages(load);
  std::vector<std::byte> echo(load.message_bytes);
  Inbox inbox;
  uint64_t sent = 0;
  do {
    for (uint64_t i = 0; i < kRoundTripsAtOnce; ++i, ++sent) {
      socket->Write(messages.data(), load.message_bytes);
      if (load.content == Content::kFrames) {
        ReadFrame(socket, &inbox);
      } else {
        socket->ReadAll(echo.data(), echo.size());
      }
    }
  } while (keep_going());
  return sent;
}

void SendBatch(const Load& load, std::vector<std::byte>* messages, std::vector<iovec>* vector,
               BareSocket* socket) {
  if (load.content == Content::kBytes) {
    return socket->Write(messages->data(), messages->size());
  }
  vector->clear();
  for (size_t at = 0; at < messages->size(); at += load.message_bytes) {
    vector->push_back({messages->data() + at, load.message_bytes});
  }
  socket->WriteVector(*vector, messages->size());
}

uint64_t Stream(const Load& load, BareSocket* socket, const KeepGoing& keep_going) {
  std::vector<std::byte> messages = MakeMessages(load);
  std::vector<std::byte> reply(kReplyBytes);
  std::vector<iovec> vector;
  vector.reserve(load.batch());
  uint64_t rounds = 0;
  do {
    for (uint64_t sent = 0; sent < load.round(); sent += load.batch()) {
      SendBatch(load, &messages, &vector, socket);
    }
    if (++rounds >= kRoundsUnderWay) socket->ReadAll(reply.data(), reply.size());
  } while (keep_going());
  return rounds * load.round();
}

uint64_t Drive(const Load& load, uint16_t port, const KeepGoing& keep_going) {
  BareSocket socket(Connect(port));
  uint64_t sent = load.shape == Shape::kStream ? Stream(load, &socket, keep_going)
                                               : PingPong(load, &socket, keep_going);
  socket.FinishWrites();
  std::byte rest[kReplyBytes];
  while (socket.Read(rest, sizeof(rest)) > 0) {
  }
  return sent;
}

}  // namespace

const Contestant kBare = {"bare", &Serve, &Drive};

}  // namespace faultline::bench
