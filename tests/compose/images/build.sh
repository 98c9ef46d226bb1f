#!/bin/bash
# Build stand-ins for the base images of docker-compose.yml and the Dockerfile, under the names that
# these give them, on a machine whose engine can pull none. Needs root, debootstrap, Maven and an
# engine in DOCKER_HOST. Takes three minutes, and nothing for an image that is there.
set -euo pipefail
cd "$(dirname "$0")"
top=../../..
suite=bookworm
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

exists() { docker image inspect "$1" >/dev/null 2>&1; }

image() { # the whole name of the image whose name begins so
    sed -nE "s#^ *(image:|FROM) ($1[^ ]*).*#\\2#p" $top/docker-compose.yml $top/Dockerfile | head -n 1
}

build() { # NAME FILE CONTEXT
    exists "$1" || docker build --quiet --network host --tag "$1" --file "$2" "$3"
}

debian() {
    exists flight-assets-debian && return
    debootstrap --variant=minbase --include=ca-certificates "$suite" "$scratch/root" >/dev/null
    # what the machine needs to reach its registries: their certificates and its clients' settings
    for file in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf /etc/apt/sources.list \
        /etc/apt/sources.list.d /etc/apt/apt.conf.d; do
        if [ -e "$file" ]; then cp -rT "$file" "$scratch/root$file"; fi
    done
    rm -f "$scratch"/root/var/cache/apt/archives/*.deb
    tar -C "$scratch/root" -c . | docker import - flight-assets-debian >/dev/null
    rm -rf "$scratch/root"
}

kafka_jars() { # prints the folder of the jars, which the local stack uses too
    PYTHONPATH=$top "${PYTHON:-python3}" -c '
from flight_assets.local import kafka_jars
libs = kafka_jars.libs_or_default(None)
kafka_jars.fetch_jars(libs, lambda text: None)
print(libs)'
}

debian
build "$(image python:)" python.Dockerfile .
build "$(image postgres:)" postgres.Dockerfile .
build "$(image nginxinc/nginx-unprivileged:)" nginx.Dockerfile .

mkdir "$scratch/kafka"
cp -r "$(kafka_jars)" "$scratch/kafka/libs"
build "$(image apache/kafka:)" kafka.Dockerfile "$scratch/kafka"
