# Runs the tests that the plan names, two at a time, each in a process of its own: a line is whom to be, the program, and
# the test's name.
export CORACLE_BIN=/task/coracle CORACLE_TEST_IMAGES=/task/images CORACLE_GUEST=1
cat >/run/trial <<'SCRIPT'
who=$1 program=$2 name=$3
log=$(mktemp) started=$(date +%s%N)
timeout --kill-after=5 120 "/task/bin/$program" --exact "$name" --nocapture >"$log" 2>&1
code=$?
tenths=$((($(date +%s%N) - started) / 100000000))
exec 9>/run/console && flock 9
if [ $code = 0 ]; then
    echo "ok    $((tenths / 10)).$((tenths % 10)) s  $who $program $name"
else
    echo "FAIL  $((tenths / 10)).$((tenths % 10)) s  $who $program $name: code $code"
    cat "$log"
fi
rm -f "$log"
exit $code
SCRIPT
touch /run/console && chmod 666 /run/console
all="xargs --no-run-if-empty --max-procs=2 --max-lines=1 sh /run/trial"
grep '^root ' /task/plan | $all
code=$?

# The ordinary user's session: nobody else's process is in it, or the kernel would not let its cpuset be handed out.
mkfifo /run/begin
session=/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/session.scope
setpriv --reuid=1000 --regid=1000 --clear-groups sh -c "read -r begin; grep '^user ' /task/plan | $all" </run/begin &
exec 8>/run/begin
echo $! >$session/cgroup.procs
echo begin >&8
wait $! || code=$?

# Last, for whoever came after would be told of other years.
grep '^alone ' /task/plan | xargs --no-run-if-empty --max-lines=1 sh /run/trial || code=$?
exit $code
