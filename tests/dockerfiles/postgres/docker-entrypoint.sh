#!/usr/bin/env bash
set -Eeo pipefail

if [ "$1" = 'postgres' ] && [ "$(id -u)" = '0' ]; then
	chown -R postgres "$PGDATA"
	chmod 00700 "$PGDATA"
	exec gosu postgres "$BASH_SOURCE" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
	initdb --username=postgres --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:?it is not set}") --no-sync --auth-host=scram-sha-256 >/dev/null
	echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
	pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start >/dev/null
	for file in /docker-entrypoint-initdb.d/*.sql; do
		psql --username postgres --no-psqlrc -v ON_ERROR_STOP=1 -f "$file"
	done
	pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
fi

exec "$@"
