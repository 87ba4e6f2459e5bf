#include <memory>
#include <string>
#include <utility>

#include "runtime/conformance/site.h"
#include "runtime/conformance/world.h"
#include "runtime/epoll/loop.h"
#include "runtime/io_uring/loop.h"
#include "runtime/kernel/temporary_directory.h"

namespace faultline::conformance {
namespace {

template <typename Loop>
class KernelWorld final : public World, private Site {
 public:
  KernelWorld(std::string_view name, std::unique_ptr<Loop> loop)
      : name_(name), loop_(std::move(loop)) {}

  std::string_view name() const override { return name_; }
  Observation Run(const Program& program, int care) override {
    Observation seen(program);
    care_ = care;
    loop_->Run(RunProgram(&program, this, &seen));
    return seen;
  }

 private:
  Runtime runtime(int) override { return loop_->runtime(); }
  Endpoint Address(int, Family family) override {
    if (family == Family::kIpv4) return Endpoint::Ipv4Loopback(0);
    if (family == Family::kIpv6) return Endpoint::Ipv6Loopback(0);
    return Endpoint::Unix(directory_.File(std::to_string(++last_path_)));
  }
  // Loopback delivers in the call that sends; a busy kernel does so a little later.
  Duration settle() const override { return 150us * care_; }
  Duration patience() const override { return 3s + 200ms * care_; }
  int care() const override { return care_; }

  const std::string_view name_;
  kernel::TemporaryDirectory directory_;
  std::unique_ptr<Loop> loop_;
  int care_ = 1;
  int last_path_ = 0;
};

template <typename Loop>
absl::StatusOr<std::unique_ptr<World>> Make(std::string_view name) {
  auto loop = Loop::Create({});
  if (!loop.ok()) return loop.status();
  return std::make_unique<KernelWorld<Loop>>(name, *std::move(loop));
}

}  // namespace

absl::StatusOr<std::unique_ptr<World>> MakeEpollWorld() { return Make<epoll::Loop>("epoll"); }
absl::StatusOr<std::unique_ptr<World>> MakeIoUringWorld() { return Make<uring::Loop>("io_uring"); }

}  // namespace faultline::conformance
