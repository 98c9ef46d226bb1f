#!/bin/sh
# Postgres's archive_command: keep one file of its log, and never write over another one.
#
#   archive_wal.sh PATH NAME DIRECTORY      (%p, %f and the archive)
#
# Postgres removes its own copy once this ends with 0, so by then file and directory are on the
# disk. Where it fails, Postgres says so in its log and tries again for ever.
set -eu

path=$1
name=$2
archive=$3

if [ -e "$archive/$name" ]; then
    # the server died between this and its note of it: the same file comes a second time
    cmp -s "$path" "$archive/$name" || {
        echo "$archive/$name is there and differs: do two servers archive to one directory?" >&2
        exit 1
    }
    sync "$archive/$name"
    sync "$archive"
    exit 0
fi

part=$archive/.$name.$$
trap 'rm -f "$part"' EXIT
cp "$path" "$part"
sync "$part"
ln "$part" "$archive/$name" # unlike mv it fails where the name is taken
sync "$archive"
