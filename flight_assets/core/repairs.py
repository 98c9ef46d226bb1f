"""Which stale hours to build again, and when: plain decisions over hours and past attempts."""

from collections.abc import Iterable, Sequence
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


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One finished run over a range of hours."""

    hours: HourRange
    ended_at: datetime
    is_success: bool


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


def retry_at(hour: datetime, attempts: Sequence[Attempt]) -> datetime | None:
    """Return when an hour may be tried again: ``None`` for at once.

    The delay doubles with every failure since the hour's last success, from 30 s to an hour.
    """
    of_hour = sorted(
        (attempt for attempt in attempts if hour in attempt.hours), key=lambda a: a.ended_at
    )
    failures: list[Attempt] = []
    for attempt in of_hour:
        failures = [] if attempt.is_success else [*failures, attempt]
    if not failures:
        return None
    delay = min(FIRST_DELAY * (1 << min(len(failures) - 1, 16)), LONGEST_DELAY)
    return failures[-1].ended_at + delay


def hours_due(
    stale: Iterable[datetime],
    *,
    now: datetime,
    in_progress: Sequence[HourRange],
    attempts: Sequence[Attempt],
) -> list[datetime]:
    """Return the stale hours that no run is working on and whose delay is over."""
    due = []
    for hour in stale:
        at = retry_at(hour, attempts)
        if any(hour in hours for hours in in_progress) or (at is not None and at > now):
            continue
        due.append(hour)
    return due
