// Goal: our TLS and OpenSSL's understand each other, in both directions, with verification on and
// certificates of ours on both sides.
// Method: openssl(1) as a process on loopback, `s_client` and `s_server`. Skipped, and says so,
// where the program is not installed.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "runtime/check.h"
#include "runtime/epoll/loop.h"
#include "runtime/stream_io.h"
#include "transports/tls/stream.h"
#include "transports/tls/testing.h"

namespace faultline::tls {
namespace {

constexpr char kOpenssl[] = "/usr/bin/openssl";

std::string Path(const std::string& name) { return ::testing::TempDir() + "openssl_test_" + name; }

std::string Store(const std::string& name, const std::string& content) {
  std::ofstream(Path(name)) << content;
  return Path(name);
}

std::string Load(const std::string& name) {
  std::ostringstream content;
  content << std::ifstream(Path(name)).rdbuf();
  return content.str();
}

// openssl(1), for at most 20 s; its input from the file "input", its output to "output", "errors".
class OpensslProcess {
 public:
  explicit OpensslProcess(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"timeout", "20", kOpenssl});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, Path("input").c_str(), O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, Path("output").c_str(), kCreate, 0600);
    posix_spawn_file_actions_addopen(&files, 2, Path("errors").c_str(), kCreate, 0600);
    int error = posix_spawnp(&pid_, "timeout", &files, nullptr, argv.data(), environ);
    FAULTLINE_CHECK(error == 0) << "posix_spawn: " << error;
    posix_spawn_file_actions_destroy(&files);
  }
  OpensslProcess(const OpensslProcess&) = delete;
  ~OpensslProcess() { Wait(); }

  // Its exit code, once it has ended.
  int Wait() {
    if (pid_ > 0 && waitpid(pid_, &status_, 0) == pid_) pid_ = 0;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  }

 private:
  static constexpr int kCreate = O_WRONLY | O_CREAT | O_TRUNC;
  pid_t pid_ = 0;
  int status_ = 0;
};

struct OpensslTest : ::testing::Test {
  void SetUp() override {
    if (access(kOpenssl, X_OK) != 0) {
      GTEST_SKIP() << "NOT TESTED: " << kOpenssl << " is not installed; apt-get install openssl";
    }
    auto created = epoll::Loop::Create({});
    FAULTLINE_CHECK(created.ok()) << created.status();
    loop = *std::move(created);
    runtime = loop->runtime();
    environment = {runtime.entropy, runtime.clock};
    certificates = std::make_unique<testing::Certificates>(environment);
    roots = Store("roots.pem", certificates->authority.root_pem());
    Store("input", "");
  }

  std::unique_ptr<epoll::Loop> loop;
  Runtime runtime;
  engine::Environment environment;
  std::unique_ptr<testing::Certificates> certificates;
  std::string roots;
  std::unique_ptr<OpensslProcess> process;
  absl::Status result;
  std::string heard;
};

// Reads a line.
Task<absl::StatusOr<std::string>> ReadLine(Stream* stream) {
  std::string line;
  while (!line.ends_with('\n')) {
    std::array<char, 100> bytes;
    auto read = co_await stream->Read(std::as_writable_bytes(std::span(bytes)));
    if (!read.ok()) co_return read.status();
    if (*read == 0) co_return absl::DataLossError("the stream ended");
    line.append(bytes.data(), *read);
  }
  co_return line;
}

Task<absl::Status> EchoLine(Stream* stream, std::string* heard) {
  absl::StatusOr<std::string> line = co_await ReadLine(stream);
  if (!line.ok()) co_return line.status();
  *heard = *line;
  std::string answer = "you said " + *line;
  co_return co_await WriteAll(stream, std::as_bytes(std::span(answer)));
}

Task<void> ServeOpenssl(OpensslTest* t) {
  auto context = ServerContext::Create(t->environment,
                                       {.identities = {t->certificates->server},
                                        .client_roots_pem = t->certificates->authority.root_pem(),
                                        .common = {.alpn = {"faultline"}}});
  auto listener = t->runtime.network->Listen(Endpoint::Ipv4Loopback(0), {});
  t->process = std::make_unique<OpensslProcess>(std::vector<std::string>{
      "s_client", "-connect", (*listener)->local_address().ToString(), "-servername", "server",
      "-verify_hostname", "server", "-verify_return_error", "-CAfile", t->roots, "-cert",
      Store("client.pem", t->certificates->client.certificate_chain_pem), "-key",
      Store("client.key", t->certificates->client.private_key_pem), "-alpn", "faultline", "-tls1_3",
      "-quiet"});
  auto raw = co_await (*listener)->Accept();
  auto stream = co_await ServerHandshake(*std::move(raw), context->get(), t->runtime.buffers);
  t->result = stream.status();
  if (!stream.ok()) co_return;
  EXPECT_EQ((*stream)->alpn(), "faultline");
  EXPECT_EQ((*stream)->peer_certificate_pem(), t->certificates->client.certificate_chain_pem);
  t->result = co_await EchoLine(stream->get(), &t->heard);
  (void)co_await (*stream)->CloseOrderly();
}

TEST_F(OpensslTest, ItsClientTalksToOurServer) {
  Store("input", "hello from s_client\n");
  loop->Run(ServeOpenssl(this));
  EXPECT_TRUE(result.ok()) << result << Load("errors");
  EXPECT_EQ(heard, "hello from s_client\n");
  EXPECT_EQ(process->Wait(), 0) << Load("errors");
  EXPECT_EQ(Load("output"), "you said hello from s_client\n");
}

// A port where nobody listens now.
Endpoint FreePort(Network* network) {
  auto listener = network->Listen(Endpoint::Ipv4Loopback(0), {});
  FAULTLINE_CHECK(listener.ok()) << listener.status();
  return (*listener)->local_address();
}

Task<std::unique_ptr<Stream>> ConnectSoon(Runtime runtime, Endpoint peer) {
  for (int attempt = 0;; ++attempt) {
    auto connected = co_await runtime.network->Connect(peer, {});
    if (connected.ok()) co_return *std::move(connected);
    FAULTLINE_CHECK(attempt < 500) << connected.status();
    (void)co_await runtime.clock->SleepFor(20ms);
  }
}

Task<void> TalkToOpenssl(OpensslTest* t) {
  auto context =
      ClientContext::Create(t->environment, {.roots_pem = t->certificates->authority.root_pem(),
                                             .identity = {t->certificates->client},
                                             .common = {.alpn = {"faultline"}}});
  Endpoint peer = FreePort(t->runtime.network);
  t->process = std::make_unique<OpensslProcess>(std::vector<std::string>{
      "s_server", "-accept", peer.ToString(), "-cert",
      Store("server.pem", t->certificates->server.certificate_chain_pem), "-key",
      Store("server.key", t->certificates->server.private_key_pem), "-CAfile", t->roots, "-Verify",
      "1", "-verify_return_error", "-alpn", "faultline", "-tls1_3", "-rev", "-naccept", "1"});
  std::unique_ptr<Stream> raw = co_await ConnectSoon(t->runtime, peer);
  auto stream =
      co_await ClientHandshake(std::move(raw), context->get(), t->runtime.buffers, "server");
  t->result = stream.status();
  if (!stream.ok()) co_return;
  EXPECT_EQ((*stream)->alpn(), "faultline");
  std::string hello = "hello to s_server\n";
  t->result = co_await WriteAll(stream->get(), std::as_bytes(std::span(hello)));
  absl::StatusOr<std::string> line = co_await ReadLine(stream->get());
  t->result.Update(line.status());
  if (line.ok()) t->heard = *line;
  (void)co_await (*stream)->CloseOrderly();
}

TEST_F(OpensslTest, OurClientTalksToItsServer) {
  loop->Run(TalkToOpenssl(this));
  EXPECT_TRUE(result.ok()) << result << Load("errors");
  EXPECT_EQ(heard, "revres_s ot olleh\n");
  EXPECT_EQ(process->Wait(), 0) << Load("errors");
}

}  // namespace
}  // namespace faultline::tls
