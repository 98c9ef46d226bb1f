"""Cut what the broker gives into slices: bounded, one topic-partition, one log hour each."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from kafka_sensors.messages import Message
from kafka_sensors.offsets import HourRule, OffsetRange


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one slice. Beyond the bytes it ends with the chunk that was read.

    Each waits for Postgres's disk once; those that are larger still are not faster.
    """

    messages: int = 40_000
    bytes: int = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Batch:
    """The messages of one slice before they are decoded."""

    partition: int
    offsets: OffsetRange
    log_hour: datetime
    messages: Sequence[Message] = ()
    byte_count: int = 0
    first_ms: int | None = None  # the earliest timestamp, not that of the first message
    last_ms: int | None = None


@dataclass(slots=True)
class GrowingBatch:
    """Messages on their way to be a batch; counted once, chunk by chunk."""

    messages: list[Message] = field(default_factory=list)
    byte_count: int = 0
    timestamps_ms: list[int] = field(default_factory=list)  # earliest and latest of each chunk

    def add(self, chunk: Sequence[Message], timestamps_ms: Sequence[int]) -> None:
        """Take in more messages, which follow those that are here."""
        self.messages += chunk
        self.byte_count += sum(map(len, chunk))
        self.timestamps_ms += (min(timestamps_ms), max(timestamps_ms))

    def batch(self, partition: int, offsets: OffsetRange, log_hour: datetime) -> Batch:
        """Return the batch that covers these offsets."""
        return Batch(
            partition,
            offsets,
            log_hour,
            self.messages,
            self.byte_count,
            min(self.timestamps_ms, default=None),
            max(self.timestamps_ms, default=None),
        )


def timestamps_of(chunk: Iterable[Message]) -> list[int]:
    """Return the timestamps of messages, Unix milliseconds."""
    return [message.timestamp()[1] for message in chunk]


def cut(
    chunks: Iterable[Sequence[Message]],
    waiting: OffsetRange,
    *,
    partition: int,
    previous_hour: datetime | None,
    rule: HourRule,
    limits: Limits,
) -> Iterator[Batch]:
    """Yield the batches that cover ``waiting`` without a gap.

    A batch ends behind its last message; the last one where ``waiting`` ends, so that offsets
    without a message (transaction markers, compaction) are passed. Where there is no message at
    all, the offsets belong to the current hour.
    """
    start, hour, growing = waiting.start, previous_hour, GrowingBatch()
    cut_to_hours = pieces(chunks, previous_hour=previous_hour, rule=rule, longest=limits.messages)
    for piece, timestamps_ms, of_piece in cut_to_hours:
        is_full = (
            len(growing.messages) + len(piece) > limits.messages
            or growing.byte_count >= limits.bytes
        )
        if growing.messages and hour is not None and (of_piece != hour or is_full):
            end = growing.messages[-1].offset() + 1
            yield growing.batch(partition, OffsetRange(start, end), hour)
            start, growing = end, GrowingBatch()
        hour = of_piece
        growing.add(piece, timestamps_ms)
    if start < waiting.end:
        if not growing.messages or hour is None:
            hour = rule.log_hour_at(rule.now, previous=hour)
        yield growing.batch(partition, OffsetRange(start, waiting.end), hour)


def pieces(
    chunks: Iterable[Sequence[Message]],
    *,
    previous_hour: datetime | None,
    rule: HourRule,
    longest: int,
) -> Iterator[tuple[Sequence[Message], Sequence[int], datetime]]:
    """Yield the chunks cut where the log hour turns, none longer than ``longest`` messages.

    With each comes its timestamps and its hour.
    """
    hour = previous_hour
    for chunk in chunks:
        rest: Sequence[Message] = chunk
        timestamps_ms = timestamps_of(chunk)
        while rest:
            hour = rule.log_hour(timestamps_ms[0], previous=hour)
            length = min(rule.first_after(hour, timestamps_ms), longest)
            yield rest[:length], timestamps_ms[:length], hour
            rest, timestamps_ms = rest[length:], timestamps_ms[length:]
