"""What there is to restore from, at the cost of a listing: for the status and the alerts."""

import os
from datetime import datetime
from typing import Any

import psycopg

from flight_assets.backup.archive import fails_since, reach_of
from flight_assets.backup.choose import span_of, usable
from flight_assets.backup.places import Places, places
from flight_assets.core.backups import Backups
from flight_assets.settings import Settings


def look(settings: Settings, connection: psycopg.Connection[Any] | None) -> Backups:
    """Return what there is to restore from; without a connection nothing of the archiver.

    Raises ``FlightAssetsError`` where ``BACKUP_DIR`` is not set or cannot be read.
    """
    of = places(settings)
    backups = of.backups()
    sizes = wal_sizes(of)
    # the newest leads as far as any: the log after an older one runs through it
    last = span_of(of, backups[-1], set(sizes)) if backups else None
    return Backups(
        directory=str(of.root),
        base_count=len(backups),
        base_bytes=sum(each.byte_count for each in backups),
        wal_count=len(sizes),
        wal_bytes=sum(sizes.values()),
        newest_label=backups[-1].label if backups else None,
        newest_at=backups[-1].ended_at if backups else None,
        from_at=from_at(of, set(sizes)),
        to_at=last.last if last else None,
        missing=last.missing if last else None,
        archiving_fails_since=None if connection is None else fails_since(connection),
        max_age_s=settings.backup_max_age_hours * 3600,
    )


def from_at(of: Places, names: set[str]) -> datetime | None:
    """Return the earliest instant from which on every one up to the newest can be restored."""
    backups = usable(of)
    if not backups:
        return None
    last = backups[-1]
    newest = of.lineage(last.segment_bytes).name(last.first_segment)
    earliest = last.ended_at
    for backup in reversed(backups[:-1]):
        if newest not in reach_of(of, backup, names).names:
            break  # the log from this one on ends before the newest begins
        earliest = backup.ended_at
    return earliest


def wal_sizes(of: Places) -> dict[str, int]:
    """Return the bytes of each archived segment of the log."""
    names = of.wal_names()
    if not names:
        return {}
    return {e.name: e.stat().st_size for e in os.scandir(of.wal) if e.name in names}
