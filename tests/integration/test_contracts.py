"""Two versions of the contract of observations side by side in a topic; an unknown one is named."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import msgspec
import psycopg
import pytest

from flight_assets.assets.raw_flights import FLIGHT_COLUMNS, RAW_FLIGHTS
from flight_assets.core import observations
from flight_assets.core.observations import VERSIONS, Observation, encode
from kafka_sensors.retry import retry
from kafka_sensors.target import Target
from kafka_sensors.versions import Version, decoder
from tests.landing_topic import EIGHT, Topic, seconds

pytestmark = pytest.mark.integration

FEET_PER_M = 3.28084
# Version 2 of this test says metres, and has a field more that must be there.
FIELDS = [
    ("version", Literal[2]),
    ("altitude_m", float | None),
    ("receiver_id", str),
    *(
        (field.name, field.type)
        for field in msgspec.structs.fields(Observation)
        if field.name not in ("version", "altitude_ft")
    ),
]
SecondObservation = msgspec.defstruct(
    "SecondObservation",
    FIELDS,
    kw_only=True,
    namespace={
        "altitude_ft": property(
            lambda new: None if new.altitude_m is None else round(new.altitude_m * FEET_PER_M)
        )
    },
)


def from_first(old: Observation) -> msgspec.Struct:
    """Return what version 1 said in the words of version 2."""
    said = {name: getattr(old, name) for name in Observation.__struct_fields__}
    feet = said.pop("altitude_ft")
    metres = None if feet is None else feet / FEET_PER_M
    return SecondObservation(**said | {"version": 2, "altitude_m": metres, "receiver_id": ""})


def first(number: int) -> bytes:
    """Return a message of version 1."""
    nothing: dict[str, Any] = dict.fromkeys(Observation.__struct_fields__)
    place = {"observed_at": seconds(EIGHT), "lat_deg": 1.0, "lon_deg": 2.0, "altitude_ft": 35_000}
    ids = {"version": 1, "poll_id": "p", "tile_id": "0", "flight_id": str(number)}
    return encode(Observation(**nothing | place | ids | {"is_on_ground": False}))


def second(number: int, *, version: int = 2) -> bytes:
    """Return the same as version 2 says it, or another that nobody knows."""
    said = msgspec.json.decode(first(number))
    del said["altitude_ft"]
    more = {"version": version, "altitude_m": 35_000 / FEET_PER_M, "receiver_id": "r"}
    return msgspec.json.encode(said | more)


@pytest.fixture
def topic(kafka_bootstrap: str, database: str) -> Iterator[Topic]:
    topic = Topic(kafka_bootstrap, database)
    yield topic
    topic.delete()


def reading(topic: Topic, *versions: Version) -> Target:
    """Return where observations land, read by a decoder of these versions."""
    return replace(RAW_FLIGHTS, topic=topic.name, decode=decoder(*versions), plan=None)


BOTH = (Version(1, Observation, from_first), Version(2, SecondObservation))
LANDED = "select flight_id, altitude_ft from bronze.raw_flights order by flight_id::int"


def test_two_versions_land_in_one_table_and_an_unknown_one_is_rejected(topic: Topic) -> None:
    values = [first(n) if n % 2 else second(n) for n in range(40)]
    topic.send(*values[:25], second(99, version=3), *values[25:], at=EIGHT)
    topic.target = reading(topic, *BOTH)
    (hour,) = topic.land()
    assert (hour.row_count, hour.rejected_count) == (40, 1)
    assert topic.select(LANDED) == [(str(number), 35_000) for number in range(40)]
    assert topic.select(
        "select kafka_offset, reason, detail, value from bronze.rejected_messages"
    ) == [
        (
            25,
            "unknown_version",
            "Version 3 is not known here, known: 1, 2 - at `$.version`",
            second(99, version=3),
        )
    ]


def test_what_polled_a_version_too_early_lands_when_the_decoder_knows_it(topic: Topic) -> None:
    topic.send(first(0), second(1), first(2), second(3), at=EIGHT)
    topic.target = reading(topic, *VERSIONS)
    (hour,) = topic.land()
    assert (hour.row_count, hour.rejected_count) == (2, 2)
    with psycopg.connect(topic.database) as connection:
        (retried,) = retry(reading(topic, *BOTH), connection, run_id="retry")
    assert (retried.landed_count, retried.still_rejected) == (2, {})
    assert topic.select(LANDED) == [(str(number), 35_000) for number in range(4)]
    (hour,) = topic.replay(EIGHT)
    assert (hour.row_count, hour.rejected_count) == (2, 2), "the old decoder, in a replay, as well"


def test_the_product_reads_its_own_version_and_the_row_of_every_column() -> None:
    decoded = observations.decode(first(7))
    assert decoded.version == observations.CONTRACT_VERSION
    assert len(RAW_FLIGHTS.row(decoded)) == len(FLIGHT_COLUMNS)
