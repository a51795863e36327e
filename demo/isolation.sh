#!/bin/sh
# Shows what isolation means, one short line at a time: runs containers of Debian's busybox in an
# engine root of their own and removes everything afterwards. Started by `make demo`.
# Needs CORACLE_BIN (the binary) and BUSYBOX_TAR (a root file system).
set -eu

. "$(dirname "$0")/../examples/throwaway.sh"

title() { printf '\n== %s\n' "$1"; }
# Shows a command as the reader would type it, runs it, and indents its answer.
show() { show_code 0 "$@"; }
# The same for a command that is meant to end with the given exit code.
show_code() {
    wanted=$1
    shift
    printf '   $ coracle'
    for word in "$@"; do
        case $word in *[!A-Za-z0-9_./:=-]*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    echo
    code=0
    coracle "$@" >"$base/out" 2>&1 || code=$?
    sed 's/^/     /' "$base/out"
    [ "$wanted" = 0 ] || printf '     (exit code %s)\n' "$code"
    expect "exit code $code" "exit code $wanted"
}
expect() { [ "$1" = "$2" ] || { echo "demo: expected \`$2\`, saw \`$1\`"; exit 1; }; }

title "An image is a root file system and a few words about it"
coracle import --change 'CMD ["/bin/sh"]' "$BUSYBOX_TAR" busybox:demo >/dev/null
show images

title "A file system of its own: nothing of this machine is in it"
echo "   here: $(. /etc/os-release && echo "$PRETTY_NAME"), $(find / -maxdepth 1 | wc -l) entries in /"
show run --rm busybox:demo ls /

title "Processes of its own: the first one is number 1, and it sees no others"
echo "   here: $(ls -d /proc/[0-9]* | wc -l) processes"
show run --rm busybox:demo ps

title "A name of its own"
echo "   here: $(uname -n)"
show run --rm --hostname lighthouse busybox:demo hostname

title "Root inside is nobody outside"
show run --rm busybox:demo sh -c 'id -u; cat /proc/self/uid_map'
id=$(coracle run --detach --name sleeper busybox:demo sleep 1000)
pid=$(coracle inspect sleeper | sed -n 's/^ *"Pid": \([0-9]*\),*$/\1/p')
echo "   the same kind of process, seen from here:"
echo "     pid $pid runs as uid $(awk '/^Uid:/ {print $2}' "/proc/$pid/status"): $(tr '\0' ' ' <"/proc/$pid/cmdline")"
[ "$(awk '/^Uid:/ {print $2}' "/proc/$pid/status")" -gt 65535 ] || { echo "demo: not an unprivileged id"; exit 1; }

title "Two containers do not see each other"
show run --rm busybox:demo sh -c 'echo "I see $(ps | grep -c "[s]leep 1000") sleeping process; my files:"; ls /tmp'
show exec sleeper sh -c 'echo "I see $(ps | grep -c "[s]leep 1000") sleeping process"; touch /tmp/mine; ls /tmp'
expect "$(coracle run --rm busybox:demo ls /tmp)" ""

title "What it writes goes with it"
show rm --force sleeper
[ ! -e "/proc/$pid" ] || { echo "demo: process $pid is still there"; exit 1; }

title "No network where none is wanted"
show run --rm --network none busybox:demo ip address
show_code 1 run --rm --network none busybox:demo ping -c 1 -W 1 192.0.2.1

title "A limit on memory: asking for more ends this process, and no other"
show_code 137 run --rm --memory 32m --memory-swap 32m busybox:demo sh -c 'x=0123456789abcdef; while :; do x=$x$x; done'

title "A root file system that cannot be written"
show_code 1 run --rm --read-only busybox:demo touch /etc/changed

title "Exit codes are those of the process"
show_code 42 run --rm busybox:demo sh -c 'exit 42'
show_code 127 run --rm busybox:demo /no/such/program

title "How long does it take?"
coracle run --rm busybox:demo true
start=$(date +%s%N)
for _ in 1 2 3 4 5 6 7 8 9 10; do coracle run --rm busybox:demo true; done
end=$(date +%s%N)
echo "   ten containers, one after the other: $(((end - start) / 10000000)).$((((end - start) / 1000000) % 10)) ms each"

title "Nothing is left behind, and nothing keeps running"
show ps --all --quiet
show system audit
