"""What is known of the backups, and which of them have to stay. Plain decisions over figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, kw_only=True)
class Backups:
    """What there is to restore from. A restore can go to any instant from ``from_at`` to before
    ``to_at``; ``None``: to none.

    ``missing`` is the first file that the log lacks after the newest base backup though later ones
    are there. ``archiving_fails_since`` is ``None`` where Postgres's log reaches the archive.
    """

    directory: str
    base_count: int
    base_bytes: int
    wal_count: int
    wal_bytes: int
    newest_label: str | None
    newest_at: datetime | None
    from_at: datetime | None
    to_at: datetime | None
    missing: str | None
    archiving_fails_since: datetime | None
    max_age_s: float

    def age_s(self, now: datetime) -> float | None:
        """Return the seconds since the newest base backup, ``None`` where there is none."""
        return None if self.newest_at is None else (now - self.newest_at).total_seconds()

    def is_too_old(self, now: datetime) -> bool:
        """Return whether the newest base backup is older than it may be, or there is none."""
        age_s = self.age_s(now)
        return age_s is None or age_s > self.max_age_s


def may_go(ended_at: Sequence[datetime], *, now: datetime, keep_days: int) -> list[datetime]:
    """Return the base backups, by their ends, that no restore within ``keep_days`` starts from.

    The newest of those that are old enough stays: the first of the days are restored from it. So
    the newest of all stays too. With 0 days nothing ever goes.
    """
    if not keep_days:
        return []
    old = sorted(at for at in ended_at if at <= now - timedelta(days=keep_days))
    return old[:-1]
