#!/bin/bash
# Build Compose v2 as FOLDER/docker-compose, where the engine came without it. Needs Go; 5 minutes.
set -euo pipefail
version=v2.40.3
folder=$1
if [ -x "$folder/docker-compose" ]; then exit; fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
go mod init throwaway
go get "github.com/docker/compose/v2/cmd@$version"
go build -ldflags "-s -w -X github.com/docker/compose/v2/internal.Version=$version" \
    -o docker-compose github.com/docker/compose/v2/cmd
mkdir -p "$folder"
mv docker-compose "$folder/docker-compose"
