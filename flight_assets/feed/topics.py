"""The two topics of the feed: made where they are missing, left alone where they are not."""

import logging
from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.core.polls import POLLS_TOPIC
from flight_assets.errors import FlightAssetsError

log = logging.getLogger(__name__)

# Six partitions are six readers; polls are few and in order.
PARTITION_COUNTS = {POSITIONS_TOPIC: 6, POLLS_TOPIC: 1}
REQUEST_TIMEOUT_S = 10


def ensure_topics(bootstrap_servers: str, security: Mapping[str, str] | None = None) -> None:
    """Make the topics that are missing, with the broker's own replication and retention.

    ``security`` goes to librdkafka as it is. A user without rights on a topic does not see it.

    Messages carry the time of the source, and a capture is old: a broker that deletes by time
    (``retention.ms``) deletes a replayed capture at once. Retention is the broker's to decide;
    the local one keeps by size. Raises ``FlightAssetsError`` where a topic cannot be had.
    """
    admin = AdminClient(
        {"bootstrap.servers": bootstrap_servers, "log_level": 0, **(security or {})}
    )
    try:
        cluster = admin.list_topics(timeout=REQUEST_TIMEOUT_S)
    except KafkaException as error:
        raise FlightAssetsError(
            f"Kafka at {bootstrap_servers} does not answer ({error.args[0].str()}); "
            "start it (flight-assets up) or correct KAFKA_BOOTSTRAP_SERVERS"
        ) from error
    missing = sorted(PARTITION_COUNTS.keys() - cluster.topics.keys())
    if cluster.controller_id not in cluster.brokers:  # nobody takes orders
        _name(missing, admin)
    elif missing:
        _make(missing, admin)


def _make(topics: Iterable[str], admin: AdminClient) -> None:
    wanted = [
        NewTopic(topic, num_partitions=PARTITION_COUNTS[topic], replication_factor=-1)
        for topic in topics
    ]
    for topic, made in admin.create_topics(wanted, request_timeout=REQUEST_TIMEOUT_S).items():
        try:
            made.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another was quicker
                raise _cannot_be_made(topic, error.args[0]) from error


def _name(topics: Iterable[str], admin: AdminClient) -> None:
    """Ask for topics, which is how a cluster that takes no orders, librdkafka's, makes them."""
    for topic in topics:
        metadata = admin.list_topics(topic, timeout=REQUEST_TIMEOUT_S).topics[topic]
        if metadata.error is not None:
            raise _cannot_be_made(topic, metadata.error)
        log.warning(
            "%s: this cluster chooses the partitions itself: %d, not %d",
            topic,
            len(metadata.partitions),
            PARTITION_COUNTS[topic],
        )


def _cannot_be_made(topic: str, error: KafkaError) -> FlightAssetsError:
    return FlightAssetsError(
        f"topic {topic} cannot be made: {error.str()}; make it by hand with "
        f"{PARTITION_COUNTS[topic]} partitions, or give this user the right to"
    )
