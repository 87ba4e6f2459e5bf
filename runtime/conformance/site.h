// Site: where a program runs: what each of its actors has of a world, and how patient to be there.
#ifndef FAULTLINE_RUNTIME_CONFORMANCE_SITE_H_
#define FAULTLINE_RUNTIME_CONFORMANCE_SITE_H_

#include "runtime/conformance/observation.h"
#include "runtime/conformance/program.h"
#include "runtime/runtime.h"
#include "runtime/task.h"

namespace faultline::conformance {

class Site {
 public:
  virtual ~Site() = default;

  // All actors share an executor's thread. The parts outlive the program's run.
  virtual Runtime runtime(int actor) = 0;
  // Where `actor` can listen or bind: a loopback address with port 0, or a Unix path that was not
  // used before.
  virtual Endpoint Address(int actor, Family family) = 0;
  // After this time everything that was sent has arrived, unless somebody else has the processor.
  virtual Duration settle() const = 0;
  // A phase that takes longer hangs.
  virtual Duration patience() const = 0;
  // How many times longer than written sleeps and limits are: for a second look, with less hurry.
  virtual int care() const = 0;
};

// Runs `program` to its end, on the executor that awaits it. Ends by itself in any world whose
// clock goes on: what hangs is stopped after the site's patience, and destroyed after another.
// `program`, `site` and `seen`, which has the program's shape, outlive it.
Task<void> RunProgram(const Program* program, Site* site, Observation* seen);

}  // namespace faultline::conformance

#endif  // FAULTLINE_RUNTIME_CONFORMANCE_SITE_H_
