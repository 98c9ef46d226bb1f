"""A server that archives its log, with one base backup and a row on either side of an instant."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from flight_assets.backup.archive import seal
from flight_assets.backup.places import BaseBackup, Places
from flight_assets.backup.take import back_up
from flight_assets.local import postgres
from flight_assets.local.state import locked_state
from flight_assets.settings import Settings


@dataclass(frozen=True)
class Site:
    """The server's home, the directory of its backups, and the instant between row 1 and row 2."""

    home: Path
    conninfo: str
    places: Places
    backup: BaseBackup
    between: datetime

    def settings(self) -> Settings:
        """Return the settings of who watches these backups."""
        return Settings(flight_assets_home=self.home, backup_dir=self.places.root, _env_file=None)

    def sealed(self) -> datetime:
        """Return the present, which the archive then leads to."""
        with psycopg.connect(self.conninfo, autocommit=True) as connection:
            at = now_at(connection)
            seal(connection, self.places)
        return at


def now_at(connection: psycopg.Connection) -> datetime:
    """Return the server's clock, and let it go on by some milliseconds."""
    row = connection.execute("select clock_timestamp()").fetchone()
    connection.execute("select pg_sleep(0.01)")
    assert row is not None
    return row[0]


# Some segments of the log that end because they are full, in the middle of a record.
MUCH = "create table much as select repeat(md5(n::text), 20) from generate_series(1, 60000) as n"


def new_site(root: Path) -> Site:
    """Start a server under a directory, back it up, and write the two rows."""
    home, places = root / "home", Places(root / "backups")
    conninfo = started(home, places.root)
    backup = back_up(places, conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(MUCH)
        connection.execute("create table rows (n int)")
        connection.execute("insert into rows values (1)")
        between = now_at(connection)
        connection.execute("insert into rows values (2)")
        seal(connection, places)
    return Site(home, conninfo, places, backup, between)


def started(home: Path, backup_dir: Path | None) -> str:
    """Return the connection string of a home's server, which runs then."""
    with locked_state(home) as state:
        found = postgres.start(state, backup_dir=backup_dir)
    return make_conninfo(
        host=found.host,
        port=found.port,
        user=found.user,
        password=found.password,
        dbname="postgres",
    )


def stopped(home: Path) -> None:
    """Stop a home's server, where it runs."""
    with locked_state(home) as state:
        postgres.stop_server(state)


@contextmanager
def put_back(root: Path) -> Iterator[None]:
    """Have the backups in a directory be as they were before the block, whatever it did to them."""
    kept = root.with_name("kept")
    # a file that is being archived has a dot before its name, and is gone the next moment
    shutil.copytree(root, kept, ignore=shutil.ignore_patterns(".*"))
    try:
        yield
    finally:
        for name in ("base", "wal"):
            for path in (kept / name).rglob("*"):
                repair(root / path.relative_to(kept), path)
        shutil.rmtree(kept)


def repair(there: Path, path: Path) -> None:
    """Have a file or directory be as its copy is, and of the owner of what is around it."""
    if path.is_dir():
        there.mkdir(exist_ok=True, mode=0o700)
    elif not is_same(path, there):
        shutil.copy2(path, there)
        owner = there.parent.stat()
        os.chown(there, owner.st_uid, owner.st_gid)


def is_same(path: Path, there: Path) -> bool:
    """Return whether two files have one length and one time of their last change."""
    if not there.exists():
        return False
    of, other = path.stat(), there.stat()
    return (of.st_size, of.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def flip_a_byte(path: Path, at: int) -> None:
    """Change one bit of a file."""
    with path.open("r+b") as file:
        file.seek(at)
        was = file.read(1)
        file.seek(at)
        file.write(bytes([was[0] ^ 1]))


def rows(conninfo: str) -> list[int]:
    """Return the rows that a server has."""
    with psycopg.connect(conninfo) as connection:
        return [n for (n,) in connection.execute("select n from rows order by n")]
