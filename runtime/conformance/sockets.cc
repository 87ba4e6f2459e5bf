#include "runtime/conformance/sockets.h"

#include "runtime/conformance/pattern.h"

namespace faultline::conformance {
namespace {

constexpr uint64_t kDatagramKeys = uint64_t{1} << 32;
constexpr uint64_t kDatagramStride = uint64_t{1} << 20;

}  // namespace

std::vector<std::byte> Sockets::MakeDatagram(int sender, uint32_t size) {
  std::vector<SentDatagram>& sent = datagrams_[sender].sent;
  std::vector<std::byte> bytes(size);
  FillPattern(kDatagramKeys + static_cast<uint64_t>(sender), sent.size() * kDatagramStride, bytes);
  sent.push_back({size, false});
  return bytes;
}

void Sockets::Recognise(const DatagramInfo& info, std::span<const std::byte> bytes,
                        Outcome* outcome) {
  outcome->truncated = info.truncated;
  for (const auto& [id, slot] : datagrams_) {
    if (slot.address == info.from && RecogniseFrom(id, bytes, outcome)) return;
  }
  outcome->result = Result::kWrongSource;
}

bool Sockets::RecogniseFrom(int sender, std::span<const std::byte> bytes, Outcome* outcome) {
  std::vector<SentDatagram>& sent = datagrams_[sender].sent;
  for (size_t i = 0; i < sent.size(); ++i) {
    const bool fits =
        outcome->truncated ? sent[i].bytes > bytes.size() : sent[i].bytes == bytes.size();
    if (sent[i].received || !fits) continue;
    if (!HasPattern(kDatagramKeys + static_cast<uint64_t>(sender), i * kDatagramStride, bytes)) {
      continue;
    }
    sent[i].received = true;
    outcome->from = sender;
    outcome->position = i + 1;
    return true;
  }
  return false;
}

}  // namespace faultline::conformance
