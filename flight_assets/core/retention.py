"""Which days of bronze may be pruned: plain decisions over days of the log. No clock, no database.

A day of bronze may go when it is old, and when nothing that is to be made of it is missing. It is a
day of the log: its observations may be of other hours, which is why its hours of event time count.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MOST_HOURS_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class LogDay:
    """A day of the log that has rows: what the ledger says of its slices.

    ``landed_at`` is when the newest of them landed, ``None`` where the ledger knows none;
    ``event_hours`` are the UTC hours that its observations and polls are of.
    """

    day: date
    landed_at: datetime | None
    newest_slice_id: int
    event_hours: frozenset[datetime]

    @property
    def ends_at(self) -> datetime:
        """Return the instant at which the day is over."""
        return datetime.combine(self.day, time(), UTC) + DAY


@dataclass(frozen=True, kw_only=True)
class Modelled:
    """How far the models are: the hours still to be answered, and the slice that flights have."""

    stale_hours: frozenset[datetime]
    flights_through_slice_id: int


def is_old(day: LogDay, *, now: datetime, age_days: int) -> bool:
    """Return whether a day ended, and landed last, at least so many days ago.

    By both, so that a capture of last year that landed today, or a day that was brought back from
    Kafka, stays as long as what is new. No day is old where ``age_days`` is 0.
    """
    newest = max(day.ends_at, day.landed_at or day.ends_at)
    return age_days > 0 and now - newest >= age_days * DAY


def stale_hours_of(day: LogDay, stale_hours: Iterable[datetime]) -> list[datetime]:
    """Return the stale hours whose answers may look at a day, oldest first.

    An answer looks at the polls that began in its hour and at the 15 minutes before the end of the
    last of them: at its own hour, the one before, or the one that the poll ran into.
    """
    return sorted(
        hour
        for hour in stale_hours
        if not day.event_hours.isdisjoint({hour - HOUR, hour, hour + HOUR})
    )


def why_kept(day: LogDay, modelled: Modelled) -> str | None:
    """Return what of a day is not modelled yet, ``None`` where all is and the day may go."""
    stale = stale_hours_of(day, modelled.stale_hours)
    if stale:
        named = ", ".join(f"{hour:%Y-%m-%dT%H}" for hour in stale[:MOST_HOURS_NAMED])
        more = f" and {len(stale) - MOST_HOURS_NAMED} more" if len(stale) > MOST_HOURS_NAMED else ""
        return f"the answers of {named}{more} are stale: materialise those hours"
    if day.newest_slice_id > modelled.flights_through_slice_id:
        return (
            f"silver.flights is made through slice {modelled.flights_through_slice_id}, and this "
            f"day has slice {day.newest_slice_id}: wait for the next landing run, or materialise "
            "any hour"
        )
    return None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The days that may go, and of the old ones that may not each with its reason."""

    may_go: tuple[date, ...]
    kept: dict[date, str]


def plan(days: Collection[LogDay], modelled: Modelled, *, now: datetime, age_days: int) -> Plan:
    """Return which days may go now, oldest first; those that are not old yet are in neither."""
    old = sorted(
        (day for day in days if is_old(day, now=now, age_days=age_days)), key=lambda day: day.day
    )
    reasons = {day.day: why_kept(day, modelled) for day in old}
    return Plan(
        may_go=tuple(day for day, reason in reasons.items() if reason is None),
        kept={day: reason for day, reason in reasons.items() if reason is not None},
    )
