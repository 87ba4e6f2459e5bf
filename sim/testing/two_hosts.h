// TwoHosts: the fixture of most tests of the simulated network: a client (host 0) and a server
// (host 1), half a millisecond apart. At the end of each test everything is closed and nothing may
// be left.
#ifndef FAULTLINE_SIM_TESTING_TWO_HOSTS_H_
#define FAULTLINE_SIM_TESTING_TWO_HOSTS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "runtime/errors.h"
#include "sim/testing/lab.h"

namespace faultline::sim {

class TwoHosts : public ::testing::Test {
 protected:
  static constexpr Duration kOneWay = 500us;
  static constexpr uint32_t kClient = 0;
  static constexpr uint32_t kServer = 1;

  void TearDown() override { lab.ExpectNothingLeft(); }

  // What goes from `from` to `to` is dropped or held, until `Heal`.
  uint32_t CutOneWay(uint32_t from, uint32_t to, Passage how = Passage::kDrop) {
    return lab.world()->Partition({.from = {from}, .to = {to}, .how = how});
  }
  uint32_t CutBothWays(Passage how = Passage::kDrop) {
    return lab.world()->Partition(
        {.from = {kClient}, .to = {kServer}, .how = how, .symmetric = true});
  }
  void Heal(uint32_t cut) { lab.world()->Heal(cut); }

  void EditLink(uint32_t from, uint32_t to, const std::function<void(LinkConfig*)>& edit) {
    lab.world()->EditLink(from, to, Plane::kClient, edit);
  }
  void SetLoss(uint32_t from, uint32_t to, Ratio loss) {
    EditLink(from, to, [&](LinkConfig* link) { link->loss = loss; });
  }

  static ListenOptions Backlog(int backlog) {
    ListenOptions options;
    options.backlog = backlog;
    return options;
  }
  static HostLimits WithBuffers(size_t send, size_t receive) {
    HostLimits limits;
    limits.send_buffer_bytes = send;
    limits.receive_buffer_bytes = receive;
    return limits;
  }

  // The errno of a job that has failed; 0 otherwise.
  template <typename T>
  static int ErrorOf(const Job<T>& job) {
    return job.done() ? ErrnoOf(job.status()) : 0;
  }

  Lab lab;
  Agent* client = lab.AddAgent({.name = "client"});
  Agent* server = lab.AddAgent({.name = "server"});
};

}  // namespace faultline::sim

#endif  // FAULTLINE_SIM_TESTING_TWO_HOSTS_H_
