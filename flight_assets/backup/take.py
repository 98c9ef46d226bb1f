"""Taking a base backup of a running server, and reading it back before it counts."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_assets.backup.archive import Connection, needs_archiving, seal
from flight_assets.backup.manifest import faults, stretch_of
from flight_assets.backup.places import (
    BaseBackup,
    Places,
    sync_directory,
    write_record,
)
from flight_assets.backup.programs import run, server
from flight_assets.errors import FlightAssetsError
from flight_assets.local.state import Say, silence
from flight_assets.settings import Settings
from flight_assets.warehouse.connection import connect

ABOUT = """
select clock_timestamp(), current_setting('server_version'),
    (select rolname from pg_roles where oid = 10)
"""
LABEL_FORMAT = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class About:
    """A server's clock, its version and the name of the role that it was made with."""

    now: datetime
    version: str
    superuser: str


def backup_conninfo(settings: Settings, conninfo: str) -> str:
    """Return the connection string of who takes backups.

    A user of its own, where one is set, need not be let into the warehouse: it is led to the
    database that every cluster has. So is a way of its own to the server; a socket has no TLS.
    """
    own = conninfo_to_dict(conninfo)
    if settings.backup_postgres_user is not None:
        own |= {"dbname": "postgres", "user": settings.backup_postgres_user}
        if settings.backup_postgres_password is not None:
            own["password"] = settings.backup_postgres_password.get_secret_value()
    if settings.backup_postgres_host is not None:
        own["host"] = settings.backup_postgres_host
        if settings.backup_postgres_host.startswith("/"):
            own["sslmode"] = "disable"
            own.pop("sslrootcert", None)
    return make_conninfo(**own)


def back_up(places: Places, conninfo: str, *, say: Say = silence) -> BaseBackup:
    """Take a base backup, have the log behind it archived, read it all back, and return it.

    Raises ``FlightAssetsError`` and leaves no backup where any of that fails.
    """
    with places.locked(), connect(conninfo, autocommit=True) as connection:
        segment_bytes = needs_archiving(connection)
        _drop_unfinished(places)
        began, label = _begin(connection, places)
        with _unfinished(places, label) as place:
            say(f"Taking the base backup {label} …")
            _base_backup(conninfo, place / "data", label)
            ended = _about(connection)
            seal(connection, places)
            say("Reading it back …")
            _read_back(place / "data")
            backup = _record(place, label, began, ended, segment_bytes)
            write_record(place, backup)
        place.rename(places.base / label)
        sync_directory(places.base)
        return backup


def _begin(connection: Connection, places: Places) -> tuple[About, str]:
    """Return what the server says of itself, and the label of a backup that begins now.

    A label is a second, so this waits for the next one where a backup has this one's.
    """
    while True:
        began = _about(connection)
        label = began.now.strftime(LABEL_FORMAT)
        if not (places.base / label).exists():
            return began, label
        sleep(0.1)


def _about(connection: Connection) -> About:
    row = connection.execute(ABOUT).fetchone()
    assert row is not None
    return About(row[0].astimezone(UTC), row[1], row[2])


@contextmanager
def _unfinished(places: Places, label: str) -> Iterator[Path]:
    """Give a directory for the backup, gone again where it does not become one."""
    places.base.mkdir(mode=0o700, exist_ok=True)
    place = places.base / f".{label}"
    place.mkdir(mode=0o700)
    is_done = False
    try:
        yield place
        is_done = True
    finally:
        if not is_done:
            shutil.rmtree(place)


def _drop_unfinished(places: Places) -> None:
    """Remove what a process that was killed left; the lock says that none is at work."""
    if places.base.is_dir():
        for remains in places.base.glob(".*"):
            shutil.rmtree(remains)


def _base_backup(conninfo: str, data: Path, label: str) -> None:
    """Have Postgres write a base backup, with the log that makes it consistent, to the disk."""
    where, secrets = server(conninfo)
    asked = [
        where,
        f"--pgdata={data}",
        f"--label={label}",
        "--format=plain",
        "--wal-method=stream",
        "--checkpoint=fast",
        "--manifest-checksums=SHA256",
        "--no-password",
    ]
    run("pg_basebackup", asked, doing="the base backup failed", secrets=secrets)


def _read_back(data: Path) -> None:
    found = list(faults(data))
    if found:
        raise FlightAssetsError(
            "the base backup is not what Postgres sent, so it was dropped: "
            f"{'; '.join(found[:5])}; look at the disk of BACKUP_DIR"
        )


def _record(place: Path, label: str, began: About, ended: About, segment_bytes: int) -> BaseBackup:
    stretch = stretch_of(place / "data")
    start, end = stretch.places
    return BaseBackup(
        label=label,
        started_at=began.now,
        ended_at=ended.now,
        timeline=stretch.timeline,
        start=start,
        end=end,
        segment_bytes=segment_bytes,
        byte_count=sum(p.stat().st_size for p in place.rglob("*") if p.is_file()),
        server_version=began.version,
        superuser=began.superuser,
    )
