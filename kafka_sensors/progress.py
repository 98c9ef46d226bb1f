"""What a landing did, hour by hour, for people and for the catalogue."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from kafka_sensors.decoding import EventHour
from kafka_sensors.offsets import OffsetRange


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceReport:
    """One slice that was just committed, and the seconds since the one before it."""

    slice_id: int
    partition: int
    offsets: OffsetRange
    log_hour: datetime
    row_count: int
    rejected_count: int
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)
    byte_count: int
    event_hours: tuple[EventHour, ...]
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LandedHour:
    """What a run landed of one topic in one log hour."""

    topic: str
    hour: datetime
    slice_count: int = 0
    row_count: int = 0
    rejected_count: int = 0
    rejected_by_reason: Mapping[str, int] = field(default_factory=dict)
    byte_count: int = 0
    first_event_at: datetime | None = None
    last_event_at: datetime | None = None
    seconds: float = 0.0
    lag: int = 0  # offsets of the whole topic that still wait after the run
    ranges: dict[int, list[OffsetRange]] = field(default_factory=dict)  # by partition

    @property
    def partition_key(self) -> str:
        """The key of the hour's partition, as Dagster's hourly partitions have it by default."""
        return f"{self.hour:%Y-%m-%d-%H:%M}"

    def with_slice(self, landed: SliceReport) -> "LandedHour":
        """Return it with one more slice counted."""
        instants = [self.first_event_at, self.last_event_at]
        for each in landed.event_hours:
            instants += [each.first_at, each.last_at]
        seen = [at for at in instants if at is not None]
        joined = join(self.ranges.get(landed.partition, []), landed.offsets)
        return replace(
            self,
            slice_count=self.slice_count + 1,
            row_count=self.row_count + landed.row_count,
            rejected_count=self.rejected_count + landed.rejected_count,
            rejected_by_reason=Counter(self.rejected_by_reason)
            + Counter(landed.rejected_by_reason),
            byte_count=self.byte_count + landed.byte_count,
            first_event_at=min(seen, default=None),
            last_event_at=max(seen, default=None),
            seconds=self.seconds + landed.seconds,
            ranges={**self.ranges, landed.partition: joined},
        )

    def metadata(self) -> dict[str, Any]:
        """Return it as plain values that JSON knows."""
        return {
            "topic": self.topic,
            "offset_ranges": {
                str(partition): [[each.start, each.end] for each in ranges]
                for partition, ranges in sorted(self.ranges.items())
            },
            "slices": self.slice_count,
            "rows": self.row_count,
            "rejected": self.rejected_count,
            "rejected_by_reason": dict(self.rejected_by_reason),
            "bytes": self.byte_count,
            "first_event_at": iso(self.first_event_at),
            "last_event_at": iso(self.last_event_at),
            "lag": self.lag,
            "rows_per_s": round(self.row_count / self.seconds) if self.seconds else 0,
        }


def iso(at: datetime | None) -> str | None:
    """Return an instant as text."""
    return None if at is None else at.isoformat()


def join(ranges: list[OffsetRange], more: OffsetRange) -> list[OffsetRange]:
    """Return the ranges with one more at their end, as one where they meet.

    >>> join([OffsetRange(0, 5)], OffsetRange(5, 9))
    [OffsetRange(start=0, end=9)]
    """
    if ranges and ranges[-1].end == more.start:
        return [*ranges[:-1], OffsetRange(ranges[-1].start, more.end)]
    return [*ranges, more]


def by_hour(topic: str, slices: Iterable[SliceReport], *, lag: int) -> list[LandedHour]:
    """Return the hours that slices are of, oldest first."""
    hours: dict[datetime, LandedHour] = {}
    for landed in slices:
        so_far = hours.get(landed.log_hour) or LandedHour(
            topic=topic, hour=landed.log_hour, lag=lag
        )
        hours[landed.log_hour] = so_far.with_slice(landed)
    return [hours[hour] for hour in sorted(hours)]
