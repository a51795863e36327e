#!/bin/sh
# A web server and a database on a network of their own: published, stopped, and run again from a newer image with the
# data kept. Runs in an engine root of its own and removes everything afterwards.
# Needs CORACLE_BIN (the binary) and SERVICES_TAR (a root file system with PostgreSQL and perl, as `cargo xtask images
# services` makes it). PORT is where the web server is published, 8080 unless set; curl must be installed.
set -eu

here=$(dirname "$0")
port=${PORT:-8080}
. "$here/../throwaway.sh"

# Shows a command as the reader would type it, and runs it.
show() {
    echo "# coracle $*"
    coracle "$@"
}

# Asks the web server, which takes a moment to come up, and checks its answer.
visit() {
    echo "# curl http://127.0.0.1:$port/"
    answer=$(curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors "http://127.0.0.1:$port/") || answer=nothing
    echo "$answer"
    [ "$answer" = "$1" ] || { echo "example: expected \`$1\`, saw \`$answer\`"; exit 1; }
}

# An image is a root file system and a few words about it. A program is added to the one that is there, in two versions.
mkdir -p "$base/files/app"
cp "$SERVICES_TAR" "$base/web.tar"
for version in 1 2; do
    sed "s/VERSION/$version/" "$here/counter.pl" >"$base/files/app/counter.pl"
    tar --append --file "$base/web.tar" --directory "$base/files" app
    coracle import --change 'CMD ["perl", "/app/counter.pl"]' --change 'EXPOSE 80' "$base/web.tar" "web:$version" >/dev/null
done
rm "$base/web.tar"
coracle import --change 'USER postgres' --change 'VOLUME /var/lib/postgresql' \
    --change 'ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin' --change 'ENV PGDATA=/var/lib/postgresql/data' \
    --change 'CMD ["sh", "-c", "[ -s $PGDATA/PG_VERSION ] || { initdb --auth=trust >/dev/null && echo host all all all trust >>$PGDATA/pg_hba.conf; }; exec postgres -c listen_addresses=* -c unix_socket_directories=/tmp"]' \
    --change 'STOPSIGNAL SIGINT' "$SERVICES_TAR" postgres:15 >/dev/null

show network create shop
show run --detach --name db --network shop --volume shop-data:/var/lib/postgresql postgres:15
show run --detach --name web --network shop --publish "$port:80" web:1
visit "version 1, visitor 1"
visit "version 1, visitor 2"
show ps

# Stopped, and with it everything that was not in the volume.
show stop web db
show rm web db

# Again, the web server from a newer image: the database counts on.
show run --detach --name db --network shop --volume shop-data:/var/lib/postgresql postgres:15
show run --detach --name web --network shop --publish "$port:80" web:2
visit "version 2, visitor 3"
