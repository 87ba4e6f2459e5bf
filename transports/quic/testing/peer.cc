// One end of a QUIC session, for tests against other implementations.
//
//   peer --listen --folder=DIR
//       Writes certificate.pem, key.pem (its own, for "quic.test" and 127.0.0.1) and other.pem (of
//       somebody else) into DIR, prints "port N", serves one session.
//   peer --connect=127.0.0.1:N --folder=DIR [--trust=other.pem] [--close=CODE | --wait]
//       Trusts certificate.pem unless told otherwise. Closes when everything is done, --serve
//       streams of the other end among it, with CODE or as "done"; or waits for the other end.
//
// Each end sends back every stream that the other opens, and opens --streams of its own (of --bytes
// each), which have to come back as they left. Prints "streams N" when all of its own have, and
// how the session ended. Exits with 0 if that was without an error of its own.

#include <charconv>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/combine.h"
#include "runtime/epoll/loop.h"
#include "runtime/event.h"
#include "runtime/scope.h"
#include "transports/quic/quic.h"
#include "transports/quic/testing/certificates.h"

namespace faultline::quic {
namespace {

constexpr Duration kPatience = std::chrono::seconds(60);

struct Flags {
  bool listen = false;
  bool wait = false;
  std::string connect{};
  std::string folder{};
  std::string trust = "certificate.pem";
  uint64_t close = 0;
  uint64_t streams = 4;
  uint64_t serve = 0;
  uint64_t bytes = 1'000'000;
};

bool TakeText(std::string_view argument, std::string_view name, std::string* out) {
  if (!argument.starts_with(name)) return false;
  *out = std::string(argument.substr(name.size()));
  return true;
}

bool TakeNumber(std::string_view argument, std::string_view name, uint64_t* out) {
  std::string text;
  if (!TakeText(argument, name, &text)) return false;
  return std::from_chars(text.data(), text.data() + text.size(), *out).ec == std::errc();
}

absl::StatusOr<Flags> FlagsOf(int argc, char** argv) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    flags.listen |= argument == "--listen";
    flags.wait |= argument == "--wait";
    if (argument == "--listen" || argument == "--wait") continue;
    if (TakeText(argument, "--connect=", &flags.connect)) continue;
    if (TakeText(argument, "--folder=", &flags.folder)) continue;
    if (TakeText(argument, "--trust=", &flags.trust)) continue;
    if (TakeNumber(argument, "--close=", &flags.close)) continue;
    if (TakeNumber(argument, "--streams=", &flags.streams)) continue;
    if (TakeNumber(argument, "--serve=", &flags.serve)) continue;
    if (TakeNumber(argument, "--bytes=", &flags.bytes)) continue;
    return absl::InvalidArgumentError(argv[i]);
  }
  return flags;
}

void WriteCertificates(const std::string& folder) {
  std::ofstream(folder + "/certificate.pem") << testing::kCertificate;
  std::ofstream(folder + "/key.pem") << testing::kPrivateKey;
  std::ofstream(folder + "/other.pem") << testing::kOtherCertificate;
}

std::string Load(const std::string& file) {
  std::ostringstream content;
  content << std::ifstream(file).rdbuf();
  return content.str();
}

void Say(const char* what, uint64_t number) {
  printf("%s %llu\n", what, static_cast<unsigned long long>(number));
  fflush(stdout);
}

Options OptionsOf(const Flags& flags) {
  Options options;
  options.tls.certificate_chain_pem = testing::kCertificate;
  options.tls.private_key_pem = testing::kPrivateKey;
  if (!flags.listen) options.tls.trust_anchors_pem = Load(flags.folder + "/" + flags.trust);
  options.tls.server_name = "quic.test";
  options.transport.max_peer_streams = 100;
  return options;
}

// What both tasks of a session share.
struct Peer {
  Flags flags{};
  uint64_t returned = 0;  // of our streams
  uint64_t served = 0;    // of theirs
  Event served_enough{};
  Event begun{};         // who listens opens streams when the other end has: it is ready then
  absl::Status error{};  // of ours, the first
};

Task<absl::Status> WriteAll(Stream* stream, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    absl::StatusOr<size_t> taken = co_await stream->Write(bytes);
    if (!taken.ok()) co_return taken.status();
    bytes = bytes.subspan(*taken);
  }
  co_return absl::OkStatus();
}

// --- Theirs ---

Task<absl::Status> SendBack(Stream* stream) {
  std::vector<std::byte> buffer(size_t{64} << 10);
  for (;;) {
    absl::StatusOr<size_t> got = co_await stream->Read(buffer);
    if (!got.ok()) co_return got.status();
    if (*got == 0) co_return stream->ShutdownWrite();
    absl::Status sent = co_await WriteAll(stream, std::span(buffer).first(*got));
    if (!sent.ok()) co_return sent;
  }
}

Task<void> ServeStream(std::unique_ptr<Stream> stream, Peer* peer) {
  peer->error.Update(co_await SendBack(stream.get()));
  (void)stream->Close();
  if (++peer->served >= peer->flags.serve) peer->served_enough.Set();
}

// Until the session ends.
Task<void> ServeStreams(SessionHandle* session, Peer* peer) {
  Scope scope(co_await ThisTask());
  for (;;) {
    absl::StatusOr<std::unique_ptr<Stream>> stream = co_await session->AcceptStream();
    if (!stream.ok()) break;
    peer->begun.Set();
    scope.Spawn(ServeStream(*std::move(stream), peer));
  }
  co_await scope.Join();
}

// --- Ours ---

std::vector<std::byte> Pattern(size_t size, uint64_t which) {
  std::vector<std::byte> bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>((i * 31 + which * 7) >> 3);
  return bytes;
}

Task<absl::Status> Send(Stream* stream, const std::vector<std::byte>* bytes) {
  absl::Status sent = co_await WriteAll(stream, *bytes);
  co_return sent.ok() ? stream->ShutdownWrite() : sent;
}

Task<absl::StatusOr<std::vector<std::byte>>> ReadAll(Stream* stream) {
  std::vector<std::byte> all;
  std::vector<std::byte> buffer(size_t{64} << 10);
  for (;;) {
    absl::StatusOr<size_t> got = co_await stream->Read(buffer);
    if (!got.ok()) co_return got.status();
    if (*got == 0) co_return all;
    all.insert(all.end(), buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*got));
  }
}

Task<void> OpenOne(SessionHandle* session, uint64_t which, Peer* peer) {
  absl::StatusOr<std::unique_ptr<Stream>> stream = session->OpenStream();
  peer->error.Update(stream.status());
  if (!stream.ok()) co_return;
  const std::vector<std::byte> bytes = Pattern(peer->flags.bytes, which);
  auto [sent, got] = co_await All(Send(stream->get(), &bytes), ReadAll(stream->get()));
  peer->error.Update(sent);
  peer->error.Update(got.status());
  if (!got.ok()) co_return;
  if (*got == bytes) ++peer->returned;
  if (*got != bytes) peer->error.Update(absl::DataLossError("other bytes came back"));
  (void)(*stream)->Close();
}

Task<void> OpenStreams(SessionHandle* session, Peer* peer) {
  if (peer->flags.listen) (void)co_await peer->begun.Wait();
  Scope scope(co_await ThisTask());
  for (uint64_t i = 0; i < peer->flags.streams; ++i) scope.Spawn(OpenOne(session, i, peer));
  co_await scope.Join();
  Say("streams", peer->returned);
  if (peer->flags.listen || peer->flags.wait) co_return;
  (void)co_await peer->served_enough.Wait();
  if (peer->flags.close == 0) co_return session->Close();
  session->Abort(static_cast<CloseCode>(peer->flags.close), "as it was told to");
}

// --- The session ---

Task<absl::StatusOr<SessionHandle>> Accept(Surroundings surroundings, Options options) {
  auto hub =
      Hub::Start(surroundings, Hub::Role::kServer, Endpoint::Ipv4Loopback(0), std::move(options));
  if (!hub.ok()) co_return hub.status();
  Say("port", (*hub)->local_address().port());
  auto session = co_await (*hub)->Accept();
  if (!session.ok()) co_return session.status();
  (*hub)->StopAccepting();
  co_return SessionHandle(hub->Again(), *std::move(session));
}

Task<absl::StatusOr<SessionHandle>> Connect(Surroundings surroundings, Options options,
                                            std::string to) {
  absl::StatusOr<Endpoint> address = Endpoint::Parse(to);
  if (!address.ok()) co_return address.status();
  auto hub = Hub::Start(surroundings, Hub::Role::kClient, Endpoint::Ipv4Any(0), std::move(options));
  if (!hub.ok()) co_return hub.status();
  auto begun = (*hub)->Connect(*address);
  if (!begun.ok()) co_return begun.status();
  SessionHandle session(hub->Again(), *std::move(begun));
  absl::Status settled = co_await session.Settled();
  if (!settled.ok()) co_return settled;
  co_return session;
}

Task<absl::Status> Talk(Surroundings surroundings, Peer* peer) {
  Options options = OptionsOf(peer->flags);
  auto session = co_await (peer->flags.listen
                               ? Accept(surroundings, std::move(options))
                               : Connect(surroundings, std::move(options), peer->flags.connect));
  if (!session.ok()) co_return session.status();
  co_await All(ServeStreams(&*session, peer), OpenStreams(&*session, peer));
  if (peer->error.ok()) printf("end %s\n", session->end().ToString().c_str());
  co_return peer->error;
}

Task<void> Run(Runtime runtime, Peer* peer) {
  Scope scope(co_await ThisTask());
  Surroundings surroundings{.scope = &scope,
                            .clock = runtime.clock,
                            .network = runtime.network,
                            .entropy = runtime.entropy};
  peer->error =
      co_await Deadline(runtime.clock, runtime.clock->Now() + kPatience, Talk(surroundings, peer));
  co_await scope.Join();
}

}  // namespace
}  // namespace faultline::quic

int main(int argc, char** argv) {
  absl::StatusOr<faultline::quic::Flags> flags = faultline::quic::FlagsOf(argc, argv);
  auto loop = faultline::epoll::Loop::Create({});
  if (!flags.ok() || !loop.ok()) {
    fprintf(stderr, "peer: %s\n", flags.status().ToString().c_str());
    return 2;
  }
  faultline::quic::Peer peer;
  peer.flags = *std::move(flags);
  if (peer.flags.serve == 0) peer.served_enough.Set();
  if (peer.flags.listen) faultline::quic::WriteCertificates(peer.flags.folder);
  (*loop)->Run(faultline::quic::Run((*loop)->runtime(), &peer));
  if (!peer.error.ok()) printf("error %s\n", peer.error.ToString().c_str());
  return peer.error.ok() ? 0 : 1;
}
