// Sockets: those that a program has made so far, by their numbers.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_SOCKETS_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_SOCKETS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "runtime/conformance/observation.h"
#include "runtime/conformance/program.h"
#include "runtime/network.h"

namespace faultline::conformance {

// The addresses stay after the sockets have gone.
struct ListenerSlot {
  std::unique_ptr<Listener> listener;
  std::optional<Endpoint> address;
  bool accepting = false;
};

struct StreamSlot {
  std::unique_ptr<Stream> stream;
  bool made = false;  // or being made
  bool reading = false;
  bool writing = false;
  uint64_t read = 0;  // positions
  uint64_t written = 0;

  bool pending() const { return reading || writing; }
};

struct SentDatagram {
  uint32_t bytes = 0;
  bool received = false;
};

struct DatagramSlot {
  std::unique_ptr<DatagramSocket> socket;
  std::optional<Endpoint> address;
  bool sending = false;
  bool receiving = false;
  std::vector<SentDatagram> sent{};

  bool pending() const { return sending || receiving; }
};

class Sockets {
 public:
  ListenerSlot& listener(int id) { return listeners_[id]; }
  StreamSlot& stream(End end) { return streams_[KeyOf(end)]; }
  DatagramSlot& datagrams(int id) { return datagrams_[id]; }

  // What the next datagram of `sender` says; notes that it was sent.
  std::vector<std::byte> MakeDatagram(int sender, uint32_t size);
  // Which datagram came: notes that it was received, and says so in `outcome`.
  void Recognise(const DatagramInfo& info, std::span<const std::byte> bytes, Outcome* outcome);

 private:
  bool RecogniseFrom(int sender, std::span<const std::byte> bytes, Outcome* outcome);

  std::map<int, ListenerSlot> listeners_;
  std::map<uint64_t, StreamSlot> streams_;
  std::map<int, DatagramSlot> datagrams_;
};

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_SOCKETS_H_
