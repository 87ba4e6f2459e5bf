#include "transports/websocket/engine.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "runtime/check.h"
#include "transports/websocket/head.h"

namespace faultline::websocket {
namespace {

// Below are the descriptors that the library has for itself.
constexpr int kFirstDescriptor = 2;
constexpr size_t kMaxName = 100;
constexpr int kMaxHeader = 512;  // of those that are looked at

// Who is in the library, on this thread. The library's platform has nothing else to go by.
thread_local Engine* entered_engine = nullptr;
thread_local Session* entered_session = nullptr;

std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

bool CloseReason::MayBeSent(int code) {
  return (code >= kNormal && code <= kUnsupportedData) ||
         (code >= kInvalidPayload && code <= kBadGateway) || (code >= 3000 && code <= 4999);
}

class Session::Entered {
 public:
  explicit Entered(Session* session) : Entered(session->engine_, session) {}
  Entered(Engine* engine, Session* session)
      : engine_(std::exchange(entered_engine, engine)),
        session_(std::exchange(entered_session, session)) {}
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;
  ~Entered() {
    entered_engine = engine_;
    entered_session = session_;
  }

 private:
  Engine* const engine_;
  Session* const session_;
};

// What the platform's functions may see.
struct EngineAccess {
  static Engine* engine() {
    FAULTLINE_CHECK(entered_engine != nullptr) << "libwebsockets runs by itself";
    return entered_engine;
  }
  static Session* session() {
    FAULTLINE_CHECK(entered_session != nullptr) << "libwebsockets transfers without a session";
    return entered_session;
  }
  static int max_descriptors() { return engine()->options_.max_sessions + kFirstDescriptor; }
  static int descriptor() { return session()->descriptor_; }
  static std::string* output() { return &session()->output_; }
  static std::span<const std::byte>* input() { return &session()->input_; }
  static int OnEvent(Session* session, FaultlineLwsEvent event, const void* in, size_t size) {
    return session->OnEvent(event, in, size);
  }
};

Engine::Engine(Clock* clock, Entropy* entropy, const EngineOptions& options)
    : clock_(clock), entropy_(entropy), options_(options) {
  FAULTLINE_CHECK(options.max_sessions > 0) << "an engine has sessions";
  FAULTLINE_CHECK(options.max_head_bytes > 0 && options.max_head_bytes <= 65535)
      << "a head of " << options.max_head_bytes << " bytes";
  entered_engine = this;
  context_ = FaultlineLwsCreate(options.max_head_bytes);
  entered_engine = nullptr;
  FAULTLINE_CHECK(context_ != nullptr) << "libwebsockets found no memory";
}

Engine::~Engine() {
  FAULTLINE_CHECK(sessions_ == 0) << sessions_ << " sessions are left";
  entered_engine = this;
  FaultlineLwsDestroy(context_);
  entered_engine = nullptr;
}

int Engine::TakeDescriptor() {
  if (!free_.empty()) {
    int descriptor = free_.back();
    free_.pop_back();
    return descriptor;
  }
  return next_ < options_.max_sessions ? kFirstDescriptor + next_++ : -1;
}

void Engine::GiveDescriptor(int descriptor) {
  if (descriptor >= 0) free_.push_back(descriptor);
}

Session::Session(Engine* engine) : engine_(engine), descriptor_(engine->TakeDescriptor()) {
  ++engine->sessions_;
}

Session::~Session() {
  if (wsi_ != nullptr) {
    Entered entered(this);
    FaultlineLwsKill(wsi_);
    FAULTLINE_CHECK(wsi_ == nullptr) << "libwebsockets keeps a connection that was ended";
  }
  engine_->GiveDescriptor(descriptor_);
  --engine_->sessions_;
}

void Session::BeginServer(const UpgradePolicy* policy) { policy_ = policy; }

absl::Status Session::BeginClient(const UpgradeRequest& request) {
  client_ = true;
  for (const std::string* name : {&request.host, &request.path, &request.origin}) {
    if (name->size() > kMaxName || name->find_first_of("\r\n\t ") != std::string::npos) {
      return absl::InvalidArgumentError(
          absl::StrCat("websocket: not for a request: \"", absl::CHexEscape(*name), "\""));
    }
  }
  if (descriptor_ < 0) return absl::ResourceExhaustedError("websocket: max_sessions");
  Entered entered(this);
  const char* host = request.host.empty() ? "localhost" : request.host.c_str();
  wsi_ = FaultlineLwsConnect(engine_->context_, host, request.path.c_str(),
                             request.origin.empty() ? nullptr : request.origin.c_str(), this);
  return wsi_ != nullptr ? absl::OkStatus() : UpgradeFailure();
}

absl::Status Session::Upgrade(std::span<const std::byte> head) {
  if (descriptor_ < 0) {
    Refuse("503 Service Unavailable", "", absl::ResourceExhaustedError("max_sessions"));
    return refused_;
  }
  if (absl::Status checked = CheckFirstLine(AsText(head)); !checked.ok()) return checked;
  Entered entered(this);
  // A server's connection exists from here on only: who sends half of a request takes no place.
  if (policy_ != nullptr) wsi_ = FaultlineLwsAdopt(engine_->context_, descriptor_, this);
  Feed(head.first(head.size() - 1));
  if (established_) return RefuseHead();  // before the end: what is left would be nobody's
  Feed(head.last(1));
  if (!established_) return UpgradeFailure();
  FaultlineLwsStartFrames(wsi_);
  return absl::OkStatus();
}

// The library does more for other methods and answers than upgrades, by ways that this platform has
// not: proxies, redirections, authentication.
absl::Status Session::CheckFirstLine(std::string_view head) {
  if (!IsWellFormedHead(head)) return RefuseHead();
  if (policy_ != nullptr && !head.starts_with("GET ")) {
    Refuse("405 Method Not Allowed", "Allow: GET\r\n",
           absl::InvalidArgumentError("a method other than GET"));
  }
  if (policy_ == nullptr && !head.starts_with("HTTP/1.1 101 ")) {
    refused_ =
        absl::InvalidArgumentError(absl::StrCat("websocket: the answer was ", FirstLineOf(head)));
  }
  return refused_;
}

void Session::Feed(std::span<const std::byte> bytes) {
  input_ = bytes;
  while (wsi_ != nullptr && !established_ && !input_.empty()) {
    size_t before = input_.size();
    FaultlineLwsOnReadable(engine_->context_, descriptor_);
    if (input_.size() == before) break;
  }
}

absl::Status Session::RefuseHead() {
  Refuse("400 Bad Request", "", absl::InvalidArgumentError("a head that is not one of HTTP"));
  return refused_;
}

absl::Status Session::RefuseLongHead() {
  Refuse("431 Request Header Fields Too Large", "",
         absl::ResourceExhaustedError(absl::StrCat("a head of more than max_head_bytes, ",
                                                   engine_->options().max_head_bytes)));
  return refused_;
}

// A server says so to the peer.
absl::Status Session::UpgradeFailure() {
  if (policy_ != nullptr && refused_.ok()) {
    Refuse("400 Bad Request", "", absl::InvalidArgumentError("not an upgrade to WebSocket"));
  }
  if (refused_.ok()) refused_ = absl::InvalidArgumentError("websocket: the upgrade failed");
  return refused_;
}

absl::Status Session::Parse(std::span<std::byte> bytes) {
  Entered entered(this);
  if (FaultlineLwsParse(wsi_, reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()) >= 0) {
    return absl::OkStatus();
  }
  if (refused_.ok()) error_code_ = FaultlineLwsErrorCode(wsi_);
  if (refused_.ok()) refused_ = absl::InvalidArgumentError("websocket: a frame out of order");
  return refused_;
}

absl::Status Session::ParseClose(std::span<std::byte> frame, int code) {
  incoming_code_ = code;
  return Parse(frame);
}

bool Session::owes_answer() const { return established_ && FaultlineLwsOwesAnswer(wsi_) != 0; }

void Session::Answer() {
  // The library would say 1002 to one that it does not know.
  if (peer_closed_ && peer_reason_.code >= CloseReason::kServiceRestart &&
      peer_reason_.code <= CloseReason::kBadGateway) {
    return SendClose(peer_reason_.code, peer_reason_.text);
  }
  Entered entered(this);
  FaultlineLwsAnswer(wsi_);
}

void Session::SendClose(int code, std::string_view reason) {
  Entered entered(this);
  FaultlineLwsSendClose(wsi_, code, reason.data(), reason.size());
}

void Session::SendMessageByLibrary(std::span<const std::byte> payload) {
  constexpr size_t kRoom = 16;
  std::vector<uint8_t> copy(kRoom + payload.size());
  if (!payload.empty()) std::memcpy(copy.data() + kRoom, payload.data(), payload.size());
  Entered entered(this);
  FaultlineLwsSendMessage(wsi_, copy.data() + kRoom, payload.size());
}

int Session::OnEvent(FaultlineLwsEvent event, const void* in, size_t size) {
  std::string_view text(static_cast<const char*>(in), in == nullptr ? 0 : size);
  switch (event) {
    case kFaultlineLwsRequest:
      return OnRequest();
    case kFaultlineLwsEstablished:
      established_ = true;
      return 0;
    case kFaultlineLwsFailed:
      refused_ = absl::InvalidArgumentError(absl::StrCat("websocket: ", std::string(text)));
      return 0;
    case kFaultlineLwsPeerClose:
      return OnPeerClose(text);
    case kFaultlineLwsDestroyed:
      wsi_ = nullptr;
      return 0;
  }
  return 0;
}

// RFC 6455, section 4.2.1; what the library does not look at.
int Session::OnRequest() {
  std::string key = Header(kFaultlineLwsKey);
  std::string nonce;
  // The library has refused by itself: an upgrade to something else.
  if (!output_.empty()) {
    return Refuse("400 Bad Request", "", absl::InvalidArgumentError("not an upgrade to WebSocket"));
  }
  if (Header(kFaultlineLwsHttp).find("HTTP/1.1") == std::string::npos) {
    return Refuse("400 Bad Request", "", absl::InvalidArgumentError("not HTTP/1.1"));
  }
  if (Header(kFaultlineLwsVersion) != "13") {
    return Refuse("426 Upgrade Required", "Sec-WebSocket-Version: 13\r\n",
                  absl::InvalidArgumentError("a version of WebSocket other than 13"));
  }
  if (!absl::Base64Unescape(key, &nonce) || nonce.size() != 16) {
    return Refuse("400 Bad Request", "", absl::InvalidArgumentError("not a key of 16 bytes"));
  }
  if (Header(kFaultlineLwsHost).empty()) {
    return Refuse("400 Bad Request", "", absl::InvalidArgumentError("no host"));
  }
  std::string path = Header(kFaultlineLwsPath);
  if (path != policy_->path) {
    return Refuse("404 Not Found", "", absl::NotFoundError(absl::StrCat("path ", path)));
  }
  std::string origin = Header(kFaultlineLwsOrigin);
  if (!IsAllowedOrigin(origin)) {
    return Refuse("403 Forbidden", "",
                  absl::PermissionDeniedError(absl::StrCat("origin ", origin)));
  }
  // A client that asks for some gives up without an answer (RFC 6455, section 4.1).
  if (!Header(kFaultlineLwsProtocol).empty()) {
    return Refuse("400 Bad Request", "", absl::InvalidArgumentError("there are no subprotocols"));
  }
  return 0;
}

bool Session::IsAllowedOrigin(const std::string& origin) const {
  if (policy_->origins.empty()) return true;
  return std::ranges::any_of(policy_->origins, [&origin](const std::string& allowed) {
    return absl::EqualsIgnoreCase(origin, allowed);
  });
}

// Empty as well if it is longer than any that is accepted.
std::string Session::Header(FaultlineLwsHeader header) {
  char text[kMaxHeader];
  int size = FaultlineLwsReadHeader(wsi_, header, text, sizeof(text));
  return size > 0 ? std::string(text, static_cast<size_t>(size)) : std::string();
}

int Session::Refuse(const std::string& line, const std::string& header,
                    const absl::Status& status) {
  // The one answer, whatever the library has said.
  if (policy_ != nullptr) {
    output_ = absl::StrCat("HTTP/1.1 ", line, "\r\n", header,
                           "Connection: close\r\nContent-Length: 0\r\n\r\n");
  }
  refused_ = absl::Status(status.code(), absl::StrCat("websocket: refused: ", status.message()));
  return 1;
}

// RFC 6455, sections 5.5.1 and 7.1.6.
int Session::OnPeerClose(std::string_view payload) {
  if (payload.size() == 1) {
    error_code_ = CloseReason::kProtocolError;
    refused_ = absl::InvalidArgumentError("websocket: a close frame with half a code");
    return 1;
  }
  std::string_view text = payload.substr(std::min<size_t>(payload.size(), 2));
  if (FaultlineLwsIsUtf8(reinterpret_cast<const uint8_t*>(text.data()), text.size()) == 0) {
    error_code_ = CloseReason::kInvalidPayload;
    refused_ = absl::InvalidArgumentError("websocket: a close reason that is not UTF-8");
    return 1;
  }
  peer_closed_ = true;
  peer_reason_.code = incoming_code_;
  peer_reason_.text = std::string(text);
  return 0;
}

}  // namespace faultline::websocket

// --- What the platform asks for ---

using faultline::websocket::EngineAccess;
using faultline::websocket::Session;

int FaultlineLwsMaxDescriptors() { return EngineAccess::max_descriptors(); }

int64_t FaultlineLwsMonotonicMicroseconds() {
  auto now = EngineAccess::engine()->clock()->Now();
  return std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
}

int64_t FaultlineLwsWallSeconds() {
  auto now = EngineAccess::engine()->clock()->WallNow();
  return std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
}

void FaultlineLwsRandom(void* bytes, size_t size) {
  EngineAccess::engine()->entropy()->Fill({static_cast<std::byte*>(bytes), size});
}

int FaultlineLwsNextDescriptor() { return EngineAccess::descriptor(); }

void FaultlineLwsSend(const void* bytes, size_t size) {
  EngineAccess::output()->append(static_cast<const char*>(bytes), size);
}

size_t FaultlineLwsReceive(void* bytes, size_t size) {
  std::span<const std::byte>* input = EngineAccess::input();
  size = std::min(size, input->size());
  if (size > 0) std::memcpy(bytes, input->data(), size);
  *input = input->subspan(size);
  return size;
}

void FaultlineLwsDie(const char* call) {
  FAULTLINE_CHECK(false) << "libwebsockets called " << call;
}

int FaultlineLwsOnEvent(void* session, FaultlineLwsEvent event, const void* in, size_t size) {
  return EngineAccess::OnEvent(static_cast<Session*>(session), event, in, size);
}
