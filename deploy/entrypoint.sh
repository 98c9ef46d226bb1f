#!/bin/sh
# Gives the process its secrets: the content of the file that NAME_FILE names as NAME. So they are
# in the environment of that process alone, not in the container's description.
set -eu
for name in POSTGRES_PASSWORD ALERT_WEBHOOK_URL SMTP_PASSWORD; do
    eval "file=\${${name}_FILE:-}"
    [ -n "$file" ] || continue
    if [ ! -r "$file" ]; then
        echo "entrypoint: user $(id -u) cannot read $file, which ${name}_FILE names:" \
            "give the files of secrets/ to that user (docs/deploy.md)" >&2
        exit 1
    fi
    value=$(cat "$file")
    [ -z "$value" ] || export "$name=$value"
done
exec "$@"
