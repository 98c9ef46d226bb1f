"""Messages as pollers publish them: what is seen in an hour, and its poll."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from confluent_kafka import Producer

from flight_assets.core import observations, polls
from flight_assets.core.observations import POSITIONS_TOPIC, Observation
from flight_assets.core.polls import POLLS_TOPIC, Poll
from kafka_sensors.offsets import OffsetRange

from .modelled import flight


def observed(flight_id: str, at: datetime, **fields: Any) -> Observation:
    """Return an observation of the flight of ``modelled.flight``, as told otherwise."""
    more = {"tile_id": "0", "heading_deg": 45, "vertical_speed_fpm": None, "squawk": "2000"}
    row = flight(flight_id, at, flight_number="SQ 24", **more, **fields)
    return Observation(**row | {"observed_at": int(at.timestamp())})


def seen_in(hour: datetime) -> list[Observation]:
    """Return what a poll at the end of an hour sees, and something seen much earlier in it."""
    early, late = hour + timedelta(minutes=20), hour + timedelta(minutes=59)
    german = {"airline_icao": "DLH", "type_code": "A20N", "origin_iata": "FRA"}
    return [
        observed("a", early),
        observed("a", late),
        observed("b", late, **german),
        observed("c", late, is_on_ground=True, altitude_ft=None),
        observed("d", late, **german, destination_iata="LHR", ground_speed_kt=401),
    ]


def poll_of(hour: datetime) -> Poll:
    """Return the poll at the end of an hour."""
    started_at = int((hour + timedelta(minutes=59)).timestamp())
    return Poll(
        poll_id=f"poll of {hour:%H}", source="simulated", started_at=started_at,
        ended_at=started_at + 20, observation_count=5, refused_count=1, duplicate_count=0,
        full_count=5, request_count=1, tile_count=1, saturated_tile_ids=[], failed_tile_ids=["01"],
    )  # fmt: skip


def publish(
    bootstrap: str, topic: str, values: Sequence[bytes], *, at: datetime, partition: int = 0
) -> OffsetRange:
    """Publish messages; return their offsets."""
    offsets: list[int] = []
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for value in values:
        producer.produce(
            topic,
            value,
            partition=partition,
            timestamp=int(at.timestamp()) * 1000,
            on_delivery=lambda _, message: offsets.append(message.offset()),
        )
    assert producer.flush(30) == 0
    return OffsetRange(offsets[0], offsets[-1] + 1)


def publish_hour(bootstrap: str, hour: datetime) -> None:
    """Publish what is seen in an hour and its poll, as a poller does."""
    seen = [observations.encode(each) for each in seen_in(hour)]
    publish(bootstrap, POSITIONS_TOPIC, seen, at=hour)
    publish(bootstrap, POLLS_TOPIC, [polls.encode(poll_of(hour))], at=hour)
