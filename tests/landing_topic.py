"""A topic with a table of its own, for the tests that land between real servers."""

import hashlib
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import msgspec
import psycopg
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from kafka_sensors.client import TIMEOUT_S, Reader
from kafka_sensors.landing import LandedHour, Target, land_waiting
from kafka_sensors.offsets import HOUR
from kafka_sensors.plain import plan_of
from kafka_sensors.replay import replay_hours

EIGHT = datetime(2025, 7, 20, 8, tzinfo=UTC)
NINE = EIGHT + HOUR
NOW = datetime(2025, 7, 20, 9, 40, tzinfo=UTC)

TABLE = """
create table bronze.readings (
    log_hour timestamptz not null,
    slice_id bigint not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    read_at timestamptz not null,
    name text not null,
    level integer,
    marks text[] not null,
    primary key (log_hour, kafka_partition, kafka_offset, slice_id)
) partition by range (log_hour)
"""
COLUMNS = {"read_at": "timestamptz", "name": "text", "level": "int4", "marks": "text[]"}


class Reading(msgspec.Struct):
    """What the messages of these tests say."""

    read_at: int
    name: str
    level: int | None = None
    marks: list[str] = []


def seconds(at: datetime) -> int:
    return int(at.timestamp())


def target_of(topic: str) -> Target:
    """Return where the readings of a topic land."""
    return Target(
        topic=topic,
        table="bronze.readings",
        columns=COLUMNS,
        decode=msgspec.json.Decoder(Reading).decode,
        row=attrgetter(*COLUMNS),
        event_at_s=attrgetter("read_at"),
        plan=plan_of(Reading, COLUMNS, event_at="read_at"),  # readings without marks are plain
        earliest_hour=datetime(2022, 1, 1, tzinfo=UTC),
    )


class Topic:
    """A topic with its target, its table and what a test does with them."""

    def __init__(self, bootstrap: str, database: str, *, partitions: int = 1) -> None:
        self.bootstrap = bootstrap
        self.database = database
        self.timeout_s = TIMEOUT_S  # without an answer from the brokers
        self.name = f"readings.{uuid.uuid4().hex[:8]}"
        self.admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self.create(partitions)
        self.target = target_of(self.name)
        with psycopg.connect(database) as connection:
            connection.execute(TABLE)

    def create(self, partitions: int = 1) -> None:
        self.admin.create_topics([NewTopic(self.name, partitions, 1)])[self.name].result()

    def delete(self) -> None:
        self.admin.delete_topics([self.name])[self.name].result()

    def send(
        self,
        *values: bytes | None,
        at: datetime,
        partition: int = 0,
        options: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """Send messages; ``options`` are the producer's, ``more`` goes with each message."""
        producer = Producer({"bootstrap.servers": self.bootstrap, **(options or {})})
        timestamp = seconds(at) * 1000
        for value in values:
            producer.produce(self.name, value, partition=partition, timestamp=timestamp, **more)
        assert producer.flush(20) == 0

    def send_readings(self, count: int, *, at: datetime, partition: int = 0) -> None:
        reading = Reading(read_at=seconds(at), name="tide", level=3, marks=["a", "b"])
        self.send(*[msgspec.json.encode(reading)] * count, at=at, partition=partition)

    def expire_before(self, offset: int) -> None:
        """Delete what is before an offset, as retention does."""
        where = TopicPartition(self.name, 0, offset)
        self.admin.delete_records([where])[TopicPartition(self.name, 0)].result()

    def run(self, action: Callable[..., Any], **arguments: Any) -> Any:
        with (
            Reader(self.bootstrap, self.name, timeout_s=self.timeout_s) as reader,
            psycopg.connect(self.database) as connection,
        ):
            return action(self.target, reader, connection, **arguments)

    def land(self, first: datetime = EIGHT, last: datetime = NINE, **more: Any) -> list[LandedHour]:
        asked = {"first_hour": first, "last_hour": last, "now": NOW, "run_id": "run", **more}
        landed: list[LandedHour] = self.run(land_waiting, **asked)
        return landed

    def replay(self, hour: datetime, **more: Any) -> list[LandedHour]:
        asked = {"first_hour": hour, "last_hour": hour, "now": NOW, "run_id": "again", **more}
        landed: list[LandedHour] = self.run(replay_hours, **asked)
        return landed

    def select(self, query: str) -> list[Any]:
        with psycopg.connect(self.database, options="-c timezone=UTC") as connection:
            return connection.execute(query).fetchall()

    def ledger(self) -> list[tuple[int, int, int]]:
        return self.select(
            "select kafka_partition, start_offset, end_offset from bronze.landed_slices "
            "where kind = 'landed' order by 1, 2"
        )

    def row_hash(self) -> str:
        rows = self.select(
            "select log_hour, kafka_partition, kafka_offset, read_at, name, level, marks "
            "from bronze.readings order by 1, 2, 3"
        )
        return hashlib.sha256(repr(rows).encode()).hexdigest()
