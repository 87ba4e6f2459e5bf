#include <gtest/gtest.h>

#include "runtime/combine.h"
#include "sim/host.h"
#include "sim/world.h"
namespace faultline::sim {
Task<void> EchoConn(std::unique_ptr<Stream> s) {
  std::byte buf[512];
  while (true) {
    auto n = co_await s->Read(buf);
    if (!n.ok() || *n == 0) break;
    size_t done = 0;
    while (done < *n) {
      auto w = co_await s->Write(std::span(buf).subspan(done, *n - done));
      if (!w.ok()) co_return;
      done += *w;
    }
  }
  (void)s->Close();
}
Task<void> Server(Runtime rt) {
  auto l = rt.network->Listen(Endpoint::Ipv4Any(80), {});
  EXPECT_TRUE(l.ok()) << l.status();
  Scope scope(co_await ThisTask());
  for (int i = 0; i < 1; ++i) {
    auto s = co_await (*l)->Accept();
    EXPECT_TRUE(s.ok()) << s.status();
    scope.Spawn(EchoConn(*std::move(s)));
  }
  co_await scope.Join();
}
Task<void> Client(Runtime rt, Endpoint to, int* rounds) {
  auto s = co_await rt.network->Connect(to, {});
  EXPECT_TRUE(s.ok()) << s.status();
  std::byte buf[256] = {};
  for (int i = 0; i < 1000; ++i) {
    size_t done = 0;
    while (done < 256) {
      auto w = co_await (*s)->Write(std::span(buf).subspan(done));
      EXPECT_TRUE(w.ok());
      if (!w.ok()) co_return;
      done += *w;
    }
    done = 0;
    while (done < 256) {
      auto w = co_await (*s)->Read(std::span(buf).subspan(done));
      EXPECT_TRUE(w.ok()) << w.status();
      if (!w.ok()) co_return;
      done += *w;
    }
    ++*rounds;
  }
  (void)(*s)->Close();
}
TEST(Smoke, Echo) {
  for (int k = 0; k < 3; ++k) {
    WorldConfig c;
    c.seed = 7;
    c.scheduling = Scheduling::kRandom;
    c.links[1].latency = Latency::Exponential(100us, 1ms);
    c.links[1].loss = {1, 100};
    World w(c);
    Host* a =
        w.AddHost({.name = "a", .sockets = {.partial_write = {1, 3}, .partial_read = {1, 3}}});
    Host* b = w.AddHost({.name = "b"});
    int rounds = 0;
    a->Boot([](const Runtime& rt) { return Server(rt); });
    b->Boot([a, &rounds](const Runtime& rt) {
      return Client(rt, a->Address(Plane::kClient, 80), &rounds);
    });
    Verdict v = w.Run({});
    EXPECT_TRUE(v.passed()) << v.ToString();
    EXPECT_EQ(rounds, 1000);
    printf("%s %s events %lu records %lu conns %zu\n", v.ToString().c_str(),
           w.trace()->hash().ToString().c_str(), v.events, w.trace()->count(),
           w.connection_count());
  }
}
}  // namespace faultline::sim
