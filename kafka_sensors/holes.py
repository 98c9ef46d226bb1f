"""What is gone before it landed, and how a person accepts that, so that landing goes on."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from kafka_sensors.errors import KafkaSensorsError
from kafka_sensors.ledger import ChainEnd, Connection, Entry, Ledger
from kafka_sensors.messages import TopicReader
from kafka_sensors.offsets import LAST_OFFSET, OffsetRange, Watermarks, lost
from kafka_sensors.target import Target


class Cause(StrEnum):
    """Why messages will not land."""

    DELETED = "deleted before it landed"
    MADE_AGAIN = "topic made again"
    CUT = "topic lost its end"  # cannot be accepted: the broker would give the offsets again


@dataclass(frozen=True, slots=True)
class Hole:
    """Offsets of a topic-partition that will never land."""

    topic_id: str
    partition: int
    offsets: OffsetRange


@dataclass(frozen=True, slots=True)
class Loss:
    """A hole that nobody has accepted yet: landing stops at it."""

    hole: Hole
    cause: Cause
    log_hour: datetime  # that its chain had come to


@dataclass(frozen=True, slots=True)
class AcknowledgedHole:
    """A hole in the ledger: who accepted it, when and why."""

    hole: Hole
    at: datetime
    by: (
        str | None
    )  # ``None``: from before the ledger kept the name apart, ``reason`` begins with it
    reason: str


@dataclass(frozen=True, slots=True)
class Topic:
    """What the broker says of a topic, asked before the ledger is locked."""

    topic_id: str
    watermarks: dict[int, Watermarks]  # by partition

    @classmethod
    def of(cls, reader: TopicReader) -> "Topic":
        """Ask the broker."""
        return cls(
            reader.topic_id(), {each: reader.watermarks(each) for each in reader.partitions()}
        )


def pending(target: Target, reader: TopicReader, connection: Connection) -> list[Loss]:
    """Return what is gone and nobody has accepted yet; nothing is written."""
    topic = Topic.of(reader)
    with connection.transaction():
        return losses(Ledger.of(connection, target), topic)


def acknowledged(target: Target, connection: Connection) -> list[AcknowledgedHole]:
    """Return what was accepted of the target's topic, oldest first."""
    with connection.transaction():
        found = Ledger.of(connection, target).holes()
    return [
        AcknowledgedHole(
            Hole(topic_id, partition, OffsetRange(start, end)),
            at.astimezone(UTC),
            by,
            # a note for people who read the ledger itself names both
            (note or "").replace(f"{by}: ", "", 1) if by else note or "",
        )
        for topic_id, partition, start, end, at, by, note in found
    ]


def acknowledge(
    target: Target, reader: TopicReader, connection: Connection, *, by: str, reason: str
) -> list[Hole]:
    """Write what is gone to the ledger, with who accepted it and why; return it.

    Offsets that the broker deleted before they landed become a hole up to its low watermark. The
    chain of a topic that was made again becomes closed by a hole up to the last offset there can
    be. Nothing is gone: nothing is written.
    """
    by, reason = by.strip(), reason.strip()
    if not by or not reason:
        raise KafkaSensorsError("a hole is acknowledged with a name and a reason, both not empty")
    topic, holes = Topic.of(reader), list[Hole]()
    with connection.transaction():
        ledger = Ledger.of(connection, target)
        ledger.lock()
        for loss in losses(ledger, topic):
            if loss.cause is not Cause.CUT:
                append(ledger, loss, topic_id=topic.topic_id, by=by, reason=reason)
                holes.append(loss.hole)
    return holes


def losses(ledger: Ledger, topic: Topic) -> list[Loss]:
    """Return where a topic does not continue its ledger. The transaction is the caller's."""
    made_again = [
        Loss(
            Hole(chain.topic_id, chain.partition, OffsetRange(chain.end.offset, LAST_OFFSET)),
            Cause.MADE_AGAIN,
            chain.end.log_hour,
        )
        for chain in ledger.open_chains_of_others(topic.topic_id)
    ]
    ends = ledger.known_ends(topic.topic_id, list(topic.watermarks))
    return made_again + losses_of_topic(topic, ends)


def losses_of_topic(topic: Topic, ends: dict[int, ChainEnd]) -> list[Loss]:
    """Return what the broker deleted before it landed, and where it ends before the ledger."""
    found: list[Loss] = []
    for partition, end in ends.items():
        watermarks = topic.watermarks[partition]
        gone = lost(watermarks, landed_end=end.offset)
        if gone is not None:
            found.append(Loss(Hole(topic.topic_id, partition, gone), Cause.DELETED, end.log_hour))
        elif watermarks.high < end.offset:
            cut = OffsetRange(watermarks.high, end.offset)
            found.append(Loss(Hole(topic.topic_id, partition, cut), Cause.CUT, end.log_hour))
    return found


def append(ledger: Ledger, loss: Loss, *, topic_id: str, by: str, reason: str) -> None:
    """Write a hole to the ledger, in the log hour that its chain had come to."""
    note = f"{by}: {reason}"
    if loss.cause is Cause.MADE_AGAIN:
        note = f"topic made again as {topic_id}. {note}"
    ledger.append(
        Entry(
            kind="hole",
            topic_id=loss.hole.topic_id,
            partition=loss.hole.partition,
            offsets=loss.hole.offsets,
            log_hour=loss.log_hour,
            note=note,
            acknowledged_by=by,
        )
    )
