#!/bin/bash
# Stands in for /etc/kafka/docker/run: KAFKA_NODE_ID=1 becomes node.id=1, then format and start.
set -euo pipefail
properties=/opt/kafka/config/server.properties
: > "$properties"
env | while IFS='=' read -r name value; do
    case $name in
        KAFKA_HEAP_OPTS | KAFKA_OPTS | KAFKA_JVM_PERFORMANCE_OPTS | KAFKA_LOG4J*) ;;
        KAFKA_*)
            key=$(tr 'A-Z_' 'a-z.' <<< "${name#KAFKA_}")
            echo "$key=$value" >> "$properties"
            ;;
    esac
done
java -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' kafka.tools.StorageTool \
    format --ignore-formatted -t "$CLUSTER_ID" -c "$properties"
# shellcheck disable=SC2086 # the options are several words
exec java ${KAFKA_HEAP_OPTS:--Xmx1G} ${KAFKA_JVM_PERFORMANCE_OPTS:-} ${KAFKA_OPTS:-} \
    -Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.properties \
    -cp '/opt/kafka/libs/*' kafka.Kafka "$properties"
