#!/usr/bin/env -S python3 -B
#
# Goal: each rule refuses what it is there to refuse, on the right line, and leaves alone what only looks like it.
# Method: feed every rule small files, as if they lay in the checkout, through the same entry as lint_test.

import os
import sys
import tempfile
import unittest

from lint import AllowList, lint, lint_workspace
from rules import RULES
from source import SourceFile

# Rule, code that it refuses. Each line is a sample of its own.
REFUSED = """
clock            auto t = std::chrono::steady_clock::now();
clock            using Clock = std::chrono::system_clock;
clock            auto t = high_resolution_clock::now();
clock            ::gettimeofday(&tv, nullptr);
clock            clock_gettime(CLOCK_MONOTONIC, &ts);
clock            auto t = time(NULL);
clock            auto t = std::time(nullptr);
clock            auto t = absl::Now();
clock            auto t = __rdtsc();
clock            usleep(10);
clock            std::this_thread::sleep_for(kWhile);
clock            absl::SleepFor(kWhile);
clock            const char* built = __DATE__;
random           std::random_device device;
random           int r = rand();
random           int r = std::rand() % 6;
random           getrandom(p, n, 0);
random           absl::BitGen gen;
random           std::mt19937_64 gen(seed);
random           std::uniform_int_distribution<int> pick(0, 3);
random           std::shuffle(v.begin(), v.end(), gen);
thread           std::thread t(&Run);
thread           std::jthread t(&Run);
thread           auto f = std::async(&Run);
thread           pthread_create(&t, nullptr, &Run, nullptr);
thread           std::mutex m;
thread           absl::Mutex m;
thread           #include <thread>
unordered        std::unordered_map<int, int> m;
unordered        std::unordered_multiset<int> m;
unordered        #include <unordered_set>
hash-value       auto h = absl::HashOf(x);
hash-value       auto h = std::hash<int>()(x);
float            double share = 0;
float            std::vector<float> weights;
float            auto limit = n * 0.5;
float            auto limit = n * 1e3;
float            auto limit = n + 2.;
float            auto limit = .25 * n;
address          auto n = reinterpret_cast<uintptr_t>(p);
address          auto n = reinterpret_cast<std::uintptr_t>(p);
pointer-key      std::map<Host*, int> hosts;
pointer-key      std::set<const Host*> hosts;
pointer-key      std::multimap<std::pair<int, Host*>, int> hosts;
pointer-key      std::set<std::unique_ptr<Host>> hosts;
pointer-key      std::set<std::coroutine_handle<>> frames;
pointer-key      absl::btree_map<Host*, int> hosts;
system-call      #include <sys/socket.h>
system-call      #include <unistd.h>
system-call      #include <csignal>
coroutine-lambda auto f = [x]() -> Task<int> { co_return x; };
coroutine-lambda auto f = [&] { co_await Sleep(); };
coroutine-lambda Run([this](int n) mutable noexcept -> Task<> { if (n) { co_yield n; } });
coroutine-lambda return [p = std::move(p)]() -> Task<> { auto g = [] { return 1; }; co_await g; };
"""

# Rule, code that it lets through.
ACCEPTED = """
clock            auto t = clock->Now(); // not std::chrono::steady_clock::now()
clock            auto t = clock.time(0);
clock            const char* text = "system_clock::now() and time(NULL)";
clock            co_await clock->sleep(kWhile); Clock::usleep(3);
random           int operand(int x); auto y = strand(x); Choice rand_index;
random           random->rand(); Chooser::rand();
thread           int threads = 3; auto s = "std::thread"; std::atomic<int> n;
unordered        absl::flat_hash_map<int, int> m; /* not std::unordered_map<int, int> */
hash-value       auto h = XXH3_128bits(p, n); MyHash hash;
float            int a = 1'000'000; auto b = v[0].size; auto c = 0x1e3; auto d = pair.first; F("0.5");
float            template <typename... Args> void F(Args... args); auto x = 1; // 0.5
address          auto p = reinterpret_cast<const char*>(q);
pointer-key      std::map<int, Host*> hosts; std::set<std::string> names; std::vector<Host*> order;
pointer-key      std::map<Host*, int, ByName> hosts; std::set<Host*, ByName> others;
pointer-key      std::map<std::pair<int, int>, std::unique_ptr<Host>> hosts;
system-call      #include <sys/uio.h>
system-call      #include <cstdint>
coroutine-lambda auto f = []() -> Task<int> { co_return 1; };
coroutine-lambda auto f = [x](int i) { return x + i; }; int k = table[i]; co_await g;
coroutine-lambda auto f = [x] { Spawn([](int i) -> Task<> { co_await Sleep(i); }(x)); };
coroutine-lambda Task<> G() { int v[] = {1}; v[0] = 2; if (v[0]) { co_await Sleep(); } }
coroutine-lambda [[nodiscard]] Task<> G() { co_return; }
"""

# What declares a table, then a line that is refused; the declaration alone never is.
ITERATIONS = [
    ("absl::flat_hash_map<int, std::vector<int>> peers_;", "for (auto& [id, peer] : peers_) Use(id);"),
    ("absl::flat_hash_set<int> peers_;", "for (int id : this->peers_) {}"),
    ("absl::node_hash_map<int, int> peers_;", "auto it = peers_.begin();"),
    ("absl::node_hash_set<int> peers_;", "std::vector<int> v(state->peers_.cbegin(), last);"),
    ("const absl::flat_hash_map<int, int>& peers() const;", "for (auto& p : node->peers()) {}"),
    ("absl::flat_hash_map<int, int>* peers;", "for (auto& p : *peers) {}"),
    ("using Peers = absl::flat_hash_map<int, int>;\nPeers all_;", "for (auto& p : all_) {}"),
    ("absl::flat_hash_map<int, int> peers_;", "absl::c_for_each(peers_, f);"),
    ("absl::flat_hash_map<int, int> peers_;", "std::ranges::sort(peers_);"),
]

NO_ITERATION = """
for (int x : peers_[3]) {}
for (int x : Sorted(peers_)) {}
for (int peers_ = 0; ok ? a : b; ++i) {}
auto it = peers_.find(3); if (it != peers_.end()) peers_.erase(it);
for (auto& p : other_peers_) {}
"""

# The file that includes, what it includes, whether that is against the arrows.
INCLUDES = [
    ("runtime/task.h", "runtime/check.h", False),
    ("runtime/task.h", "sim/world.h", True),
    ("runtime/task.h", "runtime/epoll/loop.h", True),
    ("runtime/epoll/loop.cc", "runtime/epoll/loop.h", False),
    ("runtime/epoll/loop.cc", "runtime/io_uring/ring.h", True),
    ("runtime/epoll/loop.cc", "sim/world.h", True),
    ("sim/world.cc", "runtime/task.h", False),
    ("sim/world.cc", "runtime/epoll/loop.h", True),
    ("sim/world.cc", "transports/tcp/tcp.h", True),
    ("transports/tcp/tcp.cc", "transports/message/header.h", False),
    ("transports/tcp/tcp.cc", "sim/world.h", True),
    ("transports/tcp/tcp.cc", "runtime/epoll/loop.h", True),
    ("scenarios/ledger/replica.cc", "transports/tcp/tcp.h", False),
    ("scenarios/ledger/replica.cc", "runtime/epoll/loop.h", True),
    ("scenarios/ledger/replica.cc", "bench/floor.h", True),
    ("scenarios/ledger/replica.cc", "scenarios/ledger/log.h", False),
    ("scenarios/ledger/replica.cc", "sim/world.h", True),
    ("scenarios/campaign.cc", "sim/world.h", False),
    ("scenarios/campaign.cc", "runtime/epoll/loop.h", True),
    ("bench/tcp.cc", "runtime/epoll/loop.h", False),
    ("bench/tcp.cc", "sim/world.h", False),
]


# The rules without which the same seed need not mean the same run, and the folders of whatever decides in one.
DETERMINISM = {"clock", "random", "thread", "unordered", "hash-iteration", "hash-value", "float", "address",
               "pointer-key", "system-call"}
DECIDING = ["sim/", "transports/message/", "transports/tcp/", "scenarios/ledger/", "scenarios/ledger/checkers/",
            "scenarios/catalogue/", "scenarios/harness/"]


def samples(table):
    return [line.split(None, 1) for line in table.strip().splitlines()]


def findings_of(rule, files, allow=""):
    """The findings of `rule` in `files`, pairs of path and text."""
    findings = lint([SourceFile(path, text) for path, text in files], AllowList(allow))
    return [finding for finding in findings if f"[{rule}]" in finding]


class RulesTest(unittest.TestCase):
    def test_refused(self):
        for rule, code in samples(REFUSED):
            with self.subTest(rule=rule, code=code):
                found = findings_of(rule, [("sim/a.cc", f"// First line.\n{code}\n")])
                self.assertTrue(found)
                self.assertTrue(found[0].startswith("sim/a.cc:2: "), found[0])

    def test_accepted(self):
        for rule, code in samples(ACCEPTED):
            with self.subTest(rule=rule, code=code):
                self.assertEqual(findings_of(rule, [("sim/a.cc", code + "\n")]), [])

    def test_every_rule_has_samples(self):
        tested = {rule for rule, _ in samples(REFUSED)} & {rule for rule, _ in samples(ACCEPTED)}
        elsewhere = {"hash-iteration", "arrow", "length", "visibility", "planted-bug"}
        self.assertEqual(tested | elsewhere, {name for name, _, _ in RULES})

    def test_determinism_holds_for_simulated_code_only(self):
        clock = "auto t = absl::Now();"
        for path in ["runtime/a.h", "sim/a.h", "transports/tcp/a.cc", "scenarios/ledger/a.cc"]:
            self.assertTrue(findings_of("clock", [(path, clock)]), path)
        for path in ["runtime/epoll/a.cc", "bench/a.cc"]:
            self.assertEqual(findings_of("clock", [(path, clock)]), [], path)

    def test_code_behind_literals_is_seen(self):
        for before in ['"\\""', "'\\''", "'\"'", "1'000", 'R"(")"', 'R"x(" )" )x"', "/* \" */", "u8\"'\""]:
            with self.subTest(before=before):
                self.assertTrue(findings_of("clock", [("sim/a.cc", f"F({before}, absl::Now());")]))


def planted_violations():
    """Every sample of a rule of DETERMINISM: pairs of rule and text."""
    planted = [(rule, code + "\n") for rule, code in samples(REFUSED) if rule in DETERMINISM]
    return planted + [("hash-iteration", f"{declaration}\n{loop}\n") for declaration, loop in ITERATIONS]


def own_allow_list():
    with open(os.path.join(os.path.dirname(os.path.realpath(__file__)), "allow.txt"), encoding="utf-8") as handle:
        return handle.read()


class DeterminismTest(unittest.TestCase):
    def test_every_rule_is_planted(self):
        self.assertEqual({rule for rule, _ in planted_violations()}, DETERMINISM)

    def test_each_violation_is_found_wherever_something_is_decided(self):
        allow = own_allow_list()
        for rule, text in planted_violations():
            for folder in DECIDING:
                for name in ["planted.h", "planted.cc", "planted.c", "planted.inc"]:
                    with self.subTest(rule=rule, text=text, file=folder + name):
                        self.assertTrue(findings_of(rule, [(folder + name, text)], allow))

    def test_a_checkout_with_violations_in_c_is_refused(self):
        with tempfile.TemporaryDirectory() as root:
            self.write(root, ".ci/lint/allow.txt", "")
            for name in ["planted.c", "planted.inc"]:
                self.write(root, f"sim/{name}", "long t = time(NULL);")
            findings, file_count = lint_workspace(root)
        self.assertEqual(file_count, 2)
        self.assertEqual(len([f for f in findings if "[clock]" in f]), 2)

    def test_a_checkout_with_violations_is_refused(self):
        with tempfile.TemporaryDirectory() as root:
            self.write(root, ".ci/lint/allow.txt", "")
            for folder in DECIDING:
                for number, (_, text) in enumerate(planted_violations()):
                    self.write(root, f"{folder}planted{number}.cc", text)
            findings, file_count = lint_workspace(root)
        self.assertEqual(file_count, len(DECIDING) * len(planted_violations()))
        for folder in DECIDING:
            for number, (rule, _) in enumerate(planted_violations()):
                file = f"{folder}planted{number}.cc:"
                with self.subTest(rule=rule, file=file):
                    self.assertTrue([f for f in findings if f.startswith(file) and f"[{rule}]" in f])

    @staticmethod
    def write(root, path, text):
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as handle:
            handle.write(text)


class HashIterationTest(unittest.TestCase):
    def test_refused(self):
        for declaration, loop in ITERATIONS:
            with self.subTest(declaration=declaration, loop=loop):
                self.assertEqual(findings_of("hash-iteration", [("sim/a.cc", declaration)]), [])
                text = declaration + "\n" + loop
                self.assertEqual(len(findings_of("hash-iteration", [("sim/a.cc", text)])), 1)

    def test_a_member_declared_in_a_header_is_known(self):
        header = ("sim/a.h", "absl::flat_hash_map<int, int> peers_;")
        body = ("sim/a.cc", '#include "sim/a.h"\nfor (auto& p : peers_) {}')
        self.assertEqual(len(findings_of("hash-iteration", [header, body])), 1)

    def test_accepted(self):
        declaration = "absl::flat_hash_map<int, std::vector<int>> peers_;\nstd::map<int, int> other_peers_;\n"
        for code in NO_ITERATION.strip().splitlines():
            with self.subTest(code=code):
                self.assertEqual(findings_of("hash-iteration", [("sim/a.cc", declaration + code)]), [])


class LayoutTest(unittest.TestCase):
    def test_arrows(self):
        for path, target, refused in INCLUDES:
            with self.subTest(path=path, target=target):
                found = findings_of("arrow", [(path, f'#include "{target}"\n')])
                self.assertEqual(bool(found), refused)

    def test_an_include_in_a_comment_is_none(self):
        self.assertEqual(findings_of("arrow", [("sim/a.cc", '// #include "bench/a.h"\n')]), [])

    def test_length(self):
        self.assertEqual(findings_of("length", [("sim/a.cc", "\n" * 599)]), [])
        self.assertTrue(findings_of("length", [("sim/a.cc", "\n" * 600)]))

    def test_packages_are_private_by_default(self):
        private = 'package(default_visibility = ["//visibility:private"])'
        public = 'package(default_visibility = ["//visibility:public"])'
        self.assertEqual(findings_of("visibility", [("sim/BUILD.bazel", private)]), [])
        for text in [public, ""]:
            self.assertEqual(len(findings_of("visibility", [("sim/BUILD.bazel", text)])), 1)


class ProductionTest(unittest.TestCase):
    def test_planted_bugs_stay_out(self):
        for code in ["ledger::LedgerBugs bugs;", "parts.bugs = &b;", 'EnableBug("x", &b);',
                     "message::TransportBugs b;", "{.log = &log, .bugs = &b}"]:
            for path in ["scenarios/node/node.cc", "scenarios/load/load.h"]:
                with self.subTest(code=code, path=path):
                    self.assertTrue(findings_of("planted-bug", [(path, code)]))
            for path in ["scenarios/load/load_test.cc", "scenarios/catalogue/ledger_run.cc"]:
                self.assertEqual(findings_of("planted-bug", [(path, code)]), [])
        self.assertEqual(findings_of("planted-bug", [("scenarios/node/node.cc", "debug();")]), [])


class AllowListTest(unittest.TestCase):
    CLOCK = [("sim/main.cc", "auto t = absl::Now();")]

    def test_an_entry_excuses_its_rule_in_its_file_only(self):
        allow = "sim/main.cc clock the program shows progress"
        self.assertEqual(findings_of("clock", self.CLOCK, allow), [])
        self.assertTrue(findings_of("clock", self.CLOCK, "*_test.cc clock a test"))
        self.assertTrue(findings_of("clock", self.CLOCK, "sim/main.cc thread has workers"))

    def test_a_stale_entry_is_refused(self):
        files = [SourceFile("sim/main.cc", "int x;")]
        self.assertIn("excuses nothing", lint(files, AllowList("sim/main.cc clock once"))[0])
        self.assertEqual(lint(files, AllowList("*_test.cc clock a test decides nothing")), [])

    def test_an_entry_without_a_reason_or_with_an_unknown_rule_is_refused(self):
        for text in ["sim/main.cc clock", "sim/main.cc clocks it has to"]:
            self.assertEqual(len(lint([], AllowList(text))), 1)


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
