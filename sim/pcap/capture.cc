#include "sim/pcap/capture.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "runtime/time.h"
#include "sim/effects.h"
#include "sim/pcap/packets.h"

namespace faultline::sim {
namespace {

constexpr size_t kSecretsMax = size_t{64} << 10;  // bytes that are kept for one block

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::string FaultText(const TraceRecord& record) {
  std::string text = absl::StrCat("fault: ", View(FaultName(static_cast<Fault>(record.a))),
                                  record.detail == kFaultEnds ? " ends" : " begins");
  absl::StrAppend(&text, ", ", record.b);
  return text;
}

// What a record says of the world as a whole; empty for what packets tell by themselves.
std::string CommentOf(const TraceRecord& record) {
  switch (record.kind) {
    case TraceKind::kFault:
      return FaultText(record);
    case TraceKind::kBoot:
    case TraceKind::kCrash:
    case TraceKind::kPause:
    case TraceKind::kResume:
    case TraceKind::kClockChange:
    case TraceKind::kUserTimeout:
    case TraceKind::kConnectTimeout:
    case TraceKind::kBacklogDrop:
      return std::string(TraceKindName(record.kind));
    default:
      return "";
  }
}

}  // namespace

void Capture::OnTcp(WallTime now, const TcpPacket& packet) {
  BuildTcp(packet, &packet_);
  Write(now, packet.fate);
}

void Capture::OnUdp(WallTime now, const UdpPacket& packet) {
  BuildUdp(packet, &packet_);
  Write(now, packet.fate);
}

void Capture::OnSecret(std::string_view line) {
  secrets_.append(line).push_back('\n');
  if (secrets_.size() < kSecretsMax) return;
  writer_.WriteSecrets(secrets_);
  secrets_.clear();
}

void Capture::OnRecord(const TraceRecord& record) {
  const std::string what = CommentOf(record);
  if (what.empty()) return;
  if (comments_.size() == kMaxComments) {
    ++left_out_;
    return;
  }
  const std::string who = record.host == kNoHost ? "" : absl::StrCat("host ", record.host, ": ");
  comments_.push_back(absl::StrCat(FormatSeconds(Duration(record.time_ns)), " ", who, what));
}

void Capture::TakeComments(const char* fate) {
  if (left_out_ > 0) comments_.push_back(absl::StrCat("and ", left_out_, " more"));
  if (fate != nullptr) comments_.emplace_back(fate);
  left_out_ = 0;
}

void Capture::Write(WallTime now, const char* fate) {
  if (!secrets_.empty()) writer_.WriteSecrets(secrets_);
  secrets_.clear();
  TakeComments(fate);
  writer_.WritePacket(now, packet_, comments_);
  comments_.clear();
  ++packets_;
  last_ = now;
}

void Capture::Finish() {
  TakeComments(nullptr);
  if (!comments_.empty()) writer_.WriteComments(last_, comments_);
  comments_.clear();
}

}  // namespace faultline::sim
