"""Decode rejected messages again, from their stored bytes, and land those that now decode.

Kafka is not asked: it may no longer hold them. A slice's messages land in one transaction, under
the lock of the ledger: their rows, with the log hour, partition and offset that they always had,
leave ``rejected_messages`` for the table under a slice id of their own. So whatever follows the
ledger sees exactly the hours of event time that they bring. A replay of the slice takes them in
again.
"""

from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, LiteralString

from psycopg import sql

from kafka_sensors.batches import Batch
from kafka_sensors.day_tables import exists, partition_of
from kafka_sensors.decoding import EventHour, Prepared, event_hours, prepare_records
from kafka_sensors.errors import LedgerMovedError
from kafka_sensors.ledger import Connection, Entry, LandedSlice, Ledger
from kafka_sensors.offsets import EPOCH, OffsetRange
from kafka_sensors.slices import check_idle, instant
from kafka_sensors.tables import copy_rows, stored_detail
from kafka_sensors.target import Target

CHOSEN: LiteralString = """
topic = %(topic)s
and (%(reason)s::text is null or reason = %(reason)s)
and (%(partition)s::int is null or kafka_partition = %(partition)s)
and (%(offset)s::bigint is null or kafka_offset = %(offset)s)
and (%(first_hour)s::timestamptz is null or log_hour >= %(first_hour)s)
and (%(last_hour)s::timestamptz is null or log_hour <= %(last_hour)s)
"""
SLICES_WITH_REJECTED = f"""
select distinct log_hour, kafka_partition, slice_id
from {{schema}}.rejected_messages
where {CHOSEN}
order by log_hour, kafka_partition, slice_id
"""
OF_SLICE: LiteralString = """
log_hour = %(log_hour)s and kafka_partition = %(kafka_partition)s and slice_id = %(slice_id)s
"""
REJECTED = f"""
select kafka_offset, message_at, key, value, reason, detail
from {{schema}}.rejected_messages
where {OF_SLICE} and {CHOSEN}
order by kafka_offset
"""
DELETE = f"""
delete from {{schema}}.rejected_messages
where {OF_SLICE} and topic = %(topic)s and kafka_offset = any(%(offsets)s)
"""
EXPLAIN = f"""
update {{schema}}.rejected_messages set reason = %(reason)s, detail = %(detail)s
where {OF_SLICE} and topic = %(topic)s and kafka_offset = %(offset)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which rejected messages of a topic are meant; ``None`` is any. Both hours are included."""

    reason: str | None = None
    partition: int | None = None
    offset: int | None = None
    first_hour: datetime | None = None
    last_hour: datetime | None = None

    def parameters(self, target: Target) -> dict[str, Any]:
        """Return what ``CHOSEN`` is asked with."""
        return {"topic": target.topic, **{name: getattr(self, name) for name in self.__slots__}}


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message as ``rejected_messages`` has it."""

    at_offset: int
    at: datetime
    stored_key: bytes | None
    stored_value: bytes | None
    reason: str
    detail: str

    def __len__(self) -> int:
        """Return the bytes of its value."""
        return len(self.stored_value or b"")

    def offset(self) -> int:
        """Return its offset."""
        return self.at_offset

    def key(self) -> bytes | None:
        """Return its key."""
        return self.stored_key

    def value(self) -> bytes | None:
        """Return its value, every byte."""
        return self.stored_value

    def headers(self) -> None:
        """Return nothing: a decoder does not see them."""

    def timestamp(self) -> tuple[int, int]:
        """Return its timestamp as Kafka does, Unix milliseconds."""
        return 1, int((self.at - EPOCH).total_seconds() * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetriedSlice:
    """What became of the chosen messages of one slice."""

    log_hour: datetime
    partition: int
    slice_id: int | None = None  # of the rows that landed; ``None``: no message decodes
    landed_count: int = 0
    event_hours: tuple[EventHour, ...] = ()
    still_rejected: Mapping[str, int] = field(default_factory=dict)  # by reason
    pruned_count: int = 0  # left alone, as the rows of their day were removed from the table


def retry(
    target: Target, connection: Connection, choice: Choice | None = None, *, run_id: str
) -> Generator[RetriedSlice, None, None]:
    """Decode the chosen rejected messages again and land those that now decode, each once.

    Yields after each slice's commit. A message that still does not decode stays, with the reason
    that it has now. Any number of retries, landings and replays may be at work at once.
    """
    check_idle(connection, target.topic)
    choice = choice or Choice()
    with connection.transaction():
        found = select(target, connection, SLICES_WITH_REJECTED, choice.parameters(target))
    for log_hour, partition, slice_id in found:
        place = {"log_hour": log_hour, "kafka_partition": partition, "slice_id": slice_id}
        with connection.transaction():
            retried = retry_slice(target, connection, choice.parameters(target) | place, run_id)
        if retried is not None:
            yield retried


def retry_slice(
    target: Target, connection: Connection, asked: Mapping[str, Any], run_id: str
) -> RetriedSlice | None:
    """Retry what is rejected of one slice; ``None`` where that is nothing any more.

    The transaction is the caller's.
    """
    ledger = Ledger.of(connection, target)
    ledger.lock()
    stored = [StoredMessage(*row) for row in select(target, connection, REJECTED, asked)]
    if not stored:  # another retry or a replay was here
        return None
    log_hour, partition = asked["log_hour"].astimezone(UTC), asked["kafka_partition"]
    if not exists(connection, partition_of(target.table, log_hour)):
        return RetriedSlice(log_hour=log_hour, partition=partition, pruned_count=len(stored))
    landed = ledger.slice(asked["slice_id"])
    if landed is None:
        raise LedgerMovedError(
            f"{target.topic}/{partition}: the ledger has no slice {asked['slice_id']}, of which "
            "rejected_messages has messages. Nothing of them was changed"
        )
    batch = batch_of(stored, landed)
    prepared = prepare_records(batch, batch.messages, target)
    slice_id, prepared = land(ledger, target, prepared, landed, run_id)
    explain(target, connection, stored, prepared, asked)
    return RetriedSlice(
        log_hour=log_hour,
        partition=partition,
        slice_id=slice_id,
        landed_count=len(prepared.rows),
        event_hours=tuple(event_hours(prepared.event_times_s)),
        still_rejected=Counter(each.reason for each in prepared.rejected),
    )


def batch_of(stored: Sequence[StoredMessage], landed: LandedSlice) -> Batch:
    """Return the messages of a slice as those that a landing begins with."""
    offsets = OffsetRange(stored[0].at_offset, stored[-1].at_offset + 1)
    return Batch(landed.partition, offsets, landed.log_hour, stored)


def land(
    ledger: Ledger, target: Target, prepared: Prepared, landed: LandedSlice, run_id: str
) -> tuple[int | None, Prepared]:
    """Store the rows, as a slice within the one that rejected them; return its id, if there is one.

    With it what was stored: Postgres may refuse rows that decode.
    """
    slice_id = ledger.next_slice_id() if prepared.rows else None
    if slice_id is not None:
        prepared = copy_rows(ledger.connection, target, prepared, slice_id=slice_id)
    if slice_id is None or not prepared.rows:
        return None, prepared
    place = {
        "topic": target.topic,
        "log_hour": landed.log_hour,
        "kafka_partition": landed.partition,
        "slice_id": landed.slice_id,
        "offsets": list(prepared.offsets),
    }
    ledger.connection.execute(query(target, DELETE), place)
    ledger.take_rejected(landed.slice_id, len(prepared.rows))
    entry = entry_of(prepared, landed, run_id)
    ledger.append(entry, slice_id=slice_id, event_hours=event_hours(prepared.event_times_s))
    return slice_id, prepared


def entry_of(prepared: Prepared, landed: LandedSlice, run_id: str) -> Entry:
    """Return what the ledger is told of the rows that landed."""
    offsets = set(prepared.offsets)
    messages = [message for message in prepared.batch.messages if message.offset() in offsets]
    timestamps = [message.timestamp()[1] for message in messages]
    return Entry(
        kind="retried",
        topic_id=landed.topic_id,
        partition=landed.partition,
        offsets=OffsetRange(messages[0].offset(), messages[-1].offset() + 1),
        log_hour=landed.log_hour,
        row_count=len(messages),
        byte_count=sum(len(message.value() or b"") for message in messages),
        first_message_at=instant(min(timestamps)),
        last_message_at=instant(max(timestamps)),
        run_id=run_id,
        note=f"rejected from slice {landed.slice_id}",
    )


def explain(
    target: Target,
    connection: Connection,
    stored: Sequence[StoredMessage],
    prepared: Prepared,
    asked: Mapping[str, Any],
) -> None:
    """Write the reason that messages are rejected for now, where it is another one."""
    before = {each.at_offset: (each.reason, each.detail) for each in stored}
    now = {each.message.offset(): (each.reason, stored_detail(each)) for each in prepared.rejected}
    changed = [
        {**asked, "offset": offset, "reason": reason, "detail": detail}
        for offset, (reason, detail) in now.items()
        if before[offset] != (reason, detail)
    ]
    with connection.cursor() as cursor:
        cursor.executemany(query(target, EXPLAIN), changed)


def query(target: Target, text: LiteralString) -> sql.Composed:
    """Return a statement about the target's rejected messages."""
    return sql.SQL(text).format(schema=sql.Identifier(target.ledger_schema))


def select(
    target: Target, connection: Connection, text: LiteralString, asked: Mapping[str, Any]
) -> list[Any]:
    """Return the rows of a question about the target's rejected messages."""
    return connection.execute(query(target, text), asked).fetchall()
