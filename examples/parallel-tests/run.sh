#!/bin/sh
# One prepared database, and as many pristine copies of it as there are tests, which all run at the same time and do not
# see each other's writes. Runs in an engine root of its own and removes everything afterwards.
# Needs CORACLE_BIN (the binary) and SERVICES_TAR (a root file system with PostgreSQL, as `cargo xtask images services`
# makes it). COPIES is how many there are, 20 unless set.
set -eu

here=$(dirname "$0")
copies=${COPIES:-20}
. "$here/../throwaway.sh"

fail() {
    echo "example: $*"
    exit 1
}

# Asks the database of a container.
sql() {
    container=$1
    shift
    coracle exec "$container" psql --no-psqlrc --quiet --tuples-only --no-align --host /tmp --dbname postgres --command "$*"
}

# Waits until the database of a container answers.
ready() {
    for _ in $(seq 600); do
        if sql "$1" "select 1" >/dev/null 2>&1; then return 0; fi
        sleep 0.1
    done
    coracle logs "$1"
    fail "the database of $1 does not come up"
}

echo "One database, filled once:"
coracle import --change 'USER postgres' --change 'ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin' --change 'ENV PGDATA=/tmp/db' \
    --change 'CMD ["sh", "-c", "[ -s $PGDATA/PG_VERSION ] || initdb --auth=trust --no-sync >/dev/null; exec postgres -c fsync=off -c unix_socket_directories=/tmp"]' \
    --change 'STOPSIGNAL SIGINT' "$SERVICES_TAR" postgres:15 >/dev/null
echo "# coracle run --detach --name prepared postgres:15"
coracle run --detach --name prepared postgres:15 >/dev/null
ready prepared
sql prepared "create table customers (id int primary key, name text); insert into customers select n, 'customer ' || n from generate_series(1, 100000) n"
sql prepared "select count(*) || ' customers, ' || pg_size_pretty(pg_database_size('postgres')) from customers"

echo
echo "$copies copies of it as it is now, while it runs on:"
echo "# coracle fork --count $copies --name test-{n} prepared"
disk=$(du -s -B1 "$base/root" | cut -f1)
begin=$(date +%s%N)
coracle fork --count "$copies" --name 'test-{n}' prepared >/dev/null
end=$(date +%s%N)
grown=$(($(du -s -B1 "$base/root" | cut -f1) - disk))
for n in $(seq "$copies"); do ready "test-$n"; done
echo "started in $(((end - begin) / 1000000)) ms; $((grown / 1000000)) MB more on disk for all of them"

echo
echo "A test in each, all at once: it changes every customer, deletes some and adds its own."
pids=
for n in $(seq "$copies"); do
    sql "test-$n" "update customers set name = 'seen by $n'; delete from customers where id <= $n; insert into customers values (1000000 + $n, 'of test $n')" &
    pids="$pids $!"
done
for pid in $pids; do wait "$pid" || fail "a test failed"; done

for n in $(seq "$copies"); do
    expected="$((100000 - n + 1))|1|$((1000000 + n))"
    seen=$(sql "test-$n" "select count(*), count(distinct name) filter (where id < 1000000), max(id) from customers")
    [ "$seen" = "$expected" ] || fail "test-$n sees $seen, and not $expected"
done
seen=$(sql prepared "select count(*), count(*) filter (where name = 'customer ' || id) from customers")
[ "$seen" = "100000|100000" ] || fail "the prepared database was changed: $seen"
echo "Each saw its own writes and nobody else's; the prepared database is as it was."
