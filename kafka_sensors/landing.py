"""Land what waits in a topic: one slice after another, each of them one transaction.

A slice's rows, its rejected messages and its ledger row commit together, so a process that dies
leaves all of a slice or nothing, and the next one begins where the ledger ends.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from psycopg.pq import TransactionStatus

from kafka_sensors.ahead import ahead
from kafka_sensors.batches import Limits, cut
from kafka_sensors.decoding import Prepared, event_hours, prepare
from kafka_sensors.errors import (
    ConnectionBusyError,
    EarlierHoursWaitError,
    HoleError,
    LedgerMovedError,
    LogTruncatedError,
    TopicRecreatedError,
)
from kafka_sensors.garbage import collected_seldom
from kafka_sensors.ledger import ChainEnd, Connection, Entry, LandedSlice, Ledger
from kafka_sensors.messages import TopicReader
from kafka_sensors.offsets import HourRule, OffsetRange, Watermarks, lost, message_at, waiting
from kafka_sensors.progress import LandedHour, SliceReport, by_hour
from kafka_sensors.tables import copy_prepared, delete_range, ensure_day
from kafka_sensors.target import Target

__all__ = ["LandedHour", "Landing", "Limits", "SliceReport", "Target", "land_waiting"]

log = logging.getLogger(__name__)

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
        if self.connection.info.transaction_status != TransactionStatus.IDLE:
            raise ConnectionBusyError(
                f"landing {self.target.topic} needs a connection without an open transaction: "
                "commit before"
            )

    @property
    def ledger(self) -> Ledger:
        """The topic's ledger."""
        return Ledger(self.connection, self.target.ledger_schema, self.target.topic)

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
            if not self.ledger.remove(old):
                raise LedgerMovedError(
                    f"{self.target.topic}/{old.partition}: {old.offsets} left the ledger while it "
                    "was replayed; nothing of it was changed. Materialise the hour again"
                )
            delete_range(
                self.connection,
                self.target,
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
        hours = tuple(event_hours(stored.event_times_s))
        entry = Entry(
            topic_id=self.topic_id,
            partition=batch.partition,
            offsets=batch.offsets,
            log_hour=batch.log_hour,
            row_count=len(stored.rows),
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


def land_waiting(
    target: Target,
    reader: TopicReader,
    connection: Connection,
    *,
    first_hour: datetime,
    last_hour: datetime,
    now: datetime,
    run_id: str,
    limits: Limits | None = None,
    on_slice: OnSlice | None = None,
) -> list[LandedHour]:
    """Land what waits in the log hours from first to last, both included; return them.

    It ends where the topic ended when it began. Of each partition it lands up to the first message
    of a later hour. Raises ``EarlierHoursWaitError`` where a message of an earlier hour waits,
    ``HoleError``, ``LogTruncatedError`` or ``TopicRecreatedError`` where the broker no longer
    continues the ledger; slices that landed before stay.
    """
    landing = Landing(
        target, reader, connection, reader.topic_id(), now, run_id, limits or Limits(), on_slice
    )
    # taken once: a run ends where the topic ended when it began
    watermarks = {partition: reader.watermarks(partition) for partition in reader.partitions()}
    with collected_seldom():
        for partition in watermarks:
            while not land_partition(
                landing, partition, watermarks[partition], first_hour, last_hour
            ):
                log.info("%s/%d: another run is landing it too", target.topic, partition)
    return landing.hours()


def land_partition(
    landing: Landing,
    partition: int,
    watermarks: Watermarks,
    first_hour: datetime,
    last_hour: datetime,
) -> bool:
    """Land what waits in a partition; return whether it got through without another run."""
    end = landing.ends().get(partition)
    offsets = check_continues(landing.target.topic, partition, watermarks, end)
    with closing(ahead(prepared_slices(landing, partition, offsets, end, last_hour))) as slices:
        for prepared in slices:
            check_not_earlier(landing.target.topic, prepared, first_hour)
            try:
                landing.land(prepared, previous_end=end)
            except LedgerMovedError:
                return False
            end = ChainEnd(prepared.batch.offsets.end, prepared.batch.log_hour)
    return True


def prepared_slices(
    landing: Landing,
    partition: int,
    offsets: OffsetRange,
    end: ChainEnd | None,
    last_hour: datetime,
) -> Generator[Prepared, None, None]:
    """Yield the slices of a range up to the last hour, decoded."""
    with closing(landing.reader.read(partition, offsets)) as chunks:
        for batch in cut(
            chunks,
            offsets,
            partition=partition,
            previous_hour=end.log_hour if end else None,
            rule=HourRule(earliest=landing.target.earliest_hour, now=landing.now),
            limits=landing.limits,
        ):
            if batch.log_hour > last_hour:
                return
            landing.check_topic_is_the_same()
            yield prepare(batch, landing.target)


def instant(timestamp_ms: int | None) -> datetime | None:
    """Return when a message was, if there was one."""
    return None if timestamp_ms is None else message_at(timestamp_ms)


def check_not_earlier(topic: str, prepared: Prepared, first_hour: datetime) -> None:
    """Raise where a slice is of an hour before those that were asked for."""
    hour = prepared.batch.log_hour
    if hour < first_hour:
        raise EarlierHoursWaitError(
            f"{topic}/{prepared.batch.partition}: messages from offset "
            f"{prepared.batch.offsets.start} on wait in the hour {hour:%Y-%m-%dT%H:%MZ}, before "
            f"{first_hour:%Y-%m-%dT%H:%MZ}; the ledger cannot skip them: materialise from "
            f"{hour:%Y-%m-%d-%H:%M} on"
        )


def check_continues(
    topic: str, partition: int, watermarks: Watermarks, end: ChainEnd | None
) -> OffsetRange:
    """Return what waits in a partition, or raise where the broker does not continue the ledger."""
    landed_end = None if end is None else end.offset
    gone = lost(watermarks, landed_end=landed_end)
    if gone is not None:
        raise HoleError(
            f"{topic}/{partition}: the offsets {gone} are gone: the broker deleted them before "
            "they landed. Lengthen the topic's retention; then acknowledge the hole "
            "(kafka_sensors.holes.acknowledge), which writes it to the ledger, to land what follows"
        )
    if landed_end is not None and watermarks.high < landed_end:
        raise LogTruncatedError(
            f"{topic}/{partition}: the topic ends at {watermarks.high}, the ledger at "
            f"{landed_end}: the broker lost messages that had landed, and would give their "
            "offsets again. Make the topic anew, then acknowledge that "
            "(kafka_sensors.holes.acknowledge)"
        )
    if landed_end is None and watermarks.low > 0:
        log.warning(
            "%s/%d: nothing of it has landed yet and the broker begins at offset %d; what was "
            "before is not known here",
            topic, partition, watermarks.low,
        )  # fmt: skip
    return waiting(watermarks, landed_end=landed_end)
