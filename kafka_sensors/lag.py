"""How far a ledger is behind its topic, partition by partition. Reads no message."""

from dataclasses import dataclass

from kafka_sensors.continuity import check_continues
from kafka_sensors.ledger import Connection, Ledger
from kafka_sensors.messages import TopicReader


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """What the broker has of a topic-partition and the ledger has not."""

    topic: str
    partition: int
    high_watermark: int
    landed_end: int | None  # where the ledger ends; None: nothing ever landed
    waiting: int  # offsets, an upper bound for the messages


def lag_of(
    reader: TopicReader, connection: Connection, *, ledger_schema: str
) -> list[PartitionLag]:
    """Return the lag of each partition of a topic.

    Raises ``HoleError``, ``LogTruncatedError`` or ``TopicRecreatedError`` where the topic no longer
    continues the ledger, for then nothing of it lands.
    """
    topic, partitions = reader.topic, reader.partitions()
    with connection.transaction():
        ends = Ledger(connection, ledger_schema, topic).ends(reader.topic_id(), partitions)
    lags = []
    for partition in partitions:
        end, watermarks = ends.get(partition), reader.watermarks(partition)
        waiting = check_continues(topic, partition, watermarks, end)
        landed_end = None if end is None else end.offset
        lags.append(PartitionLag(topic, partition, watermarks.high, landed_end, waiting.length))
    return lags
