# An engine for one script, sourced by it: in a root of its own, gone at the script's end with everything that it ran.
# Needs CORACLE_BIN (the binary). Gives `coracle`, and `base`, a directory for the script's own files.

base=$(mktemp -d /tmp/coracle-throwaway.XXXXXX)
coracle() { "$CORACLE_BIN" --root "$base/root" --run-root "$base/run" "$@"; }

clean_up() {
    status=$?
    trap - EXIT INT TERM
    ids=$(coracle ps --all --quiet 2>/dev/null) || ids=
    # shellcheck disable=SC2086 # one word an id
    [ -z "$ids" ] || coracle rm --force $ids >/dev/null || status=1
    coracle network prune --force >/dev/null || status=1
    coracle system audit >/dev/null || { echo "something was left behind: see coracle system audit"; status=1; }
    rm -rf "$base" || status=1
    # The parents of the containers' cgroups stay for the next start; those in use refuse to go.
    find /sys/fs/cgroup -depth -type d -path '*/coracle*' -exec rmdir {} \; 2>/dev/null || true
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM
