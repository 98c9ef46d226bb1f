"""Backups of a real server: taken, read back, pruned; and what a restore refuses."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from flight_assets.backup.archive import seal
from flight_assets.backup.choose import choose, span_of
from flight_assets.backup.look import look
from flight_assets.backup.places import BaseBackup, Places, write_record
from flight_assets.backup.prune import prune
from flight_assets.backup.restore import restore
from flight_assets.backup.take import back_up
from flight_assets.backup.verify import faults_of_all
from flight_assets.errors import FlightAssetsError
from flight_assets.local import postgres
from flight_assets.local.postgres_archive import SCRIPT
from flight_assets.local.postgres_data import Files
from flight_assets.local.state import locked_state
from flight_assets.settings import Settings

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DAY = timedelta(days=1)
MS = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Site:
    """A server that archives, with one base backup and a row before and after an instant."""

    home: Path
    conninfo: str
    places: Places
    backup: BaseBackup
    between: datetime

    def settings(self, **given: object) -> Settings:
        return Settings(
            flight_assets_home=self.home, backup_dir=self.places.root, _env_file=None, **given
        )


def started(home: Path, backup_dir: Path | None) -> str:
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
    with locked_state(home) as state:
        postgres.stop_server(state)


@pytest.fixture(scope="module")
def _site() -> Iterator[Site]:
    root = Path(tempfile.mkdtemp(prefix="flight-assets-backup-"))
    root.chmod(0o755)
    home, places = root / "home", Places(root / "backups")
    try:
        conninfo = started(home, places.root)
        backup = back_up(places, conninfo)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("create table rows (n int)")
            connection.execute("insert into rows values (1)")
            between = connection.execute("select clock_timestamp()").fetchone()[0]
            connection.execute("select pg_sleep(0.01)")
            connection.execute("insert into rows values (2)")
            seal(connection, places)
        yield Site(home, conninfo, places, backup, between)
    finally:
        stopped(home)
        shutil.rmtree(root)


@pytest.fixture
def site(_site: Site) -> Iterator[Site]:
    """The site, whose backups are again as they were after a test has damaged them."""
    kept = _site.places.root.with_name("kept")
    shutil.copytree(_site.places.root, kept)
    try:
        yield _site
    finally:
        for name in ("base", "wal"):
            for path in (kept / name).rglob("*"):
                there = _site.places.root / path.relative_to(kept)
                if path.is_file() and (not there.exists() or there.stat() != path.stat()):
                    there.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(path, there)
        shutil.rmtree(kept)


@pytest.fixture
def target(_site: Site) -> Iterator[Path]:
    home = _site.home.with_name("target")
    yield home
    if home.exists():
        stopped(home)
        shutil.rmtree(home)


def flip_a_byte(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        was = file.read(1)
        file.seek(at)
        file.write(bytes([was[0] ^ 1]))


def rows(conninfo: str) -> list[int]:
    with psycopg.connect(conninfo) as connection:
        return [n for (n,) in connection.execute("select n from rows order by n")]


def test_a_restore_ends_between_two_transactions(site: Site, target: Path) -> None:
    done = restore(site.places, site.between, target)
    assert done.label == site.backup.label and done.last_ended_at
    assert rows(started(target, None)) == [1]
    assert rows(site.conninfo) == [1, 2], "the one that runs is as it was"


def test_the_restored_server_has_a_password_of_its_own(site: Site, target: Path) -> None:
    restore(site.places, site.between, target)
    conninfo = started(target, None)
    old = Files(site.home).password.read_text()
    assert Files(target).password.read_text() != old
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(conninfo, password=old.strip())


def test_a_time_before_the_first_backup_is_refused(site: Site, target: Path) -> None:
    with pytest.raises(FlightAssetsError, match="before the end of the oldest base backup"):
        restore(site.places, site.backup.ended_at - MS, target)
    assert not target.exists()


def test_a_time_after_the_archived_log_is_refused(site: Site, target: Path) -> None:
    last = span_of(site.places, site.backup).last
    assert last is not None
    for at in (last, datetime.now(UTC) - MS):
        with pytest.raises(FlightAssetsError, match="after the end of the archived log"):
            restore(site.places, at, target)
    with pytest.raises(FlightAssetsError, match="in the future"):
        restore(site.places, datetime.now(UTC) + DAY, target)
    assert not target.exists()


def test_a_place_that_is_not_empty_is_refused(site: Site, target: Path) -> None:
    target.mkdir()
    (target / "notes").write_text("mine")
    with pytest.raises(FlightAssetsError, match="is not empty"):
        restore(site.places, site.between, target)
    assert (target / "notes").read_text() == "mine"


def test_a_home_whose_server_runs_is_refused_even_with_replace(site: Site) -> None:
    for replaced in (False, True):
        with pytest.raises(FlightAssetsError, match="a Postgres runs in"):
            restore(site.places, site.between, site.home, replace=replaced)
    assert rows(site.conninfo) == [1, 2]


def test_replace_moves_the_data_aside(site: Site, target: Path) -> None:
    restore(site.places, site.between, target)
    with psycopg.connect(started(target, None), autocommit=True) as connection:
        connection.execute("insert into rows values (3)")
    stopped(target)
    restore(site.places, site.between, target, replace=True)
    assert rows(started(target, None)) == [1]
    assert len(list((target / "postgres").resolve().glob("data.before-*"))) == 1


def test_a_missing_file_of_the_log_is_named_and_nothing_is_left(site: Site, target: Path) -> None:
    with psycopg.connect(site.conninfo, autocommit=True) as connection:
        names = [seal(connection, site.places) for _ in range(2)]
        at = connection.execute("select clock_timestamp()").fetchone()[0]
        seal(connection, site.places)
    gone = site.places.wal / names[1]
    away = gone.rename(site.places.root / "away")
    try:
        with pytest.raises(FlightAssetsError, match=f"{names[1]} is missing"):
            restore(site.places, at, target)
        assert not target.exists()
        assert f"wal/{names[1]} is missing" in list(faults_of_all(site.places))
        with psycopg.connect(site.conninfo) as connection:
            found = look(site.settings(), connection)
        assert found.missing == names[1]
        assert found.from_at == site.backup.ended_at and found.to_at is not None
        assert site.between < found.to_at < at
        restore(site.places, site.between, target)
    finally:
        away.rename(gone)


def test_a_flipped_byte_is_named_by_its_file(site: Site, target: Path) -> None:
    assert list(faults_of_all(site.places)) == []
    data = site.places.data(site.backup.label)
    victim = max((data / "base").rglob("*"), key=lambda path: path.stat().st_size)
    flip_a_byte(victim, 5_000)
    name = victim.relative_to(data)
    assert list(faults_of_all(site.places)) == [
        f"base/{site.backup.label}: {name} is damaged: its checksum does not match"
    ]
    with pytest.raises(FlightAssetsError, match=f"{name} is damaged"):
        restore(site.places, site.between, target)
    assert not target.exists()


def test_a_file_that_is_gone_or_too_long_or_strange_is_named(site: Site) -> None:
    data = site.places.data(site.backup.label)
    (data / "PG_VERSION").unlink()
    (data / "global" / "pg_filenode.map").open("ab").write(b"x")
    (data / "stranger").write_text("")
    found = " | ".join(faults_of_all(site.places))
    (data / "stranger").unlink()
    assert "PG_VERSION is missing" in found
    assert "global/pg_filenode.map has 525 bytes, not 524" in found
    assert "stranger is not in the manifest" in found


def test_a_damaged_manifest_is_named(site: Site) -> None:
    flip_a_byte(site.places.data(site.backup.label) / "backup_manifest", 300)
    (fault,) = faults_of_all(site.places)
    assert "backup_manifest" in fault


def test_a_flipped_byte_in_the_log_is_found(site: Site) -> None:
    name = site.places.lineage().name(site.backup.first_segment)
    flip_a_byte(site.places.wal / name, 0x80)
    (fault,) = faults_of_all(site.places)
    assert name in fault and "checksum" in fault


def test_the_archive_command_never_writes_over_a_file(tmp_path: Path) -> None:
    source, archive = tmp_path / "source", tmp_path / "archive"
    archive.mkdir()
    source.write_bytes(b"first")

    def archived() -> int:
        command = ["/bin/sh", str(SCRIPT), str(source), "1", str(archive)]
        return subprocess.run(command, capture_output=True).returncode

    assert archived() == 0
    assert archived() == 0, "the same file again is no fault"
    source.write_bytes(b"other")
    assert archived() != 0
    assert [(p.name, p.read_bytes()) for p in archive.iterdir()] == [("1", b"first")]


def test_two_homes_do_not_share_a_directory(site: Site, target: Path) -> None:
    with pytest.raises(FlightAssetsError, match="has the backups of the stack in"):
        started(target, site.places.root)


def test_a_server_without_an_archive_is_told_how_to_get_one(site: Site, target: Path) -> None:
    conninfo = started(target, None)
    with pytest.raises(FlightAssetsError, match="archive_mode=off, wal_level=minimal"):
        back_up(Places(target / "backups"), conninfo)


def test_what_no_restore_needs_goes_and_the_rest_restores(site: Site, target: Path) -> None:
    first = site.backup
    second = back_up(site.places, site.conninfo)
    now = second.ended_at + 8 * DAY
    assert prune(site.places, now=now, keep_days=9).labels == ()
    assert prune(site.places, now=now, keep_days=0).labels == ()
    before = site.places.wal_names()
    dropped = prune(site.places, now=now, keep_days=7)
    assert dropped.labels == (first.label,) and dropped.wal_count > 0
    assert site.places.backups() == [second]
    oldest = site.places.lineage().name(second.first_segment)
    assert site.places.wal_names() == {name for name in before if name >= oldest}
    with psycopg.connect(site.conninfo, autocommit=True) as connection:
        at = connection.execute("select clock_timestamp()").fetchone()[0]
        seal(connection, site.places)
    restore(site.places, at, target)
    assert rows(started(target, None)) == [1, 2]
    shutil.rmtree(site.places.base / second.label)


def test_a_backup_that_was_cut_off_is_none_and_goes_with_the_next(site: Site) -> None:
    remains = site.places.base / ".20200101T000000Z"
    (remains / "data").mkdir(parents=True)
    assert site.places.backups() == [site.backup]
    new = back_up(site.places, site.conninfo)
    assert not remains.exists()
    shutil.rmtree(site.places.base / new.label)


def test_the_status_tells_size_age_and_the_reach_of_a_restore(site: Site) -> None:
    with psycopg.connect(site.conninfo) as connection:
        found = look(site.settings(), connection)
    assert found.base_count == 1 and found.base_bytes == site.backup.byte_count
    assert found.wal_bytes == found.wal_count * (16 << 20) > 0
    assert found.newest_at == found.from_at == site.backup.ended_at
    assert found.to_at is not None and found.to_at > site.between
    assert found.missing is None and found.archiving_fails_since is None
    assert found.is_too_old(site.backup.ended_at + timedelta(hours=27))


def test_a_server_that_cannot_archive_is_told_of(site: Site) -> None:
    blocked = site.places.wal.with_name("wal-away")
    site.places.wal.rename(blocked)
    try:
        with psycopg.connect(site.conninfo, autocommit=True) as connection:
            with pytest.raises(FlightAssetsError, match="its last try failed"):
                seal(connection, site.places, wait_s=5)
            assert look(site.settings(), connection).archiving_fails_since is not None
    finally:
        blocked.rename(site.places.wal)


def test_the_newest_backup_before_the_instant_is_chosen(site: Site) -> None:
    assert choose(site.places, site.between).backup == site.backup
    earlier = replace(site.backup, label="copy", ended_at=site.backup.ended_at - DAY)
    place = site.places.base / earlier.label
    place.mkdir()
    write_record(place, earlier)
    try:
        assert choose(site.places, site.between).backup == site.backup
        assert choose(site.places, site.backup.ended_at - MS).backup == earlier
    finally:
        shutil.rmtree(place)
