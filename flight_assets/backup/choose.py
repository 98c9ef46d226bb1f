"""Which base backup an instant is restored from; or why it cannot be restored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flight_assets.backup.archive import last_ended_at, reach_of
from flight_assets.backup.places import BaseBackup, Places
from flight_assets.errors import FlightAssetsError


@dataclass(frozen=True)
class Span:
    """The instants that one base backup can be restored to, with the log after it: from ``first``
    to before ``last``, ``None`` where the log holds nothing yet; ``missing`` ends it early.
    """

    backup: BaseBackup
    last: datetime | None
    missing: str | None

    @property
    def first(self) -> datetime:
        return self.backup.ended_at

    def holds(self, at: datetime) -> bool:
        """Return whether the instant can be restored from this backup."""
        return self.last is not None and self.first <= at < self.last


def usable(places: Places) -> list[BaseBackup]:
    """Return the backups that lead to the newest timeline, the oldest first."""
    lineage = places.lineage()
    return [each for each in places.backups() if lineage.has(each.timeline, each.end)]


def span_of(places: Places, backup: BaseBackup, names: set[str] | None = None) -> Span:
    """Return what a backup can be restored to: nothing where a later restore left its timeline."""
    if not places.lineage(backup.segment_bytes).has(backup.timeline, backup.end):
        return Span(backup, None, None)
    found = reach_of(places, backup, names)
    return Span(backup, last_ended_at(places.wal, found.names), found.missing)


def choose(places: Places, at: datetime) -> Span:
    """Return the newest base backup that ended before an instant, with the log that leads there.

    Raises ``FlightAssetsError`` where the log does not, which Postgres itself would only say after
    hours, or, for an instant before the end of the backup, never.
    """
    backups = usable(places)
    before = [each for each in backups if each.ended_at <= at]
    if not before:
        raise FlightAssetsError(_too_early(places, at, backups))
    span = span_of(places, before[-1])
    if not span.holds(at):
        raise FlightAssetsError(_out_of_reach(places, span, at))
    return span


def shown(at: datetime) -> str:
    """Return an instant in UTC as it can be given to ``--at``.

    >>> shown(datetime(2026, 1, 31, 17, 5, 9, 250000, UTC))
    '2026-01-31T17:05:09.250000Z'
    """
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _too_early(places: Places, at: datetime, backups: Sequence[BaseBackup]) -> str:
    if not backups:
        return f"there is no base backup in {places.base}: `flight-assets backup now` takes one"
    first = backups[0]
    return (
        f"{shown(at)} is before the end of the oldest base backup, {first.label}: the earliest "
        f"instant to restore to is {shown(first.ended_at)}"
    )


def _out_of_reach(places: Places, span: Span, at: datetime) -> str:
    latest = "no instant at all" if span.last is None else f"instants before {shown(span.last)}"
    if span.missing is not None:
        return (
            f"{places.wal / span.missing} is missing, and {shown(at)} needs it: put the file back; "
            f"without it the base backup {span.backup.label} leads to {latest}"
        )
    return (
        f"{shown(at)} is after the end of the archived log in {places.wal}: the base backup "
        f"{span.backup.label} leads to {latest}; `flight-assets backup seal` has a server that "
        "runs archive what it has"
    )
