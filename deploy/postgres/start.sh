#!/bin/bash
# Gives Postgres's own user the key of its certificate, which nobody else may read, and goes on as the
# image does.
set -euo pipefail
for part in key certificate; do
    install --owner=postgres --group=postgres --mode=600 \
        "/run/secrets/postgres_$part" "/tmp/server_$part"
done
exec docker-entrypoint.sh "$@"
