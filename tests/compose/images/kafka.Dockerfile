# What apache/kafka offers, as far as docker-compose.yml uses it: a Java runtime, the published jars
# and an entrypoint that turns KAFKA_… variables into the broker's settings.
FROM flight-assets-debian
RUN apt-get update \
    && apt-get install -y --no-install-recommends openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --no-create-home appuser \
    && mkdir -p /opt/kafka/config /var/lib/kafka/data \
    && chown -R appuser:root /opt/kafka/config /var/lib/kafka
COPY libs /opt/kafka/libs
COPY log4j2.properties /etc/kafka/docker/log4j2.properties
COPY kafka-entrypoint.sh /etc/kafka/docker/run
USER appuser
EXPOSE 9092
CMD ["/etc/kafka/docker/run"]
