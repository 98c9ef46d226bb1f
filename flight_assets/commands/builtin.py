"""librdkafka's built-in cluster keeps nothing when it stops: what that means for the ledger."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flight_assets.local.endpoints import Endpoints

BY = "flight-assets"
WHY = "librdkafka's built-in cluster keeps nothing when it stops"


def accept_new_cluster(endpoints: "Endpoints") -> None:
    """Let landing begin with the topics of a built-in cluster that has been started anew.

    The ledger then says that the rest of the old topics is gone. Does nothing for another Kafka,
    where that is for a person to accept.
    """
    if endpoints.kafka_kind != "builtin":
        return
    from flight_assets.assets.raw_flights import RAW_FLIGHTS, RAW_POLLS
    from flight_assets.feed.topics import ensure_topics
    from flight_assets.warehouse.connection import connect
    from kafka_sensors.client import Reader
    from kafka_sensors.holes import acknowledge

    bootstrap_servers = endpoints.kafka_bootstrap_servers
    ensure_topics(bootstrap_servers)
    for target in (RAW_FLIGHTS, RAW_POLLS):
        with (
            Reader(bootstrap_servers, target.topic) as reader,
            connect(endpoints.conninfo()) as connection,
        ):
            acknowledge(target, reader, connection, by=BY, reason=WHY)
