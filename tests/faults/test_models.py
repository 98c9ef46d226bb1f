"""Models are killed half-way, blocked by a check, and built by two runs at once."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from psycopg import sql

from flight_assets.automation import stale_hours_sensor
from flight_assets.core import repairs
from flight_assets.core.repairs import HourRange
from flight_assets.definitions import defs
from flight_assets.local.processes import wait_until
from flight_assets.partitions import REPAIR_TAGS, tags_for
from flight_assets.resources import resources
from flight_assets.warehouse.building import MODELS_LOCK
from tests.integration.conftest import modelled, parsed  # noqa: F401 - fixtures
from tests.integration.modelled import EIGHT, NINE, Modelled, flight, land_two_hours

pytestmark = [pytest.mark.integration, pytest.mark.faults]

ROOT = Path(__file__).resolve().parents[2]
BOTH = tags_for(HourRange(first=EIGHT, last=NINE))
ONE = tags_for(HourRange(first=EIGHT, last=EIGHT))
REPAIR = {**ONE, **REPAIR_TAGS}
# who answered, when, and through which slice: they differ, answers do not
VOLATILE = ["answered_at", "run_id", "through_slice_id"]
PROGRESS = "flight_progress"  # one row a run: it says how the answers came about
DBT_SESSIONS = """
select count(*) filter (where wait_event_type = 'Lock'), count(*)
from pg_stat_activity
where application_name = 'flight-assets-dbt' and datname = current_database()
"""


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance that other processes see too; a failed repair may be tried again at once."""
    monkeypatch.setattr(repairs, "FIRST_DELAY", timedelta(0))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as found:
        yield found


@pytest.fixture
def late(modelled: Modelled, instance: dg.DagsterInstance) -> Modelled:  # noqa: F811 - the fixture
    """Two answered hours, of which the first is stale: late observations have landed."""
    land_two_hours(modelled)
    assert run(instance, BOTH).success
    assert stale(modelled) == []
    modelled.land([flight("e", EIGHT + timedelta(minutes=50))], log_hour=NINE)
    assert stale(modelled) == [EIGHT]
    return modelled


def run(instance: dg.DagsterInstance, tags: dict[str, str]) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("answer_hours_job").execute_in_process(
        instance=instance, tags=tags, raise_on_error=False
    )


def worker(tags: dict[str, str]) -> "subprocess.Popen[str]":
    """Start the process of a run."""
    module = [sys.executable, "-m", "tests.faults.models_worker", json.dumps(tags)]
    pipes: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(module, cwd=ROOT, text=True, **pipes)


def stale(warehouse: Modelled) -> list[datetime]:
    return [row[0] for row in warehouse.rows("select as_of_hour from gold.stale_hours order by 1")]


def hourly_tables(warehouse: Modelled) -> list[tuple[str, str]]:
    """Return schema and name of what the hourly models make, but for views on other tables."""
    return sorted(
        (node.schema, node.name)
        for node in warehouse.manifest.nodes.values()
        if node.resource_type == "model" and "hourly" in node.tags
    )


def contents(warehouse: Modelled, *schemas: str) -> dict[str, str]:
    """Return a hash of each table of the hourly models, without what names a run."""
    hashes = {}
    for schema, name in hourly_tables(warehouse):
        if schema in schemas and name != PROGRESS:
            query = sql.SQL(
                "select (to_jsonb(t) - %s::text[])::text as row from {} as t order by 1"
            )
            table = sql.Identifier(schema, name)
            rows = warehouse.connection.execute(query.format(table), [VOLATILE]).fetchall()
            hashes[f"{schema}.{name}"] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return hashes


def undisturbed(warehouse: Modelled) -> dict[str, str]:
    """Return what a run gives that nothing disturbs: from the same bronze, with nothing there."""
    for schema, name in hourly_tables(warehouse):
        drop = "drop {} if exists {} cascade"
        kinds = "select relkind from pg_class where oid = to_regclass(%s)"
        for (kind,) in warehouse.connection.execute(kinds, [f"{schema}.{name}"]).fetchall():
            what = sql.SQL("view" if kind == "v" else "table")
            warehouse.connection.execute(sql.SQL(drop).format(what, sql.Identifier(schema, name)))
    assert warehouse.build(EIGHT, 2).success
    return contents(warehouse, "silver", "gold")


@contextmanager
def locked(warehouse: Modelled, statement: str) -> Iterator[None]:
    """Hold a lock that the models have to wait for."""
    with psycopg.connect(warehouse.connection.info.dsn, password=password(warehouse)) as blocker:
        blocker.execute(statement.encode())
        yield
        blocker.rollback()


def password(warehouse: Modelled) -> str:
    return str(warehouse.connection.info.password)


def sessions_of_dbt(warehouse: Modelled) -> tuple[int, int]:
    """Return how many sessions dbt has that wait for a lock, and how many at all."""
    [(waiting, open_)] = warehouse.rows(DBT_SESSIONS)
    return waiting, open_


def repair(instance: dg.DagsterInstance) -> list[dg.ExecuteInProcessResult]:
    """Do what the stale-hours sensor asks for."""
    return [run(instance, tags) for tags in asked_for(instance)]


def asked_for(instance: dg.DagsterInstance) -> list[dict[str, str]]:
    context = dg.build_sensor_context(
        instance=instance, resources={"postgres": resources()["postgres"]}
    )
    tick = stale_hours_sensor.evaluate_tick(context)
    return [dict(request.tags) for request in tick.run_requests or []]


def test_models_that_are_killed_half_way_are_repaired_to_the_undisturbed_answers(
    late: Modelled, instance: dg.DagsterInstance
) -> None:
    """The run's process dies in the middle of the models.

    Fault: SIGKILL of the process of a run that has built the evidence of an hour and is at its
    first ranking.
    Promise: The hour stays stale; when Dagster has marked the run as failed, the stale-hours sensor
    asks for exactly that hour, and the repair gives what an undisturbed run gives.
    Seen: The evidence is new and the hour still stale after the kill, no session of dbt is left;
    after the repair nothing is stale and every table of silver and gold has the hash of the same
    tables built from nothing.
    """
    with locked(late, "lock table gold.top_airlines in share mode"):
        process = worker(REPAIR)
        assert wait_until(lambda: sessions_of_dbt(late)[0] > 0, timeout_s=180), "it has come so far"
        process.kill()
        process.communicate()
    assert wait_until(lambda: sessions_of_dbt(late)[1] == 0, timeout_s=30)
    assert late.rows("select count(*) > 0 from gold.evidence where flight_id = 'e'") == [(True,)]
    assert stale(late) == [EIGHT]
    assert asked_for(instance) == [], "a run still seems to work on it"
    for unfinished in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        instance.report_run_failed(unfinished)  # as run monitoring does
    assert [result.success for result in repair(instance)] == [True]
    assert stale(late) == []
    repaired = contents(late, "silver", "gold")
    assert repaired == undisturbed(late)


def test_a_check_that_blocks_keeps_the_answers_until_it_is_mended(
    late: Modelled, instance: dg.DagsterInstance
) -> None:
    """A blocking check fails.

    Fault: A poll has come to end before its hour, which the blocking test of `silver.as_of_hours`
    refuses.
    Promise: Nothing downstream of it is built; gold keeps its answers and the hour stays stale;
    after the poll is mended the stale-hours sensor's run answers the hour.
    Seen: The failed run names the test and has materialised nothing of gold, the tables of gold
    have the hash they had; after mending nothing is stale and every table has the hash of an
    undisturbed run.
    """
    before = contents(late, "gold")
    end_poll(late, "2 hours")
    failed = run(instance, REPAIR)
    assert not failed.success
    assert "as_of_at_is_not_before_its_hour" in first_words(failed)
    built = {
        event.asset_key.to_user_string() for event in failed.get_asset_materialization_events()
    }
    # which hours are closed is asked before anything is built
    assert {name for name in built if name.startswith("gold/")} <= {"gold/closed_hours"}
    after = contents(late, "gold")
    assert {name for name in after if after[name] != before[name]} <= VIEWS
    end_poll(late, "-20 seconds")
    assert stale(late) == [EIGHT]
    assert [result.success for result in repair(instance)] == [True]
    assert stale(late) == []
    mended = contents(late, "silver", "gold")
    assert mended == undisturbed(late)


# they show what silver.as_of_hours and the polls say now
VIEWS = {"gold.answers", "gold.stale_hours"}


def end_poll(warehouse: Modelled, before_its_start: str) -> None:
    """Have the poll of the first hour end so long before it started."""
    warehouse.connection.execute(
        "update bronze.raw_polls set ended_at = started_at - %s::interval where started_at < %s",
        [before_its_start, NINE],
    )


def first_words(failed: dg.ExecuteInProcessResult) -> str:
    """Return why the step of the models failed."""
    (event,) = failed.get_failed_step_keys() and [
        event for event in failed.all_node_events if event.is_step_failure
    ]
    return str(event.step_failure_data.user_failure_data or event.step_failure_data.error)


def test_two_runs_that_build_the_same_hour_at_once_give_the_undisturbed_answers(
    late: Modelled, instance: dg.DagsterInstance
) -> None:
    """The same hour is built twice at once: by a run given up for dead, and by its successor.

    Fault: Two processes build the same hour, the second begins while the first is in the middle of
    its models.
    Promise: They build one after the other; where one cannot, it fails and says who is at it, and
    the hour is repaired.
    Seen: While the first is at its first ranking the second waits; in the end no session waits for
    a lock, nothing is stale, and every table has the hash of an undisturbed run.
    """
    with locked(late, "lock table gold.top_airlines in share mode"):
        first = worker(REPAIR)
        assert wait_until(lambda: sessions_of_dbt(late)[0] > 0, timeout_s=180)
        second = worker(ONE)
        assert wait_until(lambda: waits_for_the_models(late), timeout_s=180)
    said = [process.communicate(timeout=300)[1] for process in (first, second)]
    assert first.returncode == 0, said[0]
    assert second.returncode == 0 or "holds the models" in said[1], said[1]
    repair(instance)
    assert stale(late) == []
    assert late.rows(WAITING) == [(0,)]
    found = contents(late, "silver", "gold")
    assert found == undisturbed(late)


WAITING = "select count(*) from pg_locks where not granted"


def waits_for_the_models(warehouse: Modelled) -> bool:
    """Return whether a run waits for another one to have built its models."""
    query = "select count(*) from pg_locks where classid = %s and objid = %s and not granted"
    found: Any = warehouse.connection.execute(query, MODELS_LOCK).fetchone()
    return bool(found[0])
