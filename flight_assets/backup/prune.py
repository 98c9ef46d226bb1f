"""Dropping the base backups and the part of the log that no restore needs any more."""

import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from flight_assets.backup.choose import usable
from flight_assets.backup.places import BaseBackup, Places, sync_directory
from flight_assets.backup.programs import run
from flight_assets.core.backups import may_go

PART_AGE_S = 86_400  # of a copy that was cut off: an archive_command takes seconds


@dataclass(frozen=True)
class Dropped:
    """What went: base backups by their labels, and so many files of the log."""

    labels: tuple[str, ...]
    wal_count: int


def prune(places: Places, *, now: datetime, keep_days: int) -> Dropped:
    """Drop what a restore to an instant of the last ``keep_days`` does not need.

    First the base backups, each out of sight at once, then the log before the oldest that stays.
    """
    with places.locked():
        backups = usable(places)
        old = set(may_go([each.ended_at for each in backups], now=now, keep_days=keep_days))
        goes = [each for each in backups if each.ended_at in old]
        goes += _abandoned(places, backups, before=now - timedelta(days=keep_days or 36_500))
        for each in goes:
            _drop(places, each)
        stays = [each for each in backups if each not in goes]
        dropped = _prune_log(places, stays[0]) if stays and keep_days else 0
        _drop_parts(places)
        return Dropped(tuple(each.label for each in goes), dropped)


def _abandoned(places: Places, usable: list[BaseBackup], *, before: datetime) -> list[BaseBackup]:
    """Return the old backups of what came after the instant that was restored later."""
    return [b for b in places.backups() if b not in usable and b.ended_at <= before]


def _drop(places: Places, backup: BaseBackup) -> None:
    hidden = places.base / f".{backup.label}"
    (places.base / backup.label).rename(hidden)
    sync_directory(places.base)
    shutil.rmtree(hidden)


def _prune_log(places: Places, oldest: BaseBackup) -> int:
    """Have Postgres's own program drop the segments before the first that a backup needs."""
    before = len(places.wal_names())
    first = places.lineage(oldest.segment_bytes).name(oldest.first_segment)
    run("pg_archivecleanup", [places.wal, first], doing="old files of the log could not be dropped")
    return before - len(places.wal_names())


def _drop_parts(places: Places) -> None:
    """Remove the copies that a crash of the server cut off."""
    oldest = time.time() - PART_AGE_S
    for part in places.wal.glob(".*"):
        with suppress(FileNotFoundError):  # it has been given its name meanwhile
            if part.stat().st_mtime < oldest:
                part.unlink()
