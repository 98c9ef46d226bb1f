"""The archive of the log: what it reaches, and having it reach now."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg

from flight_assets.backup.places import BaseBackup, Places
from flight_assets.backup.programs import run
from flight_assets.backup.segments import Reach, reach
from flight_assets.errors import FlightAssetsError
from flight_assets.local.processes import wait_until

Connection = psycopg.Connection[tuple[Any, ...]]

ARCHIVE_WAIT_S = 60
ENDED_AT = re.compile(r"desc: (?:COMMIT|ABORT).*?(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) UTC")
SLOT = "flight_assets_backup"  # what `backup receive` follows a server by
SETTINGS = """
select name, setting from pg_settings
where name in ('archive_mode', 'wal_level', 'max_wal_senders', 'wal_segment_size')
"""
RECEIVES = "select exists (select from pg_replication_slots where slot_name = %s and active)"
MAY_SWITCH = """
select has_function_privilege('pg_switch_wal()', 'execute'),
    (select setting::int from pg_settings where name = 'archive_timeout')
"""
SWITCH = "select pg_walfile_name(pg_switch_wal())"
CURRENT = "select pg_walfile_name(pg_current_wal_lsn())"
# Servers before 17 do not say since when a slot is not followed.
FAILS_SINCE = """
select case
    when current_setting('archive_mode') <> 'off'
        and last_failed_time > coalesce(last_archived_time, '-infinity')
        then last_failed_time
    else (
        select coalesce((to_jsonb(slot) ->> 'inactive_since')::timestamptz, now())
        from pg_replication_slots as slot
        where slot_name = %s and not active
    )
end
from pg_stat_archiver
"""


def fails_since(connection: Connection) -> datetime | None:
    """Return since when the server's log does not reach the archive, ``None`` where it does: its
    last try to archive failed, or nobody receives its log any more.
    """
    since: datetime | None = _row(connection, FAILS_SINCE, SLOT)[0]
    return since


def needs_archiving(connection: Connection) -> int:
    """Return the bytes of a segment of a server whose log is archived.

    Raises ``FlightAssetsError`` saying what to set on one where it is not.
    """
    found = dict(connection.execute(SETTINGS).fetchall())
    is_received = _row(connection, RECEIVES, SLOT)[0]
    wrong = [
        f"{name}={found[name]}"
        for name, is_right in {
            "archive_mode": is_received or found["archive_mode"] in ("on", "always"),
            "wal_level": found["wal_level"] != "minimal",
            "max_wal_senders": int(found["max_wal_senders"]) >= 2,
        }.items()
        if not is_right
    ]
    if wrong:
        raise FlightAssetsError(
            f"this Postgres keeps no archive of its log ({', '.join(wrong)}): call `flight-assets "
            "down`, then `up`, with BACKUP_DIR set; for a server of your own see docs/backup.md"
        )
    return int(found["wal_segment_size"])


def seal(connection: Connection, places: Places, *, wait_s: float = ARCHIVE_WAIT_S) -> str:
    """Have the archive hold all that is committed by now; return its newest segment.

    The session must be in autocommit. Without a transaction that begins after it, an instant
    cannot be restored: nothing in the log would say that it was reached. A user who may not switch
    to a new segment waits until the server does, by its archive_timeout.
    """
    connection.execute("select pg_current_xact_id()")
    may_switch, timeout_s = _row(connection, MAY_SWITCH)
    (name,) = _row(connection, SWITCH if may_switch else CURRENT)
    patience_s = wait_s if may_switch else wait_s + timeout_s
    if wait_until((places.wal / name).exists, timeout_s=patience_s):
        return str(name)
    why = "is still at work" if fails_since(connection) is None else "fails: see the server's log"
    raise FlightAssetsError(
        f"the segment {name} of the log is not in {places.wal} after {patience_s:.0f} s, and "
        f"Postgres says that its archiving {why}"
    )


def _row(connection: Connection, query: str, *parameters: str) -> tuple[Any, ...]:
    row = connection.execute(query, parameters).fetchone()
    assert row is not None
    return row


def reach_of(places: Places, backup: BaseBackup, names: set[str] | None = None) -> Reach:
    """Return the archived segments that follow on a base backup."""
    names = places.wal_names() if names is None else names
    return reach(places.lineage(backup.segment_bytes), backup.first_segment, names)


def last_ended_at(wal: Path, names: Sequence[str]) -> datetime | None:
    """Return when the last transaction in these segments ended; ``None``: there is none.

    A restore can go to any instant before it.
    """
    for name in reversed(names):
        ended_at = _last_ended_at(wal / name)
        if ended_at is not None:
            return ended_at
    return None


@lru_cache(maxsize=256)  # a segment in the archive never changes, and metrics ask every 10 s
def _last_ended_at(segment: Path) -> datetime | None:
    printed = run("pg_waldump", ["--rmgr=Transaction", segment], doing=f"{segment} cannot be read")
    ended = ENDED_AT.findall(printed)
    return datetime.fromisoformat(ended[-1]).replace(tzinfo=UTC) if ended else None


def faults_of_log(places: Places, backup: BaseBackup) -> list[str]:
    """Return what is wrong with the log after a base backup; reads all of it.

    A record that is damaged is named by its place in the log, a segment that is gone by its file.
    """
    found = reach_of(places, backup)
    faults = [] if found.missing is None else [f"wal/{found.missing} is missing"]
    if not found.names:
        first = places.lineage(backup.segment_bytes).name(backup.first_segment)
        return faults or [f"wal/{first} is missing"]
    for first, last in _stretches(found.names):
        try:
            asked = ["--quiet", f"--path={places.wal}", first, last]
            run("pg_waldump", asked, doing=f"wal/{first} to {last}")
        except FlightAssetsError as error:
            faults.append(str(error))
    return faults


def _stretches(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return the first and last segment of each timeline in a row."""
    by_timeline: dict[str, list[str]] = {}
    for name in names:
        by_timeline.setdefault(name[:8], []).append(name)
    return [(of[0], of[-1]) for of in by_timeline.values()]
