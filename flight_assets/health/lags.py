"""The lag of the line's two topics, with a broker that may be away."""

import logging
from collections.abc import Mapping

from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.core.polls import POLLS_TOPIC
from flight_assets.core.report import Lag, Unknown
from kafka_sensors.client import Reader
from kafka_sensors.errors import KafkaSensorsError, KafkaUnavailableError
from kafka_sensors.lag import lag_of
from kafka_sensors.ledger import Connection

TOPICS = (POSITIONS_TOPIC, POLLS_TOPIC)

# The client tells of every refused connection; what counts of it is in the error.
quiet = logging.getLogger("flight_assets.health.kafka")
quiet.disabled = True


def lags(
    bootstrap_servers: str | None,
    connection: Connection,
    *,
    timeout_s: float,
    security: Mapping[str, str] | None = None,
) -> tuple[tuple[Lag, ...], list[Unknown]]:
    """Return the lag of each topic-partition, and the topics of which it cannot be told."""
    if bootstrap_servers is None:
        why = "Kafka does not run here: call `flight-assets up`, or set KAFKA_BOOTSTRAP_SERVERS"
        return (), [Unknown(what="lags", why=why)]
    found: list[Lag] = []
    unknown: list[Unknown] = []
    for topic in TOPICS:
        try:
            found += _lag(bootstrap_servers, topic, connection, timeout_s, security or {})
        except KafkaUnavailableError as error:  # the next topic would wait as long
            return tuple(found), [*unknown, Unknown(what="lags", why=str(error))]
        except KafkaSensorsError as error:
            unknown.append(Unknown(what=f"lag of {topic}", why=str(error)))
    return tuple(found), unknown


def _lag(
    servers: str, topic: str, connection: Connection, timeout_s: float, security: Mapping[str, str]
) -> list[Lag]:
    options = {"logger": quiet, "socket.timeout.ms": int(timeout_s * 1000), **security}
    with Reader(servers, topic, timeout_s=timeout_s, options=options) as reader:
        return [
            Lag(
                topic=lag.topic,
                partition=lag.partition,
                high_watermark=lag.high_watermark,
                landed_end=lag.landed_end,
                waiting=lag.waiting,
            )
            for lag in lag_of(reader, connection, ledger_schema="bronze")
        ]
