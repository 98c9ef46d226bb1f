"""Let a person accept that messages are gone, so that landing goes on behind them."""

from dataclasses import dataclass
from datetime import datetime

from kafka_sensors.errors import KafkaSensorsError
from kafka_sensors.ledger import Connection, Entry, Ledger
from kafka_sensors.messages import TopicReader
from kafka_sensors.offsets import LAST_OFFSET, OffsetRange, lost
from kafka_sensors.target import Target


@dataclass(frozen=True, slots=True)
class Hole:
    """Offsets of a topic-partition that will never land."""

    topic_id: str
    partition: int
    offsets: OffsetRange


def acknowledge(
    target: Target, reader: TopicReader, connection: Connection, *, by: str, reason: str
) -> list[Hole]:
    """Write what is gone to the ledger, with who accepted it and why; return it.

    Offsets that the broker deleted before they landed become a hole up to its low watermark. The
    chain of a topic that was made again becomes closed by a hole up to the last offset there can
    be. Nothing is gone: nothing is written.
    """
    if not by.strip() or not reason.strip():
        raise KafkaSensorsError("a hole is acknowledged with a name and a reason, both not empty")
    topic_id, partitions = reader.topic_id(), reader.partitions()
    watermarks = {partition: reader.watermarks(partition) for partition in partitions}
    with connection.transaction():
        ledger = Ledger(connection, target.ledger_schema, target.topic)
        ledger.lock()
        holes: list[Hole] = []
        for chain in ledger.open_chains_of_others(topic_id):
            closing = OffsetRange(chain.end.offset, LAST_OFFSET)
            holes.append(Hole(chain.topic_id, chain.partition, closing))
            note = f"topic made again as {topic_id}. {by}: {reason}"
            append(ledger, holes[-1], log_hour=chain.end.log_hour, note=note)
        for partition, end in ledger.ends(topic_id, partitions).items():
            gone = lost(watermarks[partition], landed_end=end.offset)
            if gone is not None:
                holes.append(Hole(topic_id, partition, gone))
                append(ledger, holes[-1], log_hour=end.log_hour, note=f"{by}: {reason}")
    return holes


def append(ledger: Ledger, hole: Hole, *, log_hour: datetime, note: str) -> None:
    """Write a hole to the ledger, in the log hour that its chain had come to."""
    ledger.append(
        Entry(
            kind="hole",
            topic_id=hole.topic_id,
            partition=hole.partition,
            offsets=hole.offsets,
            log_hour=log_hour,
            note=note,
        )
    )
