// The fixtures of the contract's tests, and how a world runs them (world.h).
//
// A test of the suite is a coroutine with a name that says what is promised:
//
//   CONTRACT_TEST(TimeContract, ASleepIsNeverShort) { ... co_await t->client().clock->... }
//   STREAM_TEST(StreamContract, EndOfStreamIsZeroBytes) { ... co_await t->server_stream->Read ... }
//
// `t` is the fixture. STREAM_TEST has connected streams on it. In a coroutine gtest's ASSERT_*
// cannot be used (they say `return`): CONTRACT_REQUIRE and CONTRACT_REQUIRE_OK take their place.
#ifndef FAULTLINE_RUNTIME_CONTRACT_CONTRACT_H_
#define FAULTLINE_RUNTIME_CONTRACT_CONTRACT_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>

#include "runtime/contract/world.h"
#include "runtime/network.h"

namespace faultline::contract {

using ContractParam = std::tuple<WorldFactory, Endpoint::Family>;

std::string NameOf(const ::testing::TestParamInfo<ContractParam>& info);

class Contract : public ::testing::TestWithParam<ContractParam> {
 public:
  // The test runs on the client's host.
  Runtime client() { return world()->runtime(0); }
  Runtime server() { return world()->runtime(server_host()); }
  Endpoint::Family family() const { return std::get<1>(GetParam()); }
  bool is_unix() const { return family() == Endpoint::Family::kUnix; }

  // Where the server may listen, and the client find it.
  Endpoint ServerAddress() { return world()->Address(server_host(), family()); }
  Endpoint ClientAddress() { return world()->Address(0, family()); }

  // Made when it is needed first: for a death test that is in the process that dies.
  World* world();
  void Run(Task<void> body) { world()->Run(std::move(body)); }

 private:
  // Unix sockets do not leave a machine.
  int server_host() const { return is_unix() ? 0 : 1; }

  std::unique_ptr<World> world_;
};

// What holds for connected streams of every family.
class StreamContract : public Contract {
 public:
  using Body = Task<void> (*)(StreamContract*);

  // Connects, runs `body`, and lets go of the streams.
  Task<void> WithStreams(Body body);
  // Another pair, as `listener` still listens.
  Task<void> ConnectPair(std::unique_ptr<Stream>* client_end, std::unique_ptr<Stream>* server_end);

  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> client_stream;
  std::unique_ptr<Stream> server_stream;
};

// What holds for TCP: a Unix socket has no reset and no ports.
class TcpContract : public StreamContract {};

// Listening and connecting, every family; and what holds for TCP alone.
class NetworkContract : public Contract {};
class TcpNetworkContract : public Contract {};

// UDP.
class DatagramContract : public Contract {
 public:
  std::unique_ptr<DatagramSocket> BindAt(int host, const BindOptions& options = {});
};

// Clocks, timers, tasks, entropy: no sockets.
class TimeContract : public Contract {};

}  // namespace faultline::contract

#define CONTRACT_TEST(Suite, name)               \
  static Task<void> name##Body(Suite* t);        \
  TEST_P(Suite, name) { Run(name##Body(this)); } \
  static Task<void> name##Body([[maybe_unused]] Suite* t)

#define STREAM_TEST(Suite, name)                         \
  static Task<void> name##Body(StreamContract* t);       \
  TEST_P(Suite, name) { Run(WithStreams(&name##Body)); } \
  static Task<void> name##Body([[maybe_unused]] StreamContract* t)

// Passes if the process dies in the body, with `message` on standard error.
#define STREAM_DEATH_TEST(Suite, name, message)                                 \
  static Task<void> name##Body(StreamContract* t);                              \
  TEST_P(Suite, name) { EXPECT_DEATH(Run(WithStreams(&name##Body)), message); } \
  static Task<void> name##Body([[maybe_unused]] StreamContract* t)

#define CONTRACT_REQUIRE(condition) \
  if (!(condition)) {               \
    ADD_FAILURE() << #condition;    \
    co_return;                      \
  }

// For a Status or a StatusOr.
#define CONTRACT_REQUIRE_OK(result)                                              \
  if (!(result).ok()) {                                                          \
    ADD_FAILURE() << #result << ": " << ::faultline::contract::StatusOf(result); \
    co_return;                                                                   \
  }

namespace faultline::contract {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

}  // namespace faultline::contract

#define FAULTLINE_INSTANTIATE_SUITE_(prefix, Suite, factory, ...)                         \
  INSTANTIATE_TEST_SUITE_P(                                                               \
      prefix, Suite,                                                                      \
      ::testing::Combine(::testing::Values(::faultline::contract::WorldFactory(factory)), \
                         ::testing::Values(__VA_ARGS__)),                                 \
      &::faultline::contract::NameOf)

// Runs the whole contract in the worlds that `factory` makes.
#define FAULTLINE_INSTANTIATE_CONTRACT(prefix, factory)                                      \
  namespace faultline::contract {                                                            \
  FAULTLINE_INSTANTIATE_SUITE_(prefix, StreamContract, factory, Endpoint::Family::kIpv4,     \
                               Endpoint::Family::kIpv6, Endpoint::Family::kUnix);            \
  FAULTLINE_INSTANTIATE_SUITE_(prefix, TcpContract, factory, Endpoint::Family::kIpv4,        \
                               Endpoint::Family::kIpv6);                                     \
  FAULTLINE_INSTANTIATE_SUITE_(prefix, NetworkContract, factory, Endpoint::Family::kIpv4,    \
                               Endpoint::Family::kIpv6, Endpoint::Family::kUnix);            \
  FAULTLINE_INSTANTIATE_SUITE_(prefix, TcpNetworkContract, factory, Endpoint::Family::kIpv4, \
                               Endpoint::Family::kIpv6);                                     \
  FAULTLINE_INSTANTIATE_SUITE_(prefix, DatagramContract, factory, Endpoint::Family::kIpv4,   \
                               Endpoint::Family::kIpv6);                                     \
  FAULTLINE_INSTANTIATE_SUITE_(prefix, TimeContract, factory, Endpoint::Family::kIpv4);      \
  }                                                                                          \
  static_assert(true)

#endif  // FAULTLINE_RUNTIME_CONTRACT_CONTRACT_H_
