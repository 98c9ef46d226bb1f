"""Land what waits in a topic: partition after partition, slice after slice."""

import logging
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing
from datetime import datetime

from kafka_sensors.ahead import ahead
from kafka_sensors.batches import Limits, cut
from kafka_sensors.continuity import check_continues, check_not_earlier
from kafka_sensors.decoding import Prepared, prepare
from kafka_sensors.errors import LedgerMovedError
from kafka_sensors.ledger import ChainEnd, Connection
from kafka_sensors.messages import TopicReader
from kafka_sensors.offsets import HourRule, OffsetRange
from kafka_sensors.progress import LandedHour, SliceReport
from kafka_sensors.slices import Landing, OnSlice
from kafka_sensors.target import Target
from kafka_sensors.tuning import tuned

__all__ = ["LandedHour", "Limits", "SliceReport", "Target", "land_waiting"]

log = logging.getLogger(__name__)


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
    remaining = reader.partitions()
    with tuned():
        while remaining:
            remaining = land_partitions(landing, remaining, first_hour, last_hour)
    return landing.hours()


def land_partitions(
    landing: Landing, partitions: Iterable[int], first_hour: datetime, last_hour: datetime
) -> list[int]:
    """Land what waits in these partitions; return those that another run is landing too."""
    topic, acknowledge = landing.target.topic, landing.target.acknowledge
    ends = landing.ends()
    # asked after the ledger was: what another run lands meanwhile is in them
    ranges = {
        partition: check_continues(
            topic,
            partition,
            landing.reader.watermarks(partition),
            ends.get(partition),
            acknowledge=acknowledge,
        )
        for partition in partitions
    }
    moved: list[int] = []
    with closing(ahead(prepared_slices(landing, ranges, dict(ends), last_hour))) as slices:
        for prepared in slices:
            partition = prepared.batch.partition
            if partition in moved:
                continue
            check_not_earlier(topic, prepared.batch, first_hour)
            try:
                landing.land(prepared, previous_end=ends.get(partition))
            except LedgerMovedError as error:
                log.info("%s: beginning again behind it", error)
                moved.append(partition)
            else:
                ends[partition] = ChainEnd(prepared.batch.offsets.end, prepared.batch.log_hour)
    return moved


def prepared_slices(
    landing: Landing,
    ranges: Mapping[int, OffsetRange],
    ends: Mapping[int, ChainEnd],
    last_hour: datetime,
) -> Generator[Prepared, None, None]:
    """Yield the slices of partition after partition, decoded, each up to the last hour."""
    rule = HourRule(earliest=landing.target.earliest_hour, now=landing.now)
    for partition, offsets in ranges.items():
        end = ends.get(partition)
        with closing(landing.reader.read(partition, offsets)) as chunks:
            for batch in cut(
                chunks,
                offsets,
                partition=partition,
                previous_hour=end.log_hour if end else None,
                rule=rule,
                limits=landing.limits,
            ):
                if batch.log_hour > last_hour:
                    break
                landing.check_topic_is_the_same()
                yield prepare(batch, landing.target)
