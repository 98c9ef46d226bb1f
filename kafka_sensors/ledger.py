"""The ledger: what has landed. Every statement about ``landed_slices`` is here.

A row is a slice or an acknowledged hole. The rows of a topic-partition are a chain: each starts
where the last one ended. Beside the chain, a ``retried`` row has messages that were rejected from
the landed row around it and landed later. All but reading happens under one lock per ledger, held
to the end of the transaction: so slices commit one after another, a run sees what another one has
landed, and slice ids, drawn under it, follow commit order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from kafka_sensors.decoding import EventHour
from kafka_sensors.errors import TopicRecreatedError
from kafka_sensors.offsets import LAST_OFFSET, OffsetRange
from kafka_sensors.target import ACKNOWLEDGE, Target

Connection = psycopg.Connection[Any]

# By the unique index, so that it costs the same however long the chain is.
ENDS = """
select chain.kafka_partition, chain.end_offset, chain.log_hour
from unnest(%(partitions)s::int[]) as wanted (kafka_partition)
cross join lateral (
    select kafka_partition, end_offset, log_hour
    from {schema}.landed_slices
    where topic = %(topic)s and topic_id = %(topic_id)s
    and kafka_partition = wanted.kafka_partition and kind <> 'retried'
    order by start_offset desc
    limit 1
) as chain
"""

# A chain is closed by a hole up to the last offset there can be.
OPEN_CHAINS_OF_OTHERS = """
select topic_id, kafka_partition, max(end_offset), max(log_hour)
from {schema}.landed_slices
where topic = %(topic)s and topic_id <> %(topic_id)s and kind <> 'retried'
group by topic_id, kafka_partition
having max(end_offset) < %(last_offset)s
order by topic_id, kafka_partition
"""

SLICES = """
select slice_id, topic_id, kafka_partition, start_offset, end_offset, log_hour,
    row_count, rejected_count,
    (
        select coalesce(sum(retried.row_count), 0)::bigint
        from {schema}.landed_slices as retried
        where retried.topic = slices.topic and retried.topic_id = slices.topic_id
        and retried.kafka_partition = slices.kafka_partition and retried.kind = 'retried'
        and retried.start_offset >= slices.start_offset
        and retried.end_offset <= slices.end_offset
    ) as retried_count
from {schema}.landed_slices as slices
where topic = %(topic)s and kind = 'landed'
"""
OF_HOURS = """
and log_hour between %(first)s and %(last)s
order by log_hour, kafka_partition, start_offset
"""
OF_ID = "and slice_id = %(slice_id)s"

INSERT = """
insert into {schema}.landed_slices (
    slice_id, kind, topic, topic_id, kafka_partition, start_offset, end_offset, log_hour,
    row_count, rejected_count, byte_count, first_message_at, last_message_at, run_id, note,
    acknowledged_by
)
overriding system value
values (
    %(slice_id)s, %(kind)s, %(topic)s, %(topic_id)s, %(partition)s, %(start)s, %(end)s,
    %(log_hour)s, %(row_count)s, %(rejected_count)s, %(byte_count)s, %(first_message_at)s,
    %(last_message_at)s, %(run_id)s, %(note)s, %(acknowledged_by)s
)
"""

INSERT_EVENT_HOUR = """
insert into {schema}.slice_event_hours
    (slice_id, event_hour, first_event_at, last_event_at, row_count)
values (%s, %s, %s, %s, %s)
"""

DELETE = """
delete from {schema}.landed_slices
where topic = %(topic)s and topic_id = %(topic_id)s and kafka_partition = %(partition)s
and start_offset = %(start)s and end_offset = %(end)s and kind = 'landed'
returning slice_id
"""

DELETE_RETRIED = """
delete from {schema}.landed_slices
where topic = %(topic)s and topic_id = %(topic_id)s and kafka_partition = %(partition)s
and start_offset >= %(start)s and end_offset <= %(end)s and kind = 'retried'
returning slice_id
"""

TAKE_REJECTED = """
update {schema}.landed_slices set rejected_count = rejected_count - %(count)s
where topic = %(topic)s and slice_id = %(slice_id)s
"""

HOLES = """
select topic_id, kafka_partition, start_offset, end_offset, landed_at, acknowledged_by, note
from {schema}.landed_slices
where topic = %(topic)s and kind = 'hole'
order by slice_id
"""

LANDED_BY_RUNS = """
select distinct run_id
from (
    select run_id from {schema}.landed_slices order by slice_id desc limit 1000
) as newest
where run_id = any(%(run_ids)s)
"""


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """How far a topic-partition has landed, and the log hour that it has come to."""

    offset: int
    log_hour: datetime


@dataclass(frozen=True, slots=True)
class OpenChain:
    """The chain of a topic that is no more, though another one has its name."""

    topic_id: str
    partition: int
    end: ChainEnd


@dataclass(frozen=True, slots=True)
class LandedSlice:
    """One landed row of the ledger."""

    slice_id: int
    topic_id: str
    partition: int
    offsets: OffsetRange
    log_hour: datetime
    row_count: int
    rejected_count: int
    retried_count: int = 0  # rejected at first, and landed since

    @property
    def message_count(self) -> int:
        """The messages that were in it."""
        return self.row_count + self.rejected_count + self.retried_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is to be written of a slice, or of a hole."""

    topic_id: str
    partition: int
    offsets: OffsetRange
    log_hour: datetime
    kind: str = "landed"
    row_count: int = 0
    rejected_count: int = 0
    byte_count: int = 0
    first_message_at: datetime | None = None
    last_message_at: datetime | None = None
    run_id: str | None = None
    note: str | None = None
    acknowledged_by: str | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """The part of a ledger that is about one topic."""

    connection: Connection
    schema: str
    topic: str
    acknowledge: str = ACKNOWLEDGE  # what a person calls to accept a loss

    @classmethod
    def of(cls, connection: Connection, target: Target) -> "Ledger":
        """Return the ledger of a target's topic."""
        return cls(connection, target.ledger_schema, target.topic, target.acknowledge)

    def lock(self) -> None:
        """Wait until no other transaction writes the ledger; let go at the end of this one."""
        self.connection.execute(
            "select pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"kafka_sensors ledger {self.schema}"],
        )

    def next_slice_id(self) -> int:
        """Return the id of the slice that this transaction writes. Only under the lock."""
        row = self.connection.execute(
            "select nextval(pg_get_serial_sequence(%s, 'slice_id'))",
            [f"{self.schema}.landed_slices"],
        ).fetchone()
        return int(row[0]) if row else 0

    def ends(self, topic_id: str, partitions: Sequence[int]) -> dict[int, ChainEnd]:
        """Return how far each partition has landed; one that never landed is missing.

        Raises ``TopicRecreatedError`` where the ledger has only another topic of that name.
        """
        found = self.known_ends(topic_id, partitions)
        if not found:
            self._refuse_another_topic(topic_id)
        return found

    def known_ends(self, topic_id: str, partitions: Sequence[int]) -> dict[int, ChainEnd]:
        """Return what ``ends`` does, also where the ledger has another topic of that name."""
        found = self._select(ENDS, topic_id=topic_id, partitions=list(partitions))
        return {partition: ChainEnd(end, hour.astimezone(UTC)) for partition, end, hour in found}

    def _refuse_another_topic(self, topic_id: str) -> None:
        others = self.open_chains_of_others(topic_id)
        if others:
            known = others[-1]
            raise TopicRecreatedError(
                f"topic {self.topic} was deleted and made again: the broker's has the id "
                f"{topic_id}, the ledger follows {known.topic_id} up to offset {known.end.offset} "
                f"of partition {known.partition}. What was not landed is gone; to land the new "
                f"topic from its beginning acknowledge it: {self.acknowledge}"
            )

    def open_chains_of_others(self, topic_id: str) -> list[OpenChain]:
        """Return the unclosed chains of other topics of this name."""
        found = self._select(OPEN_CHAINS_OF_OTHERS, topic_id=topic_id, last_offset=LAST_OFFSET)
        return [
            OpenChain(other, part, ChainEnd(end, hour.astimezone(UTC)))
            for other, part, end, hour in found
        ]

    def slices(self, first_hour: datetime, last_hour: datetime) -> list[LandedSlice]:
        """Return what has landed in a range of log hours, both included, in order."""
        found = self._select(SLICES + OF_HOURS, first=first_hour, last=last_hour)
        return [landed_slice(row) for row in found]

    def slice(self, slice_id: int) -> LandedSlice | None:
        """Return a slice that has landed, ``None`` where it was replaced or never was."""
        return next(map(landed_slice, self._select(SLICES + OF_ID, slice_id=slice_id)), None)

    def holes(self) -> list[tuple[Any, ...]]:
        """Return the acknowledged holes, oldest first, by the columns of ``HOLES``."""
        return self._select(HOLES)

    def runs_that_landed(self, run_ids: Sequence[str]) -> set[str]:
        """Return which of these recent runs wrote any of the newest thousand rows."""
        return {run_id for (run_id,) in self._select(LANDED_BY_RUNS, run_ids=list(run_ids))}

    def append(
        self, entry: Entry, *, slice_id: int | None = None, event_hours: Iterable[EventHour] = ()
    ) -> int:
        """Write one row, and the hours of its events; return its id. Only under the lock."""
        slice_id = self.next_slice_id() if slice_id is None else slice_id
        values = {name: getattr(entry, name) for name in Entry.__slots__ if name != "offsets"}
        offsets = {"start": entry.offsets.start, "end": entry.offsets.end}
        self.connection.execute(
            self._query(INSERT), {**values, **offsets, "slice_id": slice_id, "topic": self.topic}
        )
        with self.connection.cursor() as cursor:
            cursor.executemany(
                self._query(INSERT_EVENT_HOUR),
                [(slice_id, e.hour, e.first_at, e.last_at, e.row_count) for e in event_hours],
            )
        return slice_id

    def remove(self, landed: LandedSlice) -> int | None:
        """Delete the row of exactly this range, with its event hours; return its slice id.

        Not always that of ``landed``: another replay may have replaced the slice since it was
        read. ``None`` where the range is no longer there. Only under the lock.
        """
        row = self.connection.execute(
            self._query(DELETE),
            {
                "topic": self.topic,
                "topic_id": landed.topic_id,
                "partition": landed.partition,
                "start": landed.offsets.start,
                "end": landed.offsets.end,
            },
        ).fetchone()
        return int(row[0]) if row else None

    def remove_retried(self, landed: LandedSlice) -> list[int]:
        """Delete the rows of what was retried of a slice; return their ids. Only under the lock."""
        found = self._select(
            DELETE_RETRIED,
            topic_id=landed.topic_id,
            partition=landed.partition,
            start=landed.offsets.start,
            end=landed.offsets.end,
        )
        return [slice_id for (slice_id,) in found]

    def take_rejected(self, slice_id: int, count: int) -> None:
        """Count so many fewer rejected messages in a slice. Only under the lock."""
        self.connection.execute(
            self._query(TAKE_REJECTED), {"topic": self.topic, "slice_id": slice_id, "count": count}
        )

    def _query(self, text: LiteralString) -> sql.Composed:
        return sql.SQL(text).format(schema=sql.Identifier(self.schema))

    def _select(self, text: LiteralString, **parameters: object) -> list[Any]:
        return self.connection.execute(
            self._query(text), {"topic": self.topic, **parameters}
        ).fetchall()


def landed_slice(row: tuple[Any, ...]) -> LandedSlice:
    """Return a row of ``SLICES``."""
    slice_id, topic_id, partition, start, end, hour, *counts = row
    offsets = OffsetRange(start, end)
    return LandedSlice(slice_id, topic_id, partition, offsets, hour.astimezone(UTC), *counts)
