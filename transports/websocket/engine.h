// Engine and Session: libwebsockets' protocol engine without sockets: bytes in, bytes out.
//
//   Engine engine(clock, entropy, {});
//   Session session(&engine);
//   session.BeginServer(policy);
//   absl::Status upgraded = session.Upgrade(request);    // everything up to the empty line
//   ... write session.TakeOutput() to the peer ...
//   absl::Status parsed = session.Parse(frame);          // payload is unmasked where it lies
//
// What the engine does: the upgrade on both sides, frames and their order, unmasking, answers to
// pings, close frames. What it leaves to others: when bytes are read and written, what a message
// is, and checks that it does not make (frame_header.h).
//
// One thread enters an engine at a time. The library keeps no state outside of engines and looks
// nothing up: while one of its functions runs, the platform (lws_platform.c) finds the session that
// entered it, and its engine's clock and entropy, in a variable of the thread.
#ifndef FAULTLINE_TRANSPORTS_WEBSOCKET_ENGINE_H_
#define FAULTLINE_TRANSPORTS_WEBSOCKET_ENGINE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "runtime/clock.h"
#include "runtime/entropy.h"
#include "transports/websocket/lws_glue.h"

namespace faultline::websocket {

struct EngineOptions {
  // Sessions at a time; tables are made for so many.
  int max_sessions = 16384;
  // Of a request or an answer, without its end: at most 65535.
  int max_head_bytes = 8192;
};

// What a server asks of a request.
struct UpgradePolicy {
  // The one path that is served; a query behind it is ignored. Others: 404.
  std::string path = "/";
  // Origins that may connect, as browsers send them ("https://example.com"). Empty: any, and none.
  // Otherwise a request of another origin, or without one, is answered with 403.
  std::vector<std::string> origins{};
};

// What a client asks for.
struct UpgradeRequest {
  // At most 100 bytes, as `path` and `origin`. Empty: the address of the peer that is asked.
  std::string host{};
  std::string path = "/";
  std::string origin{};  // empty: none is sent
};

class Session;

class Engine {
 public:
  // Neither is owned; both outlive the engine.
  Engine(Clock* clock, Entropy* entropy, const EngineOptions& options);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  // No session is left.
  ~Engine();

  Clock* clock() const { return clock_; }
  Entropy* entropy() const { return entropy_; }
  const EngineOptions& options() const { return options_; }
  int sessions() const { return sessions_; }

 private:
  friend class Session;
  friend struct EngineAccess;

  // A descriptor, or -1.
  int TakeDescriptor();
  void GiveDescriptor(int descriptor);

  Clock* const clock_;
  Entropy* const entropy_;
  const EngineOptions options_;
  lws_context* context_ = nullptr;
  std::vector<int> free_;
  int next_ = 0;
  int sessions_ = 0;
};

// The close frame of a peer.
struct CloseReason {
  // Close codes of RFC 6455, section 7.4.
  static constexpr int kNormal = 1000;
  static constexpr int kGoingAway = 1001;
  static constexpr int kProtocolError = 1002;
  static constexpr int kUnsupportedData = 1003;
  static constexpr int kNoCode = 1005;  // never on the wire: the frame had none
  static constexpr int kInvalidPayload = 1007;
  static constexpr int kTooBig = 1009;
  static constexpr int kServiceRestart = 1012;  // and the next two: registered after the RFC
  static constexpr int kBadGateway = 1014;

  // Whether a frame may say it (section 7.4, and the registry of close codes).
  static bool MayBeSent(int code);

  int code = kNoCode;
  std::string text;
};

class Session {
 public:
  explicit Session(Engine* engine);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  // As a server: what is asked of the request that comes. `policy` outlives the upgrade.
  void BeginServer(const UpgradePolicy* policy);
  // As a client: the request is in the output. Errors: InvalidArgument, ResourceExhausted
  // (sessions).
  absl::Status BeginClient(const UpgradeRequest& request);

  // The peer's request or answer, up to and with its first empty line. A server's answer, a refusal
  // too, is in the output then. Errors: PermissionDenied (origin), NotFound (path), InvalidArgument
  // (not an upgrade, or a wrong one), ResourceExhausted (sessions); each names what was wrong.
  absl::Status Upgrade(std::span<const std::byte> head);
  // A server's answer to a head that has no end within `max_head_bytes`. Returns ResourceExhausted.
  absl::Status RefuseLongHead();

  bool client() const { return client_; }

  // One or more bytes of frames: whole headers, whole control frames, any part of a payload.
  // Payload is unmasked in place. Pings and close frames leave an answer owed. Errors:
  // InvalidArgument; then `error_code` is what a close frame should say.
  absl::Status Parse(std::span<std::byte> bytes);
  // A whole close frame that says `code`, or kNoCode: the engine forgets codes that it does not
  // know. Errors: as `Parse`.
  absl::Status ParseClose(std::span<std::byte> frame, int code);
  int error_code() const { return error_code_; }
  // The peer's close frame has been parsed.
  bool peer_closed() const { return peer_closed_; }
  const CloseReason& peer_reason() const { return peer_reason_; }

  // Whether a ping or a close frame is to be answered, and the answer, into the output. While a
  // ping is, the engine forgets those that come after it.
  bool owes_answer() const;
  void Answer();
  // Answers a ping that is owed an answer, unless more than `kMaxOutput` bytes wait already for a
  // peer that does not take them (RFC 6455, section 5.5.3: not every ping needs its pong).
  static constexpr size_t kMaxOutput = 4096;
  void AnswerPing() {
    if (output_.size() < kMaxOutput && !peer_closed_ && owes_answer()) Answer();
  }
  // A close frame, into the output.
  void SendClose(int code, std::string_view reason);

  // Frames of control, or the upgrade: what is to be written, in order.
  std::string* output() { return &output_; }

  // For tests: a binary message in the library's own frame.
  void SendMessageByLibrary(std::span<const std::byte> payload);

 private:
  friend struct EngineAccess;

  // Marks the session that is in the library.
  class Entered;

  int OnEvent(FaultlineLwsEvent event, const void* in, size_t size);
  absl::Status CheckFirstLine(std::string_view head);
  void Feed(std::span<const std::byte> bytes);
  absl::Status RefuseHead();
  int OnRequest();
  int OnPeerClose(std::string_view payload);
  int Refuse(const std::string& line, const std::string& header, const absl::Status& status);
  bool IsAllowedOrigin(const std::string& origin) const;
  std::string Header(FaultlineLwsHeader header);
  absl::Status UpgradeFailure();

  Engine* const engine_;
  const UpgradePolicy* policy_ = nullptr;
  lws* wsi_ = nullptr;
  int descriptor_ = -1;
  bool client_ = false;
  bool established_ = false;
  bool peer_closed_ = false;
  int error_code_ = CloseReason::kProtocolError;
  int incoming_code_ = CloseReason::kNoCode;  // of the close frame that is being parsed
  absl::Status refused_;
  CloseReason peer_reason_;
  std::span<const std::byte> input_;
  std::string output_;
};

}  // namespace faultline::websocket

#endif  // FAULTLINE_TRANSPORTS_WEBSOCKET_ENGINE_H_
