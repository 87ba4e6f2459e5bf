"""cc_headers: the headers of libraries, and of what they depend on, as runfiles of a test that runs the compiler."""

def _cc_headers_impl(ctx):
    headers = [dep[CcInfo].compilation_context.headers for dep in ctx.attr.deps]
    return [DefaultInfo(runfiles = ctx.runfiles(transitive_files = depset(transitive = headers)))]

cc_headers = rule(
    implementation = _cc_headers_impl,
    attrs = {"deps": attr.label_list(providers = [CcInfo])},
)
