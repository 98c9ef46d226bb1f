"""Land hours again that have landed: exactly the ledger's ranges, each replaced by itself."""

from collections.abc import Generator, Sequence
from contextlib import closing
from datetime import datetime

from kafka_sensors.ahead import ahead
from kafka_sensors.batches import GrowingBatch, Limits, timestamps_of
from kafka_sensors.decoding import Prepared, prepare
from kafka_sensors.errors import OffsetsGoneError
from kafka_sensors.ledger import Connection, LandedSlice
from kafka_sensors.messages import TopicReader
from kafka_sensors.progress import LandedHour
from kafka_sensors.slices import Landing, OnSlice
from kafka_sensors.target import Target
from kafka_sensors.tuning import tuned


def replay_hours(
    target: Target,
    reader: TopicReader,
    connection: Connection,
    *,
    first_hour: datetime,
    last_hour: datetime,
    now: datetime,
    run_id: str,
    on_slice: OnSlice | None = None,
) -> list[LandedHour]:
    """Read again what the ledger says of the hours, both included, and replace the rows.

    Each slice is replaced in one transaction, by the same range under a new, higher slice id.
    Raises ``OffsetsGoneError`` before anything is deleted where Kafka no longer holds a range, and
    before a slice is touched where it holds fewer messages of it than landed.
    """
    landing = Landing(
        target, reader, connection, reader.topic_id(), now, run_id, Limits(), on_slice
    )
    with connection.transaction():
        slices = landing.ledger.slices(first_hour, last_hour)
    check_held(landing, slices)
    with tuned(), closing(ahead(replays(landing, slices))) as prepared_slices:
        for old, prepared in prepared_slices:
            landing.replace(prepared, old)
    return landing.hours()


def check_held(landing: Landing, slices: Sequence[LandedSlice]) -> None:
    """Raise where Kafka no longer has a range, naming every one."""
    partitions = {landed.partition for landed in slices if landed.topic_id == landing.topic_id}
    lows = {partition: landing.reader.watermarks(partition).low for partition in partitions}
    gone = [
        f"{landed.partition}{landed.offsets}"
        for landed in slices
        if landed.topic_id != landing.topic_id or landed.offsets.start < lows[landed.partition]
    ]
    if gone:
        named = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        raise OffsetsGoneError(
            f"{landing.target.topic}: Kafka no longer holds {named} (partition[start, end)) of "
            "the hours to replay. Nothing was deleted: the table stays as it is"
        )


def replays(
    landing: Landing, slices: Sequence[LandedSlice]
) -> Generator[tuple[LandedSlice, Prepared], None, None]:
    """Yield each slice with its messages, read again and decoded."""
    for landed in slices:
        growing = GrowingBatch()
        with closing(landing.reader.read(landed.partition, landed.offsets)) as chunks:
            for chunk in chunks:
                growing.add(chunk, timestamps_of(chunk))
        landing.check_topic_is_the_same()
        if len(growing.messages) < landed.message_count:
            raise OffsetsGoneError(
                f"{landing.target.topic}/{landed.partition}: Kafka holds "
                f"{len(growing.messages)} of the {landed.message_count} messages that landed "
                f"from {landed.offsets} (compaction "
                "removes some). The rows of this slice stay as they landed"
            )
        batch = growing.batch(landed.partition, landed.offsets, landed.log_hour)
        yield landed, prepare(batch, landing.target)
