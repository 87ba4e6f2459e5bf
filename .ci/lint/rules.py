"""The rules, each a function from a file (and its workspace) to findings.

A finding is (offset in the file, what is wrong). `RULES` names every rule with the folders in which it holds.
"""

import os
import re

import hash_iteration
from source import matching, template_arguments

_BACKENDS = ("runtime/backend/", "runtime/epoll/", "runtime/io_uring/", "runtime/kernel/", "runtime/shards/")
_SERVICES = ("scenarios/ledger/",)
_PRODUCTION = ("scenarios/node/", "scenarios/load/")
_SIMULATED = ("runtime/", "sim/", "transports/", "scenarios/")
_ALL = ("runtime/", "sim/", "transports/", "scenarios/", "bench/")

_LINES_MAX = 600


def _simulated(path):
    """Code that runs inside a simulation, where the same seed has to mean the same run."""
    return _everywhere(path) and path.startswith(_SIMULATED) and not path.startswith(_BACKENDS)


def _decides(path):
    return _everywhere(path) and path.startswith(("sim/", "transports/", "scenarios/"))


def _everywhere(path):
    return path.startswith(_ALL) and path.endswith((".h", ".c", ".cc", ".inc"))


def _production(path):
    """The programs for production, without their tests."""
    return _everywhere(path) and path.startswith(_PRODUCTION) and not path.endswith("_test.cc")


def _packages(path):
    return path.endswith("BUILD.bazel")


def _patterns(*patterns):
    """A rule that refuses each match of (regular expression, what to say of it)."""
    compiled = [(re.compile(pattern), message) for pattern, message in patterns]

    def rule(file, workspace):
        del workspace
        return [
            (match.start(), f"{message}: {match.group(0).strip()}")
            for pattern, message in compiled
            for match in pattern.finditer(file.code)
        ]

    return rule


def _headers(pattern, message):
    """A rule that refuses the system headers that `pattern` matches."""
    compiled = re.compile(pattern)

    def rule(file, workspace):
        del workspace
        return [
            (offset, f"{message}: {header}")
            for offset, header in file.includes()
            if compiled.fullmatch(header)
        ]

    return rule


def _both(first, second):
    return lambda file, workspace: first(file, workspace) + second(file, workspace)


# A call of a C function, not of a member or of another namespace's function of the same name.
_C_CALL = r"(?<![\w.>:])(?:::|std::)?"

clocks = _patterns(
    (r"\b\w+_clock\b(?=\s*::\s*now\b)|\b(?:steady|system|high_resolution|utc|file)_clock\b",
     "reads the machine's clock"),
    (_C_CALL + r"(?:gettimeofday|clock_gettime|clock_getres|timespec_get|ftime)\s*\(",
     "reads the machine's clock"),
    (_C_CALL + r"time\s*\(\s*(?:NULL|nullptr|0|&\s*\w+)\s*\)", "reads the machine's clock"),
    (r"\babsl::(?:Now|GetCurrentTimeNanos)\b", "reads the machine's clock"),
    (r"\b_*rdtscp?\b", "reads the processor's clock"),
    (_C_CALL + r"(?:sleep|usleep|nanosleep|clock_nanosleep)\s*\(", "sleeps for real"),
    (r"\babsl::SleepFor\b|\bsleep_(?:for|until)\b", "sleeps for real"),
    (r"\b__(?:DATE|TIME|TIMESTAMP)__\b", "depends on when it was compiled"),
)

randomness = _patterns(
    (r"\b(?:std::)?random_device\b", "is random without a seed"),
    (_C_CALL + r"(?:rand|srand|rand_r|[dlm]rand48|getrandom|getentropy|arc4random\w*)\s*\(",
     "is random without the run's seed"),
    (r"\babsl::(?:Insecure)?BitGen\w*", "is random without the run's seed"),
    (r"\bstd::\w+_distribution\b|\bstd::(?:ranges::)?shuffle\b|\bstd::sample\b",
     "differs from one standard library to the next"),
    (r"\bstd::(?:mt19937\w*|minstd_rand0?|default_random_engine|knuth_b|ranlux\w+)\b",
     "is a stream of numbers, not a choice of the run"),
)

threads = _both(
    _patterns(
        (r"\bstd::(?:jthread|thread|async|this_thread)\b", "starts or names a thread"),
        (r"\bpthread_\w+", "starts or names a thread"),
        (r"\bstd::(?:\w*mutex|condition_variable\w*|latch|barrier|\w+_semaphore)\b",
         "waits for another thread"),
        (r"\babsl::(?:Mutex|CondVar|Notification|BlockingCounter|Barrier)\b",
         "waits for another thread"),
    ),
    _headers(r"<(?:thread|future|mutex|condition_variable|shared_mutex|pthread\.h)>",
             "threads have no place here"),
)

unordered = _both(
    _patterns((r"\bstd::unordered_(?:multi)?(?:map|set)\b", "iterates in no stated order")),
    _headers(r"<unordered_(?:map|set)>", "iterates in no stated order"),
)

hash_values = _patterns(
    (r"\babsl::(?:HashOf|Hash)\b", "differs from process to process"),
    (r"\bstd::hash\b", "is whatever the standard library makes of it"),
)

floats = _patterns(
    (r"\b(?:float|double)\b", "floating point decides nothing here"),
    (r"(?<![\w.'])\d[\d']*(?:\.\d*(?:[eE][-+]?\d+)?|[eE][-+]?\d+)\w*|(?<![\w.)\]])\.\d+",
     "floating point decides nothing here"),
)

addresses = _patterns(
    (r"\breinterpret_cast\s*<\s*(?:const\s+)?(?:std::)?u?intptr_t\s*>", "makes a number of an address"),
)

planted_bugs = _patterns(
    (r"\b(?:LedgerBugs|TransportBugs|EnableBug|bugs_?)\b", "plants a bug in a program for production"),
)

system_calls = _headers(
    r"<(?:sys/(?!uio\.h|types\.h|cdefs\.h).*|net/.*|netinet/.*|arpa/.*|linux/.*"
    r"|unistd\.h|fcntl\.h|poll\.h|netdb\.h|signal\.h|csignal|dlfcn\.h|spawn\.h)>",
    "only the backends make system calls",
)

_ORDERED_BY_KEY = re.compile(r"\b(?:std|absl)::(?:multi|btree_|btree_multi)?(map|set)\s*(<)|\bstd::(less)\s*(<)")


def pointer_keys(file, workspace):
    """Ordered containers whose order is that of addresses."""
    del workspace
    findings = []
    for match in _ORDERED_BY_KEY.finditer(file.code):
        arguments, _ = template_arguments(file.code, file.code.index("<", match.end() - 1))
        key = arguments[0] if arguments else ""
        comparator = arguments[2:] if match.group(1) == "map" else arguments[1:]
        if re.search(r"\*|\b\w+_ptr\s*<|\bcoroutine_handle\b", key) and not comparator:
            findings.append((match.start(), f"is ordered by address: {key}"))
    return findings


_SERVICE_ARROWS = ("scenarios/", "transports/", "runtime/")
_ARROWS = {
    "runtime": ("runtime/",),
    "sim": ("sim/", "runtime/"),
    "transports": ("transports/", "runtime/"),
    "scenarios": ("scenarios/", "sim/", "transports/", "runtime/"),
    "bench": _ALL,
}
# Which backends know which; everybody else knows their names alone.
_BACKEND_ARROWS = {
    "runtime/backend/": _BACKENDS,
    "runtime/epoll/": ("runtime/epoll/", "runtime/kernel/"),
    "runtime/io_uring/": ("runtime/io_uring/", "runtime/kernel/"),
    "runtime/kernel/": ("runtime/kernel/",),
    "runtime/shards/": _BACKENDS,
}
_BACKEND_NAMES = "runtime/backend/name.h"


def arrows(file, workspace):
    """Includes against the arrows of the layout."""
    del workspace
    findings = []
    folder = file.path.split("/")[0]
    allowed = _SERVICE_ARROWS if file.path.startswith(_SERVICES) else _ARROWS[folder]
    backends = next((own for folder, own in _BACKEND_ARROWS.items() if file.path.startswith(folder)), ())
    for offset, header in file.includes():
        target = header[1:-1]
        if header[0] != '"' or not target.startswith(_ALL):
            continue
        backend = target.startswith(_BACKENDS) and target != _BACKEND_NAMES and folder != "bench"
        foreign_backend = backend and not target.startswith(backends)
        if foreign_backend or not target.startswith(allowed):
            findings.append((offset, f"{os.path.dirname(file.path)}/ does not depend on {target}"))
    return findings


def length(file, workspace):
    """Files too long to be one idea."""
    del workspace
    if file.line_count < _LINES_MAX:
        return []
    return [(0, f"has {file.line_count} lines; files stay under {_LINES_MAX}")]


def private_by_default(file, workspace):
    """Packages whose targets anyone may use unless a target says otherwise."""
    del workspace
    if re.search(r'default_visibility\s*=\s*\[\s*"//visibility:private"\s*,?\s*\]', file.text):
        return []
    return [(0, "the package is not private by default")]


# From a lambda's captures to its body: parameters, specifiers, trailing return type, requirements.
_LAMBDA_HEAD = re.compile(r"[\w\s:<>,.*&()\[\]=\-]*?(?=\{)")


def _lambdas(code):
    """Triples (start, captures, body start, body end) of the lambda expressions in `code`."""
    found = []
    for match in re.finditer(r"\[", code):
        start = match.start()
        before = code[:start].rstrip()
        subscript = re.search(r"[\w)\]]$", before) and not re.search(
            r"\b(?:return|co_return|co_await|co_yield|case|else)$", before)
        if subscript or code[start : start + 2] == "[[" or before.endswith("["):
            continue
        end = matching(code, start, "[", "]")
        head = _LAMBDA_HEAD.match(code, end + 1) if end > 0 else None
        if head and ";" not in head.group(0):
            found.append((start, code[start + 1 : end].strip(), head.end(), matching(code, head.end(), "{", "}")))
    return found


def coroutine_lambdas(file, workspace):
    """Lambdas that capture and suspend: the captures die with the lambda, before the coroutine ends."""
    del workspace
    lambdas = _lambdas(file.code)
    findings = {}
    for keyword in re.finditer(r"\bco_(?:await|return|yield)\b", file.code):
        around = [l for l in lambdas if l[2] < keyword.start() < l[3]]
        if around:
            innermost = max(around, key=lambda l: l[2])
            if innermost[1]:
                findings[innermost[0]] = f"a coroutine lambda captures [{innermost[1]}]"
    return sorted(findings.items())


# Name of the rule, where it holds, the rule.
RULES = [
    ("clock", _simulated, clocks),
    ("random", _simulated, randomness),
    ("thread", _simulated, threads),
    ("unordered", _simulated, unordered),
    ("hash-iteration", _simulated, hash_iteration.find),
    ("hash-value", _decides, hash_values),
    ("float", _decides, floats),
    ("address", _decides, addresses),
    ("pointer-key", _simulated, pointer_keys),
    ("system-call", _simulated, system_calls),
    ("planted-bug", _production, planted_bugs),
    ("arrow", _everywhere, arrows),
    ("length", _everywhere, length),
    ("coroutine-lambda", _everywhere, coroutine_lambdas),
    ("visibility", _packages, private_by_default),
]
