"""Every repository that Faultline's build uses.

A library is one `debian_source` call: Debian's source package, the upstream version that our code is
written against, and, where upstream has no Bazel build, a BUILD file of ours. Names and labels are
upstream's, so that `@com_google_absl//absl/status` means what it means everywhere.
"""

load("//third_party:debian_source.bzl", "debian_headers", "debian_source", "debian_source_index")
load("//third_party/boringssl:replacements.bzl", "BORINGSSL_REPLACEMENTS", "NGTCP2_REPLACEMENTS")
load("//third_party:toolchain_repositories.bzl", "toolchain_repositories")

def faultline_dependencies():
    """Declares the toolchain's repositories and the libraries'."""
    toolchain_repositories()

    debian_source_index(name = "debian_source_index")

    debian_source(
        name = "com_google_absl",
        package = "abseil",
        upstream_version = "20220623.",
    )

    debian_source(
        name = "com_google_googletest",
        package = "googletest",
        upstream_version = "1.12.",
    )

    debian_source(
        name = "com_github_google_benchmark",
        package = "benchmark",
        upstream_version = "1.7.",
    )

    # Entropy and the time come from //runtime/engine, and from nowhere else: see
    # docs/decisions/engines-draw-from-an-environment.md.
    debian_source(
        name = "boringssl",
        package = "android-platform-external-boringssl",
        upstream_version = "13.0.0",
        build_file = "//third_party/boringssl:boringssl.BUILD",
        overlays = {
            "//third_party/boringssl:rand.c": "src/crypto/fipsmodule/rand/rand.c",
            "//third_party/boringssl:fork_detect.c": "src/crypto/fipsmodule/rand/fork_detect.c",
            "//third_party/boringssl:urandom.c": "src/crypto/fipsmodule/rand/urandom.c",
        },
        replacements = BORINGSSL_REPLACEMENTS,
    )

    debian_source(
        name = "ngtcp2",
        package = "ngtcp2",
        upstream_version = "0.12.",
        build_file = "//third_party/build_files:ngtcp2.BUILD",
        replacements = NGTCP2_REPLACEMENTS,
    )

    debian_source(
        name = "xxhash",
        package = "xxhash",
        upstream_version = "0.8.",
        build_file = "//third_party/build_files:xxhash.BUILD",
    )

    debian_source(
        name = "liburing",
        package = "liburing",
        upstream_version = "2.3",
        build_file = "//third_party/build_files:liburing.BUILD",
    )

    debian_source(
        name = "libwebsockets",
        package = "libwebsockets",
        upstream_version = "4.1.",
        build_file = "//third_party/build_files:libwebsockets.BUILD",
    )

    # HdrHistogram has no source package of its own in Debian 12; redis carries the C library whole.
    debian_source(
        name = "hdrhistogram_c",
        package = "redis",
        upstream_version = "7.0.",
        subdirectory = "deps/hdr_histogram",
        build_file = "//third_party/build_files:hdrhistogram_c.BUILD",
    )

    # Header-only, hence taken from the binary package.
    debian_headers(
        name = "asio",
        package = "libasio-dev",
        upstream_version = "1.22.",
        headers = [
            "/usr/include/asio",
            "/usr/include/asio.hpp",
        ],
        build_file = "//third_party/build_files:asio.BUILD",
    )
