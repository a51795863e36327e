# Sourced by the Makefile: makes a bare Debian able to build (`prepare build`) and to test
# (`prepare test`) the project, and exports the target to build for and the binary to test.
# Installs only what is missing.

note() { printf 'note: %s\n' "$*" >&2; }

# Installs a Debian package if its command (or file) is not there.
need() {
    if [ "${1#/}" != "$1" ]; then [ -e "$1" ] && return 0; else command -v "$1" >/dev/null 2>&1 && return 0; fi
    shift
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        note "missing: $*; as root, run: apt-get install $*"
        return 1
    fi
    note "installing $* from Debian"
    [ -n "${apt_updated:-}" ] || { apt-get update -qq >&2 && apt_updated=yes; }
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# As `need`, of a package whose daemon Debian would start: the tests start their own.
need_idle() {
    command -v "$1" >/dev/null 2>&1 && return 0
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] && { need "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' >"$policy" 2>/dev/null && chmod +x "$policy"
    needed=0
    need "$@" || needed=$?
    rm -f "$policy"
    return "$needed"
}

# Exports CARGO_BUILD_TARGET: musl where it can be had, else static glibc.
choose_target() {
    [ -n "${CARGO_BUILD_TARGET:-}" ] && return 0
    machine=$(uname -m)
    CARGO_BUILD_TARGET=$machine-unknown-linux-musl
    if ! [ -d "$(rustc --print target-libdir --target "$CARGO_BUILD_TARGET" 2>/dev/null)" ]; then
        rustup target add "$CARGO_BUILD_TARGET" >&2 || {
            note "no Rust target $CARGO_BUILD_TARGET: linking statically with glibc instead (starts more slowly)"
            CARGO_BUILD_TARGET=$machine-unknown-linux-gnu
        }
    fi
    export CARGO_BUILD_TARGET
}

# Exports CORACLE_BIN: the release binary for that target, where cargo will put it.
choose_binary() {
    target_dir=${CARGO_TARGET_DIR:-target}
    case $target_dir in /*) ;; *) target_dir=$(pwd)/$target_dir ;; esac
    CORACLE_BIN=$target_dir/$CARGO_BUILD_TARGET/release/coracle
    export CORACLE_BIN
}

prepare() {
    command -v cargo >/dev/null 2>&1 || { [ -r "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"; }
    command -v cargo >/dev/null 2>&1 || { note "no cargo: install Rust first, see https://rustup.rs"; return 1; }
    need cc gcc libc6-dev || return 1
    choose_target
    choose_binary
    case $CARGO_BUILD_TARGET in *-musl) need musl-gcc musl-tools || return 1 ;; esac
    [ "$1" = build ] && return 0

    need git git || return 1
    cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt >&2 || return 1
    cargo clippy --version >/dev/null 2>&1 || rustup component add clippy >&2 || return 1
    need mmdebstrap mmdebstrap || return 1
    # Neighbours that the tests hold this engine against.
    need curl curl || return 1
    need podman podman || return 1
    need skopeo skopeo || return 1
    need_idle docker-registry docker-registry || return 1
    need_idle containerd containerd || return 1
    need_idle dockerd docker.io || return 1
    # Debian 12 has it in the package of the daemon.
    need docker docker-cli || return 1
    # An emulator, for the tests that want another kernel and cgroup v2 alone.
    [ "$(uname -m)" != x86_64 ] || need qemu-system-x86_64 qemu-system-x86 || return 1
    # With these the network tests build neighbours and firewalls of others; the product never runs them.
    need ip iproute2 || return 1
    need nft nftables || return 1
    need iptables-nft iptables || return 1
    need /usr/include/seccomp.h libseccomp-dev || return 1
    # One process per test: tests that unshare namespaces rely on it.
    cargo nextest --version >/dev/null 2>&1 ||
        CARGO_BUILD_TARGET="$(rustc -vV | sed -n 's/^host: //p')" cargo install --locked cargo-nextest --version 0.9.143 >&2 ||
        note "no cargo-nextest: falling back to cargo test"
}

# Runs the tests of the workspace, one process a test where nextest is to be had.
run_tests() {
    outcome=0
    tables=$(list_tables)
    if cargo nextest --version >/dev/null 2>&1; then
        cargo nextest run --workspace --no-fail-fast "$@" || outcome=$?
    else
        cargo test --workspace --no-fail-fast "$@" -- --test-threads=2 || outcome=$?
    fi
    remove_parent_groups
    # Each test looks for what its own engine leaves; this finds what a killed one has left.
    if [ "$(list_tables)" != "$tables" ]; then
        note "the tests have left firewall tables behind: $(list_tables)"
        outcome=1
    fi
    return "$outcome"
}

# Lets libFuzzer look at each parser for FUZZ_SECONDS; what it finds goes to tests/fuzz/corpus by hand, with a name.
run_fuzzers() {
    cargo fuzz --version >/dev/null 2>&1 && rustup run nightly rustc --version >/dev/null 2>&1 || {
        note "no libFuzzer: rustup toolchain install nightly; cargo install --locked cargo-fuzz"
        return 0
    }
    host=$(rustc -vV | sed -n 's/^host: //p')
    work=$(mktemp -d)
    found=0
    for target in tests/fuzz/corpus/*; do
        name=$(basename "$target")
        mkdir "$work/$name" && cp "$target"/* "$work/$name"
        FUZZ_TARGET=$name CARGO_BUILD_TARGET=$host cargo +nightly fuzz run --fuzz-dir tests/fuzz/libfuzzer --sanitizer none \
            parsers "$work/$name" -- -artifact_prefix="$work/" \
            -max_total_time="${FUZZ_SECONDS:-300}" -timeout=2 -rss_limit_mb=1024 -max_len=20000 || found=1
    done
    if [ "$found" = 0 ]; then rm -rf "$work"; else note "what was found lies in $work"; fi
    return "$found"
}

# Lists the firewall tables of engines with a run root of their own, as tests have.
list_tables() { nft list tables | grep ' coracle-' | sort | tr '\n' ' '; }

# Removes the engine's parent cgroups, which stay for the next start; those in use refuse.
remove_parent_groups() {
    find /sys/fs/cgroup -depth -type d -path '*/coracle*' -exec rmdir {} \; 2>/dev/null || true
}
