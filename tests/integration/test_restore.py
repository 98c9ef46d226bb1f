"""Restores of a real server to an instant, and all that a restore refuses."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from flight_assets.backup.archive import seal
from flight_assets.backup.choose import span_of
from flight_assets.backup.look import look
from flight_assets.backup.places import Places
from flight_assets.backup.restore import restore
from flight_assets.backup.take import back_up
from flight_assets.backup.verify import faults_of_all
from flight_assets.errors import FlightAssetsError
from flight_assets.local.postgres_data import Files

from .backup_site import Site, flip_a_byte, now_at, rows, started, stopped

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DAY = timedelta(days=1)
MS = timedelta(milliseconds=1)


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


def test_the_last_instant_before_the_end_of_the_log_can_be_restored(
    site: Site, target: Path
) -> None:
    last = span_of(site.places, site.backup).last
    assert last is not None
    restore(site.places, last - timedelta(microseconds=1), target)
    assert rows(started(target, None)) == [1, 2]


def test_a_place_that_is_not_empty_is_refused(site: Site, target: Path) -> None:
    target.mkdir()
    (target / "notes").write_text("mine")
    with pytest.raises(FlightAssetsError, match="is not empty"):
        restore(site.places, site.between, target)
    assert [(p.name, p.read_text()) for p in target.iterdir()] == [("notes", "mine")]


def test_a_home_whose_server_runs_is_refused_even_with_replace(site: Site) -> None:
    for replace in (False, True):
        with pytest.raises(FlightAssetsError, match="a Postgres runs in"):
            restore(site.places, site.between, site.home, replace=replace)
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
        at = now_at(connection)
        seal(connection, site.places)
        gone = site.places.wal / names[1]
        away = gone.rename(site.places.root / "away")
        try:
            with pytest.raises(FlightAssetsError, match=f"{names[1]} is missing"):
                restore(site.places, at, target)
            assert not target.exists()
            assert f"wal/{names[1]} is missing" in list(faults_of_all(site.places))
            found = look(site.settings(), connection)
            restore(site.places, site.between, target)
        finally:
            away.rename(gone)
    assert found.missing == names[1] and found.from_at == site.backup.ended_at
    assert found.to_at is not None and site.between < found.to_at < at


@pytest.mark.usefixtures("repaired")
def test_a_damaged_base_backup_is_not_restored(site: Site, target: Path) -> None:
    flip_a_byte(site.places.data(site.backup.label) / "global" / "pg_control", 20)
    with pytest.raises(FlightAssetsError, match="global/pg_control is damaged"):
        restore(site.places, site.between, target)
    assert not target.exists()


@pytest.mark.usefixtures("repaired")
def test_where_postgres_cannot_replay_the_log_its_words_are_told_and_nothing_is_left(
    site: Site, target: Path
) -> None:
    at = site.sealed()
    name = site.places.lineage().name(site.backup.first_segment + 1)
    flip_a_byte(site.places.wal / name, 0x30)
    with pytest.raises(FlightAssetsError, match=r"could not replay the log: .*recovery ended"):
        restore(site.places, at, target)
    assert not target.exists()


def test_what_is_restored_in_place_goes_on_archiving_and_is_restored_again(
    site: Site, target: Path
) -> None:
    """A restore leaves a timeline: the log of the next one follows on it in the same archive."""
    root = site.places.root.with_name("own")
    own = Places(root / "backups")
    home = root / "home"
    root.mkdir(mode=0o755)
    try:
        conninfo = started(home, own.root)
        first = back_up(own, conninfo)
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("create table rows (n int)")
            connection.execute("insert into rows values (1)")
            kept = now_at(connection)
            connection.execute("insert into rows values (2)")
            seal(connection, own)
        lost = back_up(own, conninfo)
        stopped(home)
        restore(own, kept, home, replace=True)
        conninfo = started(home, own.root)
        assert rows(conninfo) == [1]
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("insert into rows values (3)")
            later = now_at(connection)
            seal(connection, own)
        assert own.lineage().timeline == 2
        assert list(faults_of_all(own)) == []
        assert span_of(own, lost).last is None, "what it leads to was left behind"
        done = restore(own, later, target)
        assert done.label == first.label
        assert rows(started(target, None)) == [1, 3]
    finally:
        stopped(home)
