"""clang-tidy as an aspect: one action a source file, cached and run in parallel like a compilation.

    bazel build --config=tidy //runtime/...

Each action sees the flags and the headers that the file is compiled with. Others' code is left alone, and so
are tests: GoogleTest's headers make them cost more than all the rest.
"""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "CPP_COMPILE_ACTION_NAME")
load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")

def _flags(ctx, compilation_context):
    """What the compiler is given for a file of this target, apart from the file."""
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    variables = cc_common.create_compile_variables(
        feature_configuration = features,
        cc_toolchain = toolchain,
        user_compile_flags = ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts + ctx.rule.attr.copts,
        preprocessor_defines = depset(transitive = [
            compilation_context.defines,
            compilation_context.local_defines,
        ]),
        include_directories = compilation_context.includes,
        quote_include_directories = compilation_context.quote_includes,
        system_include_directories = compilation_context.system_includes,
    )
    return cc_common.get_memory_inefficient_command_line(
        feature_configuration = features,
        action_name = CPP_COMPILE_ACTION_NAME,
        variables = variables,
    )

def _tidy_file(ctx, source, flags, inputs):
    """Declares the action for one source file; its report is empty, since any finding fails it."""
    report = ctx.actions.declare_file("%s.%s.tidy" % (ctx.rule.attr.name, source.basename))
    arguments = ctx.actions.args()
    arguments.add(report)
    arguments.add(ctx.file._config)
    arguments.add(source)
    arguments.add_all(flags)
    ctx.actions.run(
        executable = ctx.executable._run_tidy,
        arguments = [arguments],
        inputs = depset([source, ctx.file._config], transitive = [inputs]),
        outputs = [report],
        mnemonic = "ClangTidy",
        progress_message = "Reading %s" % source.short_path,
        use_default_shell_env = True,
    )
    return report

def _tidy_impl(target, ctx):
    ours = not target.label.workspace_name and ctx.rule.kind in ["cc_library", "cc_binary"]
    if not ours or CcInfo not in target:
        return [OutputGroupInfo(tidy = depset())]
    compilation_context = target[CcInfo].compilation_context
    sources = [
        file
        for label in ctx.rule.attr.srcs
        for file in label.files.to_list()
        if file.is_source and file.extension == "cc"
    ]
    flags = _flags(ctx, compilation_context) if sources else []
    inputs = depset(transitive = [compilation_context.headers] + [
        label.files
        for label in ctx.rule.attr.srcs
    ])
    reports = [_tidy_file(ctx, source, flags, inputs) for source in sources]
    return [OutputGroupInfo(tidy = depset(reports))]

clang_tidy = aspect(
    implementation = _tidy_impl,
    attrs = {
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
        "_config": attr.label(default = "//:.clang-tidy", allow_single_file = True),
        "_run_tidy": attr.label(default = "//.ci/tidy:run_tidy", executable = True, cfg = "exec"),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)
