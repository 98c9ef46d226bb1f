#!/bin/bash
# Becomes a broker: its settings are KAFKA_… variables (KAFKA_NODE_ID=1 is node.id=1), what secures it,
# and its secrets, which are in no description of the container. Only Java and Kafka's jars are needed.
set -euo pipefail
umask 077
here=/etc/flight-assets
admin=$(cat /run/secrets/kafka_admin_password)
cat /run/secrets/kafka_key /run/secrets/kafka_certificate > /tmp/keystore.pem

properties=/tmp/server.properties
{
    env | grep '^KAFKA_' | grep -v '^KAFKA_HEAP_OPTS=' | while IFS='=' read -r name value; do
        echo "$(tr A-Z_ a-z. <<< "${name#KAFKA_}")=$value"
    done
    cat $here/secured.properties
    echo "listener.name.client.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule" \
        "required username=\"admin\" password=\"$admin\";"
} > $properties

kafka=(java -cp '/opt/kafka/libs/*' "-Dlog4j2.configurationFile=$here/log4j2.properties")
if [ ! -e "$KAFKA_LOG_DIRS/meta.properties" ]; then
    # an argument, for the second that it takes: nobody else is in this container. What it prints has the
    # password as Kafka keeps it, which is nobody's to read either
    "${kafka[@]}" -XX:TieredStopAtLevel=1 kafka.tools.StorageTool format -t "$CLUSTER_ID" -c $properties \
        --add-scram "SCRAM-SHA-512=[name=admin,password=$admin]" > /dev/null
fi
# shellcheck disable=SC2086 # the options are several words
exec "${kafka[@]}" ${KAFKA_HEAP_OPTS:-} -XX:+ExitOnOutOfMemoryError kafka.Kafka $properties
