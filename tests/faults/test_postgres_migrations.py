"""A database that is not at the migration which the code was written for."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import dagster as dg
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_assets.automation import raw_flights_landing_sensor, stale_hours_sensor
from flight_assets.commands.line import first_error
from flight_assets.definitions import defs
from flight_assets.errors import FlightAssetsError
from flight_assets.local.processes import wait_until
from flight_assets.resources import resources
from flight_assets.settings import PROJECT_ROOT
from flight_assets.warehouse import migrate as migrating_code
from flight_assets.warehouse.migrate import (
    MIGRATION_LOCK,
    create_database_if_missing,
    migrate,
    newest_revision,
)
from kafka_sensors.landing import Limits
from tests.faults.postgres_server import resource
from tests.integration.landed_before import recreate_at
from tests.landing_topic import EIGHT, Topic

pytestmark = [pytest.mark.integration, pytest.mark.faults]

WHAT_TO_DO = r"call `flight-assets up`, which migrates it"
HOUR = {"dagster/partition": "2025-07-20-08:00"}
LANDING = {**HOUR, "kafka_sensors/landing": "waiting"}
MIGRATE = """
import sys
from flight_assets.warehouse.migrate import migrate
print(*migrate(sys.argv[1]))
"""
WAITING = """
select count(*) from pg_locks
where not granted
and database = (select oid from pg_database where datname = current_database())
"""
EVERYTHING = """
select schemaname || '.' || relname, n_tup_ins from pg_stat_user_tables
where schemaname in ('bronze', 'silver', 'gold') order by 1
"""


@pytest.fixture
def older(database: str, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database without the tables' newest form, where the code location looks for it."""
    recreate_at(database, "0001")
    for name, value in conninfo_to_dict(database).items():
        monkeypatch.setenv(
            "POSTGRES_DB" if name == "dbname" else f"POSTGRES_{name.upper()}", str(value)
        )
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    return database


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> object:
    context = dg.build_sensor_context(
        instance=instance, resources=dict(resources()), sensor_name=sensor.name
    )
    return sensor.evaluate_tick(context)


def run(job: str, instance: dg.DagsterInstance, tags: dict[str, str]) -> None:
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance, tags=tags, raise_on_error=False
    )
    if not result.success:
        raise FlightAssetsError(first_error(result))


Attempt = Callable[[dg.DagsterInstance], object]
ATTEMPTS: dict[str, Attempt] = {
    "a tick of the landing sensor": lambda it: tick(raw_flights_landing_sensor, it),
    "a tick of the stale-hours sensor": lambda it: tick(stale_hours_sensor, it),
    "a landing run": lambda it: run("land_and_answer_job", it, LANDING),
    "a run of the models": lambda it: run("answer_hours_job", it, HOUR),
}


def test_a_missing_migration_is_named_with_its_command_and_nothing_is_half_written(
    older: str, instance: dg.DagsterInstance
) -> None:
    """The code is newer than the database.

    Fault: The database is at migration 0001; code that needs a newer one ticks, lands and models.
    Promise: Each says which migration the database has, which one is needed, and that
    `flight-assets up` migrates; nothing is written, also not the part that the old tables would
    take.
    Seen: The messages of both sensors, of a landing run and of a run of the models; no table, no
    day's partition and no row has come.
    """
    before = written(older)
    for name, attempt in ATTEMPTS.items():
        with pytest.raises((FlightAssetsError, dg.DagsterError)) as raised:
            attempt(instance)
        said = str(raised.value.__cause__ or raised.value)
        assert "is at migration 0001, this code needs 000" in said, name
        assert "call `flight-assets up`, which migrates it" in said, name
    assert written(older) == before
    migrate(older)
    with resource(older).connect() as connection:
        assert connection.execute("select count(*) from bronze.landed_slices").fetchone() == (0,)


def written(database: str) -> list[tuple[str, int]]:
    """Return every table of the layers with the rows that were ever inserted."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("select pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        return connection.execute(EVERYTHING).fetchall()


def test_a_database_that_was_never_migrated_or_by_newer_code_says_so(older: str) -> None:
    """The database is none of ours yet, or belongs to a newer version.

    Fault: A database without any migration; one at a migration that the code does not know.
    Promise: The first is told to be migrated, the second to be used by the version it is of.
    Seen: The messages.
    """
    with psycopg.connect(older, autocommit=True) as connection:
        connection.execute("update public.alembic_version set version_num = '9999'")
        with (
            pytest.raises(FlightAssetsError, match=r"is at migration 9999, .*install the version"),
            resource(older).connect(),
        ):
            pass
        connection.execute("drop table public.alembic_version")
    with (
        pytest.raises(FlightAssetsError, match=rf"has not been migrated, .*{WHAT_TO_DO}"),
        resource(older).connect(),
    ):
        pass


def migrating(database: str) -> subprocess.Popen[str]:
    """Return a process that migrates, and prints which migrations it applied."""
    return subprocess.Popen(
        [sys.executable, "-c", MIGRATE, database],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def wait_for(connection: psycopg.Connection, *, waiting: int) -> None:
    """Wait until so many sessions of the database wait for a lock."""

    def are_there() -> bool:
        return connection.execute(WAITING).fetchone() == (waiting,)

    assert wait_until(are_there, timeout_s=60)


def revision_of(database: str) -> str:
    with psycopg.connect(database) as connection:
        [found] = connection.execute("select version_num from public.alembic_version").fetchone()
    return found


def test_several_that_migrate_at_once_end_well_and_one_does_the_work(older: str) -> None:
    """Several processes migrate the same database at the same time.

    Fault: Four processes migrate a database at 0001, held back until all of them want to.
    Promise: One migration at a time, whoever starts it: one applies every migration, the others
    wait for it, find nothing left to do and end well.
    Seen: What each process says that it has applied, its exit status, and the database's revision.
    """
    with psycopg.connect(older, autocommit=True) as held, psycopg.connect(older) as looking:
        looking.autocommit = True
        held.execute("select pg_advisory_lock(%s)", [MIGRATION_LOCK])
        processes = [migrating(older) for _ in range(4)]
        wait_for(looking, waiting=4)
    said = sorted(process.communicate(timeout=60)[0].split() for process in processes)
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert said[:3] == [[], [], []]
    assert said[3][0] == "0002"
    assert said[3][-1] == revision_of(older) == newest_revision()


def test_a_migration_that_is_killed_halfway_leaves_the_database_as_it_was(older: str) -> None:
    """A migration's process dies in the middle.

    Fault: SIGKILL of a process that has applied 0002 and waits in 0003, whose table somebody reads.
    Promise: All migrations are one transaction: the database stays at 0001 with the tables of 0001,
    and the next process migrates it.
    Seen: The revision after the kill, and what the next process applies.
    """
    with psycopg.connect(older) as reading, psycopg.connect(older, autocommit=True) as looking:
        reading.execute("select * from bronze.landed_slices")
        process = migrating(older)
        wait_for(looking, waiting=1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert revision_of(older) == "0001"
    assert migrate(older)[0] == "0002"
    assert revision_of(older) == newest_revision()


def test_a_run_that_lands_while_its_database_is_migrated_ends_well_and_the_next_is_refused(
    database: str, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer version migrates while a run of the older one is landing.

    Fault: A database at 0003 is migrated between two slices of a landing, whose code knows no more.
    Promise: The run that holds its connection lands what waits; the next connection of that code is
    refused with what to install, and nothing is written by it.
    Seen: The ledger is one chain over all messages, and the message.
    """
    recreate_at(database, "0003")
    topic = Topic(kafka_bootstrap, database)
    topic.send_readings(300, at=EIGHT)
    applied: list[str] = []
    landed = topic.land(
        limits=Limits(messages=100), on_slice=lambda _: applied.extend(migrate(database))
    )
    topic.delete()
    assert applied[0] == "0004"
    assert [hour.row_count for hour in landed] == [300]
    assert topic.ledger() == [(0, 0, 100), (0, 100, 200), (0, 200, 300)]
    monkeypatch.setattr(migrating_code, "newest_revision", lambda: "0003")
    refused = r"this code knows them up to 0003: install the version"
    with pytest.raises(FlightAssetsError, match=refused), resource(database).connect():
        pass


def test_a_migration_does_not_wait_for_ever_for_somebody_who_reads(older: str) -> None:
    """Somebody has read a table and left the transaction open.

    Fault: A session in an open transaction that has read the ledger, which a migration changes.
    Promise: The migration gives up in time, for all who come after it wait behind it; it names the
    session and how to end it, and the database is as it was.
    Seen: The message, the revision, and the migration that succeeds when the session is gone.
    """
    with psycopg.connect(older) as reading:
        reading.execute("select * from bronze.landed_slices")
        session = rf"session {reading.info.backend_pid} .*holds bronze"
        words = rf"not migrated: .*after waiting 500ms: {session}"
        with pytest.raises(FlightAssetsError, match=words):
            migrate(older, lock_timeout_s=0.5)
        assert revision_of(older) == "0001"
    assert migrate(older)[-1] == newest_revision()


def test_several_that_make_the_same_database_end_well_and_one_makes_it(database: str) -> None:
    """Several processes find the database missing at the same time.

    Fault: Eight connections create the same database at once, five times.
    Promise: All end well, and one says that it was missing.
    Seen: What each says, and that the database takes connections.
    """
    missing = make_conninfo(database, dbname="made_at_once")
    for _ in range(5):
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(create_database_if_missing, [missing] * 8))
        assert made.count(True) == 1
        psycopg.connect(missing).close()
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("drop database made_at_once with (force)")
