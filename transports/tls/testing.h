// What the tests of TLS share: certificates, and the two worlds.
//
// A scenario is a server and a client, each a coroutine; it runs on epoll over loopback, and in
// simulation between two hosts whose transfers are cut short, under many seeds and a random order
// of tasks. Each simulated run is made twice: its trace has to have the same hash.
#ifndef FAULTLINE_TRANSPORTS_TLS_TESTING_H_
#define FAULTLINE_TRANSPORTS_TLS_TESTING_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "runtime/runtime.h"
#include "runtime/stream.h"
#include "runtime/task.h"
#include "transports/tls/certificate.h"
#include "transports/tls/stream.h"

namespace faultline::tls::testing {

// Certificates of a run: made outside of the world, from bytes that are always the same, valid at
// the time that it is there.
struct Certificates {
  explicit Certificates(const engine::Environment& environment);
  Authority authority;
  Authority stranger;    // nobody trusts it
  Identity server;       // "server", 127.0.0.1
  Identity other;        // "other"
  Identity expired;      // "server"
  Identity future;       // "server"
  Identity unknown;      // "server", of the stranger
  Identity self_signed;  // "server"
  Identity nameless;     // nothing but a common name
  Identity client;       // "client"
  Identity impostor;     // "client", of the stranger
};

// What the two sides of a scenario share. Each writes its own part, the test reads all of it.
struct Shared {
  const Certificates* certificates = nullptr;
  Endpoint listen;         // where the server listens
  Endpoint address;        // where the client finds it
  ServerOptions server{};  // identities: `certificates->server` if none
  ClientOptions client{};  // roots: the authority's if none
  std::string server_name = "server";
  size_t bytes = 0;  // how much the scenario moves
  Duration crowded_grace = 1s;
  absl::Status server_end;
  absl::Status client_end;
  std::string server_alpn;
  std::string client_alpn;
  std::string server_saw;  // the client's certificate
  std::string client_saw;  // the server's
  std::vector<std::string> notes;
  size_t received = 0;  // by the server
  size_t answered = 0;  // received by the client
  Duration took{};
};

using Side = Task<void> (*)(Runtime runtime, Shared* shared);
using Setup = std::function<void(Shared*)>;

// Runs the scenario in both worlds and checks what came of it.
void InBothWorlds(Side server, Side client, const std::function<void(const Shared&)>& check,
                  const Setup& setup = nullptr, int seeds = 12);

// In simulation alone: the server's host loses its power at `when`, and comes back with nobody on
// it. The client may be left waiting for ever.
Shared WithCrash(Side server, Side client, const Setup& setup, Duration when);

// --- Steps of scenarios ---

std::unique_ptr<ServerContext> NewServer(const Runtime& runtime, const Shared& shared);
std::unique_ptr<ClientContext> NewClient(const Runtime& runtime, const Shared& shared);
// A listener at `shared->listen`; from now on the client finds it.
std::unique_ptr<faultline::Listener> ListenAt(const Runtime& runtime, Shared* shared);
Task<std::unique_ptr<Stream>> AcceptRaw(Runtime runtime, Shared* shared);
// Null if nobody has listened for half a second.
Task<std::unique_ptr<Stream>> ConnectRaw(Runtime runtime, Shared* shared);

}  // namespace faultline::tls::testing

#endif  // FAULTLINE_TRANSPORTS_TLS_TESTING_H_
