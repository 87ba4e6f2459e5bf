// The engine environment: where third-party engines (BoringSSL and what stands on it) get their
// entropy and the time of day.
//
//   engine::Environment environment{runtime.entropy, runtime.clock};
//   {
//     engine::Entered entered(environment);
//     int done = SSL_do_handshake(ssl);     // nonces and keys come from runtime.entropy
//   }
//
// An engine asks by plain C functions (calls.h), on whatever thread it runs. While somebody has
// entered, the answer is that environment's; while nobody has, it is the kernel's: getrandom(2),
// CLOCK_REALTIME. A simulated world refuses the kernel as long as it runs (`KernelRefused`), so a
// call that somebody forgot to wrap ends the program instead of making a run that cannot be
// repeated.
//
// Entering is for the length of an engine call: never across a suspension. Scopes nest.
#ifndef FAULTLINE_RUNTIME_ENGINE_ENVIRONMENT_H_
#define FAULTLINE_RUNTIME_ENGINE_ENVIRONMENT_H_

#include "runtime/clock.h"
#include "runtime/entropy.h"

namespace faultline::engine {

// Collaborators, not owned. Both are set, and outlive what keeps the environment.
struct Environment {
  Entropy* entropy = nullptr;
  Clock* clock = nullptr;
};

// As long as it lives, engine calls of this thread are answered by `environment`.
class Entered {
 public:
  explicit Entered(const Environment& environment);
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;
  // Dies loudly unless it is the one that was entered last: a scope has crossed a suspension.
  ~Entered();

 private:
  const Environment environment_;
  const Entered* const outer_;
  friend struct Answers;
};

// As long as it lives, an engine call of this thread that nobody has entered for is our bug.
class KernelRefused {
 public:
  KernelRefused();
  KernelRefused(const KernelRefused&) = delete;
  KernelRefused& operator=(const KernelRefused&) = delete;
  ~KernelRefused();
};

}  // namespace faultline::engine

#endif  // FAULTLINE_RUNTIME_ENGINE_ENVIRONMENT_H_
