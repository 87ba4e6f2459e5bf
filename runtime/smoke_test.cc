#include <gtest/gtest.h>

#include "runtime/channel.h"
#include "runtime/combine.h"
#include "runtime/event.h"
#include "runtime/runtime.h"
#include "runtime/scope.h"
namespace faultline {
Task<void> Ping(Channel<int>* in, Channel<int>* out) {
  for (int i = 0; i < 100; ++i) {
    auto r = co_await in->Receive();
    if (!r.ok()) co_return;
    (void)co_await out->Send(*r + 1);
  }
  in->Close();
}
Task<void> Pong(Channel<int>* in, Channel<int>* out, int* last) {
  (void)co_await out->Send(0);
  while (true) {
    auto r = co_await in->Receive();
    if (!r.ok()) co_return;
    *last = *r;
    if (*last >= 100) co_return;
    (void)co_await out->Send(*r);
  }
}
Task<absl::StatusOr<int>> Leaf(Event* e) {
  absl::Status s = co_await e->Wait();
  if (!s.ok()) co_return s;
  co_return 3;
}
Task<absl::StatusOr<int>> Setter(Event* e) {
  co_await Yield();
  (void)e;
  co_return 4;
}
Task<void> Main(int* sum) {
  Event e;
  auto raced = co_await Race(Leaf(&e), Setter(&e));
  *sum = int(raced.first) * 100 + *std::get<1>(raced.results) +
         (absl::IsCancelled(std::get<0>(raced.results).status()) ? 10 : 0);
}
TEST(Smoke, Runs) {
  ReadyQueue q;
  Executor ex(&q);
  int last = 0, sum = 0;
  {
    Scope root(&ex);
    Channel<int> a(1), b(1);
    root.Spawn(Ping(&a, &b));
    root.Spawn(Pong(&b, &a, &last));
    root.Spawn(Main(&sum));
    while (auto* r = q.Pop()) r->task()->executor->Resume(r);
    EXPECT_EQ(root.live(), 0u);
  }
  EXPECT_EQ(last, 100);
  EXPECT_EQ(sum, 114);
}
TEST(Smoke, Destroy) {
  ReadyQueue q;
  Executor ex(&q);
  Event e;
  int sum;
  {
    Scope root(&ex);
    root.Spawn(Main(&sum));
    for (int i = 0; i < 3; ++i)
      if (auto* r = q.Pop()) r->task()->executor->Resume(r);
  }
  EXPECT_TRUE(q.empty());
}
}  // namespace faultline
