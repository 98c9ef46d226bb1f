"""Offsets and hours: half-open ranges, what waits, what is gone, and which hour a message is in.

Pure: no broker, no database, no clock.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

HOUR = timedelta(hours=1)
HOUR_MS = 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
END_OF_TIME_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last that datetime knows
LAST_OFFSET = 2**63 - 1


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """The offsets from ``start`` up to, but not including, ``end`` of one topic-partition.

    Offsets are positions, not a count: compaction and transactions leave some without a message.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not an offset range: {self.start} to {self.end}")

    def __bool__(self) -> bool:
        return self.start < self.end

    def __str__(self) -> str:
        return f"[{self.start}, {self.end})"

    @property
    def length(self) -> int:
        """The number of offsets, an upper bound for the messages."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Watermarks:
    """The first offset that the broker still has, and the one that the next message gets."""

    low: int
    high: int


def waiting(watermarks: Watermarks, *, landed_end: int | None) -> OffsetRange:
    """Return what the broker has and the ledger has not; ``None``: nothing landed so far.

    >>> waiting(Watermarks(0, 10), landed_end=7)
    OffsetRange(start=7, end=10)
    """
    start = watermarks.low if landed_end is None else max(landed_end, watermarks.low)
    return OffsetRange(start, max(start, watermarks.high))


def lost(watermarks: Watermarks, *, landed_end: int | None) -> OffsetRange | None:
    """Return the offsets that are gone before they landed, or ``None``.

    A partition that never landed begins where the broker begins: it has lost nothing.
    """
    if landed_end is None or watermarks.low <= landed_end:
        return None
    return OffsetRange(landed_end, watermarks.low)


def breaks(chain: Iterable[OffsetRange]) -> Iterator[tuple[OffsetRange, OffsetRange]]:
    """Yield each pair of neighbours, in the order of offsets, that does not join exactly."""
    in_order = sorted(chain, key=lambda offsets: (offsets.start, offsets.end))
    return ((before, after) for before, after in pairwise(in_order) if before.end != after.start)


def floor_hour(at: datetime) -> datetime:
    """Return the beginning of the UTC hour of an instant."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def hours_between(first: datetime, last: datetime) -> int:
    """Return the number of hours from one hour to another, both included."""
    return (last - first) // HOUR + 1


def message_at(timestamp_ms: int) -> datetime:
    """Return the instant of a message's timestamp; one beyond all calendars comes to their ends.

    A message without a timestamp has -1, which reads as 1970.
    """
    return EPOCH + timedelta(milliseconds=min(max(timestamp_ms, 0), END_OF_TIME_MS))


@dataclass(frozen=True, slots=True)
class HourRule:
    """Which log hour a message lands in.

    That of its timestamp, never before the hour of the message before it in the topic-partition,
    never after the current hour (a wrong clock must not open the future), and never before
    ``earliest``, the first partition.
    """

    earliest: datetime
    now: datetime

    def log_hour(self, timestamp_ms: int, *, previous: datetime | None) -> datetime:
        """Return the hour of a message, given the hour of the one before it."""
        return self.log_hour_at(message_at(timestamp_ms), previous=previous)

    def log_hour_at(self, at: datetime, *, previous: datetime | None) -> datetime:
        """Return the hour of a message of that instant, given the hour of the one before it."""
        by_clock = floor_hour(min(at, self.now))
        hour = max(by_clock, self.earliest)
        return hour if previous is None else max(hour, previous)

    def first_after(self, hour: datetime, timestamps_ms: Sequence[int]) -> int:
        """Return the index of the first message that is beyond the hour, or their number."""
        end_ms = (hour + HOUR - EPOCH) // timedelta(milliseconds=1)
        if hour + HOUR > self.now or max(timestamps_ms, default=0) < end_ms:
            return len(timestamps_ms)
        return next(index for index, at_ms in enumerate(timestamps_ms) if at_ms >= end_ms)
