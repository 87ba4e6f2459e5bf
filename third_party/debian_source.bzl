"""Dependencies from Debian's packages, fetched by the machine's own apt.

`debian_source` is the rule by which every library arrives: it runs `apt-get source`, which checks the
archive's signatures and applies Debian's security patches, as whichever user runs Bazel and inside the
repository's own directory. Addresses come from the machine's apt configuration, so that a mirror, a
proxy or a snapshot set up there is used here as well.

    debian_source(
        name = "com_google_absl",          # upstream's name: @com_google_absl//absl/status
        package = "abseil",                # Debian's source package
        upstream_version = "20220623.",    # what the fetched version has to begin with
    )

A fetch fails by naming the package, the step and apt's own words; a version other than the expected one
fails too, rather than build something that nobody tested.
"""

_CODENAME = "bookworm"
_SUITES = [_CODENAME, _CODENAME + "-updates", _CODENAME + "-security"]
_ARCHIVE_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

# apt's hooks after an update belong to the system's lists, not to ours.
_APT_CONF = """\
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "{root}/lists";
"""

def _shell(repository_ctx, step, arguments, directory = ""):
    """Runs a command and fails, naming `step`, unless it exits with 0; returns what it printed."""
    result = _try(repository_ctx, arguments, directory)
    if result.return_code != 0:
        _fail(repository_ctx, step, result)
    return result.stdout

def _try(repository_ctx, arguments, directory = ""):
    return repository_ctx.execute(
        arguments,
        timeout = 900,
        environment = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        working_directory = directory,
    )

def _fail(repository_ctx, step, result):
    fail("@%s: %s failed (exit code %d):\n%s%s" % (
        repository_ctx.name,
        step,
        result.return_code,
        result.stdout,
        result.stderr,
    ))

def _require_tool(repository_ctx, tool, package):
    if not repository_ctx.which(tool):
        fail("@%s: '%s' is missing; install Debian's package '%s', or build with ./bazelw, which does." % (
            repository_ctx.name,
            tool,
            package,
        ))

def _require_version(repository_ctx, version):
    """Fails unless the upstream part of Debian's `version` is the one that was asked for."""
    upstream = version.split(":")[-1]
    if not upstream.startswith(repository_ctx.attr.upstream_version):
        fail("@%s: Debian's package '%s' is version %s here, but the build expects %s*; " % (
            repository_ctx.name,
            repository_ctx.attr.package,
            version,
            repository_ctx.attr.upstream_version,
        ) + "it is made for Debian 12 (%s)." % _CODENAME)

def _index_targets(repository_ctx, options):
    """The apt entries of this machine, as lists [address, suite, component, origin, code name]."""
    fields = ["REPO_URI", "RELEASE", "COMPONENT", "ORIGIN", "CODENAME"]
    targets = _shell(repository_ctx, "reading apt's configuration", ["apt-get", "indextargets"] + options + [
        "--format",
        "|".join(["$(%s)" % field for field in fields]),
        "Created-By: Packages",
    ])
    return [target.split("|") for target in targets.splitlines()]

def _source_lines(repository_ctx):
    """The deb-src lines that mirror this machine's own Debian 12 entries."""
    entries = [
        (address, suite)
        for address, suite, component, origin, codename in _index_targets(repository_ctx, [])
        if component == "main" and origin == "Debian" and codename in _SUITES
    ]
    if not entries:
        # apt knows origins and code names from its lists; where those were removed, as container images do,
        # there is the configuration alone.
        entries = [
            (address, suite)
            for address, suite, component, _, _ in _index_targets(repository_ctx, ["--no-release-info"])
            if component == "main" and suite in _SUITES
        ]
    options = ""
    if repository_ctx.path(_ARCHIVE_KEYRING).exists:
        options = "[signed-by=%s] " % _ARCHIVE_KEYRING
    return {"deb-src %s%s %s main" % (options, address, suite): True for address, suite in entries}.keys()

def _debian_source_index_impl(repository_ctx):
    _require_tool(repository_ctx, "apt-get", "apt")
    lines = _source_lines(repository_ctx)
    if not lines:
        fail("@%s: apt on this machine has no entry for '%s main'; the build is made for Debian 12. " % (
            repository_ctx.name,
            _CODENAME,
        ) + "If it is configured under another name, run 'apt-get update' first.")
    root = str(repository_ctx.path("."))
    repository_ctx.file("sources.list", "\n".join(lines) + "\n")
    repository_ctx.file("apt.conf", _APT_CONF.format(root = root))
    repository_ctx.file("BUILD.bazel", 'exports_files(["apt.conf"])\n')
    _shell(repository_ctx, "making directories", ["mkdir", "-p", "cache/archives/partial", "lists/partial"])
    repository_ctx.report_progress("apt-get update of the source index")
    _shell(repository_ctx, "apt-get update of the source index", ["apt-get", "-q", "-c", "apt.conf", "update"])

debian_source_index = repository_rule(
    implementation = _debian_source_index_impl,
    doc = "Debian's index of source packages, fetched once for all `debian_source` repositories.",
)

def _apt_get_source(repository_ctx, options):
    """Downloads, checks and unpacks the source package under `fetched/`."""
    command = ["apt-get", "-q"] + options
    source = command + ["source", "--only-source", repository_ctx.attr.package]
    repository_ctx.report_progress("apt-get source %s" % repository_ctx.attr.package)
    if _try(repository_ctx, source, "fetched").return_code == 0:
        return

    # The index may be older than the archive (a security update took the old version away).
    own_lists = ["-o", "Dir::State::lists=%s" % repository_ctx.path("fetched/lists")]
    command += own_lists
    _shell(repository_ctx, "apt-get update", command + ["update"], "fetched")
    _shell(
        repository_ctx,
        "apt-get source %s" % repository_ctx.attr.package,
        command + ["source", "--only-source", repository_ctx.attr.package],
        "fetched",
    )

def _unpacked(repository_ctx):
    """The one directory that `apt-get source` unpacked."""
    trees = [
        entry
        for entry in repository_ctx.path("fetched").readdir()
        if entry.get_child("debian").exists
    ]
    if len(trees) != 1:
        fail("@%s: apt-get source %s unpacked %d trees, not one: %s" % (
            repository_ctx.name,
            repository_ctx.attr.package,
            len(trees),
            trees,
        ))
    return trees[0]

def _adopt_tree(repository_ctx, tree):
    """Moves the wanted part of `tree` to the root of the repository and drops the rest."""
    wanted = tree
    for part in [part for part in repository_ctx.attr.subdirectory.split("/") if part]:
        wanted = wanted.get_child(part)
    if not wanted.exists:
        fail("@%s: source package '%s' has no folder '%s' any more." % (
            repository_ctx.name,
            repository_ctx.attr.package,
            repository_ctx.attr.subdirectory,
        ))
    for entry in wanted.readdir():
        if entry.basename not in ["debian", ".pc", "WORKSPACE"]:
            _shell(repository_ctx, "moving the sources", ["mv", str(entry), "."])
    repository_ctx.delete("fetched")

def _replace_text(repository_ctx):
    """Makes the `replacements`; each text has to be there, once."""
    for file, texts in repository_ctx.attr.replacements.items():
        content = repository_ctx.read(file)
        for old, new in zip(texts[0::2], texts[1::2]):
            if content.count(old) != 1:
                fail("@%s: %s has '%s' %d times, not once; another version of the package?" % (
                    repository_ctx.name,
                    file,
                    old,
                    content.count(old),
                ))
            content = content.replace(old, new)
        repository_ctx.file(file, content, executable = False)

def _lay_over(repository_ctx):
    """Puts files of ours in the place of the package's; those have to be there."""
    for ours, file in repository_ctx.attr.overlays.items():
        if not repository_ctx.path(file).exists:
            fail("@%s: the package has no %s any more." % (repository_ctx.name, file))
        repository_ctx.delete(file)
        repository_ctx.symlink(ours, file)

def _finish(repository_ctx):
    """Gives the repository its WORKSPACE and, if the rule names one, our BUILD file."""
    repository_ctx.file("WORKSPACE", 'workspace(name = "%s")\n' % repository_ctx.name)
    if repository_ctx.attr.build_file:
        repository_ctx.delete("BUILD")
        repository_ctx.delete("BUILD.bazel")
        repository_ctx.symlink(repository_ctx.attr.build_file, "BUILD.bazel")

def _debian_source_impl(repository_ctx):
    _require_tool(repository_ctx, "dpkg-source", "dpkg-dev")
    conf = str(repository_ctx.path(repository_ctx.attr.index))
    _shell(repository_ctx, "making directories", [
        "mkdir",
        "-p",
        "fetched/cache/archives/partial",
        "fetched/lists/partial",
    ])
    cache = "Dir::Cache=%s" % repository_ctx.path("fetched/cache")
    _apt_get_source(repository_ctx, ["-c", conf, "-o", cache])
    tree = _unpacked(repository_ctx)
    _require_version(repository_ctx, _shell(
        repository_ctx,
        "reading the version of the source package",
        ["dpkg-parsechangelog", "-S", "Version", "-l", str(tree.get_child("debian").get_child("changelog"))],
    ).strip())
    _adopt_tree(repository_ctx, tree)
    _replace_text(repository_ctx)
    _lay_over(repository_ctx)
    _finish(repository_ctx)

_VERSION_ATTRS = {
    "package": attr.string(mandatory = True, doc = "Debian's name of the package."),
    "upstream_version": attr.string(mandatory = True, doc = "What upstream's version begins with."),
    "build_file": attr.label(allow_single_file = True, doc = "Ours, where upstream has none."),
}

debian_source = repository_rule(
    implementation = _debian_source_impl,
    doc = "A library built from one of Debian's source packages.",
    attrs = dict(_VERSION_ATTRS, **{
        "subdirectory": attr.string(doc = "The only part of the package to keep; default: all of it."),
        "index": attr.label(default = "@debian_source_index//:apt.conf"),
        "overlays": attr.label_keyed_string_dict(
            allow_files = True,
            doc = "Files of ours, and which of the package's each replaces.",
        ),
        "replacements": attr.string_list_dict(
            doc = "By file of the package: texts to replace, each followed by what it becomes.",
        ),
    }),
)

def _debian_headers_impl(repository_ctx):
    version = _try(repository_ctx, [
        "dpkg-query",
        "--show",
        "--showformat=${Version}",
        repository_ctx.attr.package,
    ])
    if version.return_code != 0:
        fail("@%s: install Debian's package '%s', or build with ./bazelw, which does." % (
            repository_ctx.name,
            repository_ctx.attr.package,
        ))
    _require_version(repository_ctx, version.stdout)
    for header in repository_ctx.attr.headers:
        repository_ctx.symlink(header, "include/" + header.split("/")[-1])
    _finish(repository_ctx)

debian_headers = repository_rule(
    implementation = _debian_headers_impl,
    doc = "A header-only library from an installed Debian package.",
    attrs = dict(_VERSION_ATTRS, **{
        "headers": attr.string_list(doc = "Files and folders to show under include/."),
    }),
)
