#!/bin/sh
# Gives the process its secrets: for each variable NAME_FILE that names a file of /run/secrets, what is
# in it as NAME. So they are in the environment of that process alone, not in the container's
# description, nor in any command.
set -eu
for pair in $(env | sed -n 's|^\([A-Z_]*\)_FILE=\(/run/secrets/[a-z_]*\)$|\1=\2|p'); do
    name=${pair%%=*} file=${pair#*=}
    if [ ! -r "$file" ]; then
        echo "entrypoint: user $(id -u) cannot read $file, which ${name}_FILE names: the files of" \
            "secrets/ belong to the user that the containers run as (docs/deploy.md)" >&2
        exit 1
    fi
    value=$(cat "$file")
    # an empty one is a secret of something that is off
    [ -z "$value" ] || export "$name=$value"
done
exec "$@"
