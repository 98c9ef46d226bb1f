"""Which stale hours to build again, and when: plain decisions over hours and past attempts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)
MAX_HOURS_A_RUN = 24
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class HourRange:
    """Hours from ``first`` to ``last``, both included, by the instants they begin at."""

    first: datetime
    last: datetime

    def __contains__(self, hour: datetime) -> bool:
        return self.first <= hour <= self.last

    @property
    def count(self) -> int:
        """How many hours it is."""
        return (self.last - self.first) // HOUR + 1


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One run over a range of hours that ended without answering them."""

    hours: HourRange
    ended_at: datetime


def contiguous_ranges(
    hours: Iterable[datetime], *, longest: int = MAX_HOURS_A_RUN
) -> list[HourRange]:
    """Return the hours as the fewest runs of neighbours, oldest first, none over ``longest``.

    >>> h = [datetime(2025, 7, 20, hour) for hour in (8, 13, 9)]
    >>> [(r.first.hour, r.last.hour) for r in contiguous_ranges(h)]
    [(8, 9), (13, 13)]
    """
    ranges: list[HourRange] = []
    for hour in sorted(set(hours)):
        latest = ranges[-1] if ranges else None
        if (
            latest is not None
            and hour == latest.last + HOUR
            and hour - latest.first < longest * HOUR
        ):
            ranges[-1] = HourRange(first=latest.first, last=hour)
        else:
            ranges.append(HourRange(first=hour, last=hour))
    return ranges


def retry_at(
    hour: datetime, failures: Iterable[Failure], *, answered_at: datetime | None
) -> datetime | None:
    """Return when an hour may be tried again: ``None`` for at once.

    The delay doubles with every failure since the hour was answered, from 30 s to an hour.
    """
    ends = [
        failure.ended_at
        for failure in failures
        if hour in failure.hours and (answered_at is None or failure.ended_at > answered_at)
    ]
    if not ends:
        return None
    delay = min(FIRST_DELAY * (1 << min(len(ends) - 1, 16)), LONGEST_DELAY)
    return max(ends) + delay


def hours_due(
    stale: Mapping[datetime, datetime | None],
    *,
    now: datetime,
    in_progress: Sequence[HourRange],
    failures: Sequence[Failure],
) -> list[datetime]:
    """Return the stale hours that no run is working on and whose delay is over.

    ``stale`` says of each when it was answered last, ``None`` where it never was.
    """
    due = []
    for hour, answered_at in stale.items():
        if any(hour in hours for hours in in_progress):
            continue
        at = retry_at(hour, failures, answered_at=answered_at)
        if at is None or at <= now:
            due.append(hour)
    return due


def next_runs(due: Iterable[datetime], *, room: int = MAX_HOURS_A_RUN) -> list[HourRange]:
    """Return the runs to ask for now: newest first, as people look at them, of ``room`` hours.

    What does not fit waits for the next time.

    >>> h = [datetime(2025, 7, 20, hour) for hour in (8, 9, 13, 20)]
    >>> [(r.first.hour, r.last.hour) for r in next_runs(h, room=3)]
    [(20, 20), (13, 13)]
    """
    runs: list[HourRange] = []
    for hours in reversed(contiguous_ranges(due)):
        if hours.count > room:
            break
        runs.append(hours)
        room -= hours.count
    return runs
