"""A database that is not at the migration which the code was written for."""

from collections.abc import Callable, Iterator

import dagster as dg
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from flight_assets.automation import raw_flights_landing_sensor, stale_hours_sensor
from flight_assets.commands.line import first_error
from flight_assets.definitions import defs
from flight_assets.errors import FlightAssetsError
from flight_assets.resources import resources
from flight_assets.warehouse.migrate import migrate
from tests.faults.postgres_server import resource
from tests.integration.landed_before import recreate_at

pytestmark = [pytest.mark.integration, pytest.mark.faults]

WHAT_TO_DO = r"call `flight-assets up`, which migrates it"
HOUR = {"dagster/partition": "2025-07-20-08:00"}
LANDING = {**HOUR, "kafka_sensors/landing": "waiting"}
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
