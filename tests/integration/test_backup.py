"""Backups of a real server: taken, read back, pruned, shown, and run as a job and a command."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from flight_assets.backup.archive import last_ended_at, seal
from flight_assets.backup.choose import choose
from flight_assets.backup.look import look
from flight_assets.backup.places import Places, write_record
from flight_assets.backup.prune import prune
from flight_assets.backup.restore import restore
from flight_assets.backup.take import LABEL_FORMAT, back_up, backup_conninfo
from flight_assets.backup.verify import faults_of_all
from flight_assets.backup_job import backup_job
from flight_assets.commands.line import first_error
from flight_assets.errors import FlightAssetsError
from flight_assets.local import postgres, postgres_archive
from flight_assets.local.postgres_archive import SCRIPT
from flight_assets.local.processes import wait_until
from flight_assets.resources import resources
from flight_assets.settings import PROJECT_ROOT, Settings
from flight_assets.warehouse.migrate import create_database_if_missing, migrate
from tests.command import flight_assets

from .backup_site import Site, flip_a_byte, now_at, put_back, rows, started, stopped

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DAY = timedelta(days=1)
MS = timedelta(milliseconds=1)


@pytest.fixture
def new_backups(site: Site) -> Iterator[None]:
    """Remove what base backups a test takes."""
    yield
    for backup in site.places.backups():
        if backup != site.backup:
            shutil.rmtree(site.places.base / backup.label)


@pytest.mark.usefixtures("repaired")
def test_a_flipped_byte_is_named_by_its_file(site: Site) -> None:
    assert list(faults_of_all(site.places)) == []
    data = site.places.data(site.backup.label)
    victim = max((data / "base").rglob("*"), key=lambda path: path.stat().st_size)
    flip_a_byte(victim, 5_000)
    assert list(faults_of_all(site.places)) == [
        f"base/{site.backup.label}: {victim.relative_to(data)} is damaged: its checksum does not "
        "match"
    ]


@pytest.mark.usefixtures("repaired")
def test_a_file_that_is_gone_or_too_long_or_strange_is_named(site: Site) -> None:
    data = site.places.data(site.backup.label)
    (data / "PG_VERSION").unlink()
    with (data / "global" / "pg_filenode.map").open("ab") as file:
        file.write(b"x")
    (data / "stranger").touch()
    found = " | ".join(faults_of_all(site.places))
    (data / "stranger").unlink()
    assert "PG_VERSION is missing" in found
    assert "global/pg_filenode.map has 525 bytes, not 524" in found
    assert "stranger is not in the manifest" in found


@pytest.mark.usefixtures("repaired")
def test_a_damaged_manifest_is_named(site: Site) -> None:
    flip_a_byte(site.places.data(site.backup.label) / "backup_manifest", 300)
    (fault,) = faults_of_all(site.places)
    assert "backup_manifest" in fault


@pytest.mark.usefixtures("repaired")
def test_a_flipped_byte_in_the_log_is_found(site: Site) -> None:
    name = site.places.lineage().name(site.backup.first_segment)
    flip_a_byte(site.places.wal / name, 0x80)
    (fault,) = faults_of_all(site.places)
    assert name in fault and "checksum" in fault


def test_each_segment_of_the_log_can_be_read_by_itself(site: Site) -> None:
    names = sorted(site.places.wal_names())
    assert len(names) > 5, "some of them end in the middle of a record"
    ended = [last_ended_at(site.places.wal, [name]) for name in names]
    known = [at for at in ended if at is not None]
    assert known == sorted(known) and known[-1] > site.between


def archived(source: Path, archive: Path, **environment: str) -> int:
    """Return how the archive_command ends for a file."""
    command = ["/bin/sh", str(SCRIPT), str(source), "1", str(archive)]
    done = subprocess.run(command, capture_output=True, env=os.environ | environment)
    return done.returncode


def names_in(archive: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in archive.iterdir() if path.name[0] != "."}


def stand_in(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_the_archive_command_never_writes_over_a_file(tmp_path: Path) -> None:
    source, archive = tmp_path / "source", tmp_path / "archive"
    archive.mkdir()
    source.write_bytes(b"first")
    assert archived(source, archive) == 0
    assert archived(source, archive) == 0, "the same file again is no fault"
    source.write_bytes(b"other")
    assert archived(source, archive) != 0
    assert names_in(archive) == {"1": b"first"}
    assert len(list(archive.iterdir())) == 1


def test_a_file_that_another_server_archives_meanwhile_stays_as_it_is(tmp_path: Path) -> None:
    source, archive, programs = (tmp_path / name for name in ("source", "archive", "programs"))
    archive.mkdir()
    programs.mkdir()
    source.write_bytes(b"ours")
    stand_in(programs / "sync", f"printf theirs > {archive}/1")
    assert archived(source, archive, PATH=f"{programs}:{os.environ['PATH']}") != 0
    assert names_in(archive) == {"1": b"theirs"}


def test_a_copy_that_was_cut_off_is_no_file_of_the_archive(tmp_path: Path) -> None:
    source, archive, programs = (tmp_path / name for name in ("source", "archive", "programs"))
    archive.mkdir()
    programs.mkdir()
    source.write_bytes(b"first")
    stand_in(programs / "sync", "kill -9 $PPID")
    assert archived(source, archive, PATH=f"{programs}:{os.environ['PATH']}") == -signal.SIGKILL
    assert names_in(archive) == {} and len(list(archive.iterdir())) == 1
    assert archived(source, archive) == 0
    assert names_in(archive) == {"1": b"first"}


def test_copies_that_were_cut_off_go_after_a_day(site: Site) -> None:
    old, new = (site.places.wal / f".000000010000000000000099.{number}" for number in (1, 2))
    for path in (old, new):
        path.touch()
    yesterday = time.time() - 90_000
    os.utime(old, (yesterday, yesterday))
    prune(site.places, now=datetime.now(UTC), keep_days=0)
    assert not old.exists() and new.exists()
    new.unlink()


def test_two_homes_do_not_share_a_directory(site: Site, target: Path) -> None:
    with pytest.raises(FlightAssetsError, match="has the backups of the stack in"):
        started(target, site.places.root)


def test_a_server_without_an_archive_is_told_how_to_get_one(site: Site, target: Path) -> None:
    conninfo = started(target, None)
    with pytest.raises(FlightAssetsError, match="archive_mode=off, wal_level=minimal"):
        back_up(Places(target / "backups"), conninfo)


@pytest.mark.usefixtures("new_backups")
def test_what_no_restore_needs_goes_and_the_rest_restores(site: Site, target: Path) -> None:
    second = back_up(site.places, site.conninfo)
    now = second.ended_at + 8 * DAY
    for keep_days in (9, 0):
        assert prune(site.places, now=now, keep_days=keep_days).labels == ()
    before = site.places.wal_names()
    with put_back(site.places.root):  # from here on the archive only loses files
        dropped = prune(site.places, now=now, keep_days=7)
        assert dropped.labels == (site.backup.label,) and dropped.wal_count > 0
        assert site.places.backups() == [second]
        oldest = site.places.lineage().name(second.first_segment)
        assert site.places.wal_names() == {name for name in before if name >= oldest}
        restore(site.places, site.sealed(), target)
    assert rows(started(target, None)) == [1, 2]


@pytest.mark.usefixtures("new_backups")
def test_a_backup_that_was_cut_off_is_none_and_goes_with_the_next(site: Site) -> None:
    remains = site.places.base / ".20200101T000000Z"
    (remains / "data").mkdir(parents=True)
    assert site.places.backups() == [site.backup]
    back_up(site.places, site.conninfo)
    assert not remains.exists()


@pytest.mark.usefixtures("new_backups")
def test_a_backup_in_the_second_of_another_one_waits_for_the_next(site: Site) -> None:
    seconds = [datetime.now(UTC) + timedelta(seconds=n) for n in range(3)]
    taken = [site.places.base / at.strftime(LABEL_FORMAT) for at in seconds]
    for place in taken:
        place.mkdir()
    try:
        assert back_up(site.places, site.conninfo).label not in [place.name for place in taken]
    finally:
        for place in taken:
            place.rmdir()


def test_a_login_that_may_only_replicate_takes_backups(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for the server to switch to a new segment, as it may not ask for that."""
    monkeypatch.setattr(postgres_archive, "ARCHIVE_TIMEOUT_S", 2)
    own = Places(target.with_name("own-backups"))
    admin = started(target, own.root)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("create role backup login replication password 'of-this-test'")
    conninfo = backup_conninfo(
        Settings(
            backup_postgres_user="backup",
            backup_postgres_password=SecretStr("of-this-test"),
            _env_file=None,
        ),
        admin,
    )
    assert conninfo_to_dict(conninfo)["user"] == "backup"
    backup = back_up(own, conninfo)
    assert own.backups() == [backup]
    assert list(faults_of_all(own)) == []


def test_the_log_of_a_server_that_does_not_archive_is_received(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Places(target.with_name("received"))
    ready = {"wal_level": "replica", "max_wal_senders": "4", "archive_timeout": "2s"}
    monkeypatch.setattr(postgres, "SERVER_SETTINGS", postgres.SERVER_SETTINGS | ready)
    conninfo = started(target, None)
    with pytest.raises(FlightAssetsError, match=r"no archive of its log \(archive_mode=off\)"):
        back_up(own, conninfo)
    parts = {f"POSTGRES_{name.upper()}": str(v) for name, v in conninfo_to_dict(conninfo).items()}
    receiver = subprocess.Popen(
        [sys.executable, "-m", "flight_assets.cli", "backup", "receive"],
        env=os.environ
        | parts
        | {"POSTGRES_DB": "postgres", "BACKUP_DIR": str(own.root)}
        | {"FLIGHT_ASSETS_HOME": str(target.with_name("another-home"))},
        cwd=PROJECT_ROOT,
    )
    try:
        settings = Settings(backup_dir=own.root, _env_file=None)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            active = "select count(*) from pg_replication_slots where active"
            assert wait_until(lambda: connection.execute(active).fetchone() == (1,), timeout_s=60)
            backup = back_up(own, conninfo)
            assert own.backups() == [backup] and list(faults_of_all(own)) == []
            assert look(settings, connection).archiving_fails_since is None
            connection.execute("create table rows as select 1 as n")
            at = now_at(connection)
            connection.execute("insert into rows values (2)")
            seal(connection, own)
            receiver.terminate()
            assert receiver.wait(30) == 0
            assert wait_until(
                lambda: look(settings, connection).archiving_fails_since is not None, timeout_s=20
            )
        beside = target.with_name("target-beside")
        try:
            restore(own, at, beside)
            assert rows(started(beside, None)) == [1]
        finally:
            stopped(beside)
    finally:
        receiver.kill()
        receiver.wait(30)


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
    blocked = site.places.wal.rename(site.places.root / "wal-away")
    try:
        with psycopg.connect(site.conninfo, autocommit=True) as connection:
            with pytest.raises(FlightAssetsError, match="its archiving fails"):
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


@pytest.fixture
def environment(site: Site, no_settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of a Dagster whose warehouse is on the site's server."""
    conninfo = make_conninfo(site.conninfo, dbname="flight_assets")
    create_database_if_missing(conninfo)
    migrate(conninfo)
    for name, value in conninfo_to_dict(conninfo).items():
        monkeypatch.setenv({"dbname": "POSTGRES_DB"}.get(name, f"POSTGRES_{name.upper()}"), value)
    monkeypatch.setenv("FLIGHT_ASSETS_HOME", str(site.home))
    monkeypatch.setenv("BACKUP_DIR", str(site.places.root))


def job_run() -> dg.ExecuteInProcessResult:
    return backup_job.execute_in_process(
        instance=dg.DagsterInstance.ephemeral(), resources=resources(), raise_on_error=False
    )


@pytest.mark.usefixtures("repaired", "new_backups", "environment")
def test_the_job_takes_a_backup_and_fails_where_an_older_one_is_damaged(site: Site) -> None:
    assert job_run().success
    assert len(site.places.backups()) == 2
    flip_a_byte(site.places.data(site.backup.label) / "global" / "pg_control", 20)
    failed = job_run()
    assert not failed.success
    assert len(site.places.backups()) == 3, "the new backup is there all the same"
    assert f"base/{site.backup.label}: global/pg_control is damaged" in first_error(failed)


@pytest.mark.usefixtures("repaired", "new_backups", "environment")
def test_the_job_fails_where_the_log_has_a_gap(site: Site) -> None:
    site.sealed()
    name = site.places.lineage().name(site.backup.first_segment + 1)
    (site.places.wal / name).unlink()
    failed = job_run()
    assert not failed.success
    assert f"wal/{name} is missing" in first_error(failed)


@pytest.mark.usefixtures("new_backups", "environment")
def test_the_commands_take_list_verify_and_restore(site: Site, target: Path) -> None:
    backups = {"BACKUP_DIR": str(site.places.root)}

    def told(*arguments: str) -> str:
        return flight_assets(site.home, *arguments, **backups)

    label = told("backup", "now").split()[0]
    assert [each["label"] for each in json.loads(told("backup", "list", "--json"))] == [
        site.backup.label,
        label,
    ]
    assert label in told("backup", "list")
    assert told("backup", "verify") == told("backup", "verify", label) == "All of it is whole.\n"
    assert "is archived" in told("backup", "seal")
    at = site.between.isoformat()
    assert f"{target} is as of" in told("restore", "--at", at, "--into", str(target))
    assert rows(started(target, None)) == [1]
