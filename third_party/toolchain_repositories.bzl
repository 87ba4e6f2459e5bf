"""The repositories that Bazel itself asks for, from this machine instead of the network.

Debian packages most of them. Two it does not, or not in a form that its Bazel loads; those are written
here: `rules_cc`, whose rules are the native ones under other names, and `remote_coverage_tools`, which
every `cc_test` names and only `bazel coverage` uses.
"""

_NATIVE_CC_RULES = [
    "cc_binary",
    "cc_import",
    "cc_library",
    "cc_proto_library",
    "cc_test",
    "cc_toolchain",
    "cc_toolchain_suite",
    "fdo_prefetch_hints",
    "fdo_profile",
    "objc_import",
    "objc_library",
]

def _rules_cc_impl(repository_ctx):
    exports = ["%s = native.%s" % (rule, rule) for rule in _NATIVE_CC_RULES]
    repository_ctx.file("WORKSPACE", 'workspace(name = "rules_cc")\n')
    repository_ctx.file("BUILD.bazel", "")
    repository_ctx.file("cc/BUILD.bazel", "")
    repository_ctx.file("cc/defs.bzl", "\n".join(exports) + "\n")

_rules_cc = repository_rule(implementation = _rules_cc_impl)

def _remote_coverage_tools_impl(repository_ctx):
    repository_ctx.file("WORKSPACE", 'workspace(name = "remote_coverage_tools")\n')
    repository_ctx.file("BUILD.bazel", """\
package(default_visibility = ["//visibility:public"])

filegroup(name = "coverage_report_generator")

filegroup(name = "lcov_merger")
""")

_remote_coverage_tools = repository_rule(implementation = _remote_coverage_tools_impl)

def toolchain_repositories():
    """Declares what Bazel's own C++ rules need, none of it downloaded."""
    _rules_cc(name = "rules_cc")
    _remote_coverage_tools(name = "remote_coverage_tools")
    native.local_repository(name = "bazel_skylib", path = "/usr/share/bazel/tools/skylib")
    native.local_repository(name = "platforms", path = "/usr/share/bazel/tools/platforms")
    native.local_repository(name = "rules_java", path = "/usr/share/bazel/rules/java")
    native.local_repository(name = "rules_proto", path = "/usr/share/bazel/rules/proto")
