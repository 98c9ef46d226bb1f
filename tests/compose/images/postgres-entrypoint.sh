#!/bin/bash
# Stands in for the official image's entrypoint: makes the data directory once, with the password of
# POSTGRES_PASSWORD_FILE, the user, the database and the scripts of /docker-entrypoint-initdb.d.
set -euo pipefail

if [ "$(id -u)" = 0 ]; then
    # read as root, as the official one does: the file need not be the server's user's
    POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
    export POSTGRES_PASSWORD
    mkdir -p "$PGDATA"
    chown postgres:postgres "$PGDATA" "$(dirname "$PGDATA")" /var/run/postgresql
    chmod 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # shellcheck disable=SC2086 # the options are several words
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") \
        ${POSTGRES_INITDB_ARGS:-} "$PGDATA"
    echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >> "$PGDATA/pg_hba.conf"
    pg_ctl -D "$PGDATA" -o "-c listen_addresses= -c unix_socket_directories=/var/run/postgresql" -w start
    export PGHOST=/var/run/postgresql PGUSER=$POSTGRES_USER PGPASSWORD=$POSTGRES_PASSWORD
    database=${POSTGRES_DB:-$POSTGRES_USER}
    [ "$database" = postgres ] || psql -d postgres -c "create database \"$database\""
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
            *.sh) bash "$script" ;;
            *.sql) psql -v ON_ERROR_STOP=1 -d "$database" -f "$script" ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
fi
unset POSTGRES_PASSWORD
exec "$@"
