"""The same program compiled in another way than the rest of the build, so that a test can compare the two."""

# Flags by which configurations of .bazelrc differ: sanitizers, levels of optimisation and of debug information.
_OF_A_CONFIGURATION = (
    "-fsanitize",
    "-fno-sanitize",
    "-U_FORTIFY_SOURCE",
    "-O",
    "-g",
)

def _common(flags):
    return [flag for flag in flags if not flag.startswith(_OF_A_CONFIGURATION)]

# Every option differs from that of every configuration, if only by a flag that changes nothing. The folder of the
# outputs is named after the options that change: in this way it is one folder, and one entry of the disk cache,
# whichever configuration the build has.
def _unoptimised_impl(settings, attr):
    return {
        "//command_line_option:compilation_mode": "fastbuild",
        "//command_line_option:copt": _common(settings["//command_line_option:copt"]) + ["-O0"],
        "//command_line_option:linkopt": _common(settings["//command_line_option:linkopt"]) + ["-O0"],
        "//command_line_option:platform_suffix": "-unoptimised",
    }

_unoptimised = transition(
    implementation = _unoptimised_impl,
    inputs = [
        "//command_line_option:copt",
        "//command_line_option:linkopt",
    ],
    outputs = [
        "//command_line_option:compilation_mode",
        "//command_line_option:copt",
        "//command_line_option:linkopt",
        "//command_line_option:platform_suffix",
    ],
)

# A copy, without the runfiles of `actual`: among those is the program itself, by the same name as the one of the
# build's own configuration, and a test that has both would run one of them twice.
def _unoptimised_binary_impl(ctx):
    actual = ctx.executable.actual
    copy = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.run_shell(
        inputs = [actual],
        outputs = [copy],
        command = 'cp -f "$1" "$2"',
        arguments = [actual.path, copy.path],
        mnemonic = "CopyProgram",
    )
    return [DefaultInfo(executable = copy, files = depset([copy]))]

unoptimised_binary = rule(
    implementation = _unoptimised_binary_impl,
    doc = "`actual` at -O0, with assertions and without sanitizers, whatever the configuration of the build; without its data.",
    attrs = {
        "actual": attr.label(cfg = _unoptimised, executable = True, mandatory = True),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
    executable = True,
)
