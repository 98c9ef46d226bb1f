#!/bin/sh
# Start again each container of the line that `docker kill` ended, until this ends itself. The engine
# takes that for a person's will, as it does `docker stop`, and its restart policy does nothing then.
# What was stopped stays stopped: of a stop the engine tells by itself, right behind the end.
#   deploy/keep.sh CONTAINER…       one of the line is enough: all of its project are kept
set -eu
docker=${DOCKER:-docker}
SETTLED_S=3 # from an end until a stop was told of, or a crash was answered by the engine itself
AGAIN_S=5   # until the engine is asked again after it has gone; it starts containers by itself then

if [ $# -eq 0 ]; then
    echo "There is no container to keep: call \`make up\` first." >&2
    exit 1
fi
project=$($docker inspect --format '{{index .Config.Labels "com.docker.compose.project"}}' "$1")

# start_if_killed ID NAME ENDED_AT
start_if_killed() {
    sleep "$SETTLED_S"
    state='{{.State.Status}} {{.HostConfig.RestartPolicy.Name}}'
    found=$($docker inspect --format "$state" "$1" 2>/dev/null) || return 0 # removed meanwhile
    [ "$found" = "exited unless-stopped" ] || return 0
    told=$($docker events --since "$3" --until "$(date +%s)" \
        --filter "container=$1" --filter event=stop --format '{{.Action}}')
    [ -z "$told" ] || return 0
    echo "$2 was killed: starting it again"
    $docker start "$1" >/dev/null
}

echo "Keeping the containers of $project. Ctrl-C ends this, and leaves them as they are."
while :; do
    $docker events --filter type=container --filter event=die \
        --filter "label=com.docker.compose.project=$project" \
        --format '{{.ID}} {{.Actor.Attributes.name}} {{.Time}}' |
        while read -r id name at; do start_if_killed "$id" "$name" "$at" & done
    sleep "$AGAIN_S"
done
