// ReservedPort: a TCP port on 127.0.0.1 for a program that a test is about to start, and to start
// again.
//
// A socket is bound to it, with SO_REUSEADDR, and does not listen: so the kernel gives the port to
// nobody else who asks for any port, while a listener that asks for this one, with SO_REUSEADDR
// too, gets it.
#ifndef FAULTLINE_SCENARIOS_PRODUCTION_RESERVED_PORT_H_
#define FAULTLINE_SCENARIOS_PRODUCTION_RESERVED_PORT_H_

#include <cstdint>
#include <string>

namespace faultline::production {

class ReservedPort {
 public:
  ReservedPort();
  ~ReservedPort();
  ReservedPort(const ReservedPort&) = delete;
  ReservedPort& operator=(const ReservedPort&) = delete;

  uint16_t port() const { return port_; }
  // "127.0.0.1:34567"
  std::string address() const;

  // Listens on it: now it is taken.
  void Occupy();

 private:
  int socket_ = -1;
  uint16_t port_ = 0;
};

}  // namespace faultline::production

#endif  // FAULTLINE_SCENARIOS_PRODUCTION_RESERVED_PORT_H_
