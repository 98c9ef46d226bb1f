"""One slice, one transaction: what a run over a topic does for each of them.

A slice's rows, its rejected messages and its ledger row commit together, so a process that dies
leaves all of a slice or nothing, and the next one begins where the ledger ends.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from psycopg.pq import TransactionStatus

from kafka_sensors.batches import Limits
from kafka_sensors.day_tables import ensure_day
from kafka_sensors.decoding import Prepared, event_hours
from kafka_sensors.errors import ConnectionBusyError, LedgerMovedError, TopicRecreatedError
from kafka_sensors.ledger import ChainEnd, Connection, Entry, LandedSlice, Ledger
from kafka_sensors.messages import TopicReader
from kafka_sensors.offsets import message_at, waiting
from kafka_sensors.progress import LandedHour, SliceReport, by_hour
from kafka_sensors.tables import copy_prepared, delete_slice
from kafka_sensors.target import Target

OnSlice = Callable[[SliceReport], None]


@dataclass
class Landing:
    """One run over one topic: what it is given, and what it has done so far."""

    target: Target
    reader: TopicReader
    connection: Connection
    topic_id: str
    now: datetime
    run_id: str
    limits: Limits = field(default_factory=Limits)
    on_slice: OnSlice | None = None
    slices: list[SliceReport] = field(default_factory=list)
    _days: set[tuple[str, str]] = field(default_factory=set)
    _since: float = field(default_factory=monotonic)

    def __post_init__(self) -> None:
        check_idle(self.connection, self.target.topic)

    @property
    def ledger(self) -> Ledger:
        """The topic's ledger."""
        return Ledger.of(self.connection, self.target)

    def ends(self) -> dict[int, ChainEnd]:
        """Return how far each partition of the topic has landed."""
        with self.connection.transaction():
            return self.ledger.ends(self.topic_id, self.reader.partitions())

    def check_topic_is_the_same(self) -> None:
        """Raise where the topic was made again while it was read: its offsets begin anew."""
        if (found := self.reader.topic_id()) != self.topic_id:
            raise TopicRecreatedError(
                f"topic {self.target.topic} was deleted and made again while it was read: its id "
                f"was {self.topic_id}, is {found}. Nothing of this slice was landed"
            )

    def land(self, prepared: Prepared, *, previous_end: ChainEnd | None) -> None:
        """Land a slice that follows ``previous_end``, or raise ``LedgerMovedError``."""
        partition = prepared.batch.partition
        self.ensure_day(prepared.batch.log_hour)
        with self.connection.transaction():
            self.ledger.lock()
            end = self.ledger.ends(self.topic_id, [partition]).get(partition)
            if end != previous_end:
                raise LedgerMovedError(f"{self.target.topic}/{partition} has landed meanwhile")
            report = self.write(prepared)
        self.report(report)

    def replace(self, prepared: Prepared, old: LandedSlice) -> None:
        """Land a slice again in place of the same range."""
        batch = prepared.batch
        self.ensure_day(batch.log_hour)
        with self.connection.transaction():
            self.ledger.lock()
            # the rows to delete are those of the ledger now: another replay may have been here
            replaced_id = self.ledger.remove(old)
            if replaced_id is None:
                raise LedgerMovedError(
                    f"{self.target.topic}/{old.partition}: {old.offsets} left the ledger while it "
                    "was replayed; nothing of it was changed. Materialise the hour again"
                )
            for slice_id in (replaced_id, *self.ledger.remove_retried(old)):
                delete_slice(
                    self.connection,
                    self.target,
                    slice_id=slice_id,
                    log_hour=batch.log_hour,
                    partition=batch.partition,
                    offsets=batch.offsets,
                )
            report = self.write(prepared)
        self.report(report)

    def write(self, prepared: Prepared) -> SliceReport:
        """Write all that a slice consists of. The transaction and the lock are the caller's."""
        batch = prepared.batch
        slice_id = self.ledger.next_slice_id()
        stored = copy_prepared(self.connection, self.target, prepared, slice_id=slice_id)
        hours = tuple(event_hours(stored.all_event_times_s()))
        entry = Entry(
            topic_id=self.topic_id,
            partition=batch.partition,
            offsets=batch.offsets,
            log_hour=batch.log_hour,
            row_count=stored.row_count,
            rejected_count=len(stored.rejected),
            byte_count=batch.byte_count,
            first_message_at=instant(batch.first_ms),
            last_message_at=instant(batch.last_ms),
            run_id=self.run_id,
        )
        self.ledger.append(entry, slice_id=slice_id, event_hours=hours)
        return SliceReport(
            slice_id=slice_id,
            partition=batch.partition,
            offsets=batch.offsets,
            log_hour=batch.log_hour,
            row_count=entry.row_count,
            rejected_count=entry.rejected_count,
            rejected_by_reason=Counter(each.reason for each in stored.rejected),
            byte_count=entry.byte_count,
            event_hours=hours,
            seconds=monotonic() - self._since,
        )

    def report(self, landed: SliceReport) -> None:
        """Remember a slice that is committed, and tell whoever asked."""
        self._since = monotonic()
        self.slices.append(landed)
        if self.on_slice is not None:
            self.on_slice(landed)

    def ensure_day(self, hour: datetime) -> None:
        """Create the day's partitions of the tables that a slice goes into."""
        for table in (self.target.table, f"{self.target.ledger_schema}.rejected_messages"):
            key = (table, f"{hour:%Y%m%d}")
            if key not in self._days:
                ensure_day(self.connection, table, hour)
                self._days.add(key)

    def hours(self) -> list[LandedHour]:
        """Return what was landed, by hour, and tell the broker how far its partitions have."""
        ends = self.ends()
        landed = {partition: end.offset for partition, end in ends.items()}
        self.reader.commit(landed)
        lag = sum(
            waiting(self.reader.watermarks(partition), landed_end=landed.get(partition)).length
            for partition in self.reader.partitions()
        )
        return by_hour(self.target.topic, self.slices, lag=lag)


def check_idle(connection: Connection, topic: str) -> None:
    """Raise where a connection is inside a transaction: nothing could commit by itself."""
    if connection.info.transaction_status != TransactionStatus.IDLE:
        raise ConnectionBusyError(
            f"landing {topic} needs a connection without an open transaction: commit before"
        )


def instant(timestamp_ms: int | None) -> datetime | None:
    """Return when a message was, if there was one."""
    return None if timestamp_ms is None else message_at(timestamp_ms)
