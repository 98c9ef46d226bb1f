# What apache/kafka offers, as far as docker-compose.yml uses it: a Java runtime, the published jars, and
# a folder for the data that the group of root can write.
FROM flight-assets-debian
RUN apt-get update \
    && apt-get install -y --no-install-recommends openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --no-create-home appuser \
    && mkdir -p /var/lib/kafka/data \
    && chown -R appuser:root /var/lib/kafka \
    && chmod -R ug+w /var/lib/kafka
COPY libs /opt/kafka/libs
USER appuser
EXPOSE 9092
