"""The report of a line: read from a real Kafka, a real warehouse and a real Dagster instance."""

import json
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from dagster._core.scheduler.instigation import (
    InstigatorStatus,
)

from flight_assets.assets.raw_flights import RAW_FLIGHTS, RAW_POLLS
from flight_assets.core.health import problems
from flight_assets.core.report import LANDING_JOB, LANDING_SENSOR, Report
from flight_assets.feed.producer import PollProducer
from flight_assets.health import collect
from flight_assets.health.collect import OF_DAGSTER
from flight_assets.local.processes import free_port
from flight_assets.settings import Settings
from flight_assets.warehouse.connection import conninfo
from kafka_sensors.client import Reader
from kafka_sensors.landing import land_waiting
from tests.command import processes_of
from tests.dagster_records import checked, run, ticked
from tests.sweeps import a_sweep

pytestmark = pytest.mark.integration


def land(settings: Settings, database: str) -> None:
    for target in (RAW_FLIGHTS, RAW_POLLS):
        with (
            Reader(str(settings.kafka_bootstrap_servers), target.topic) as reader,
            psycopg.connect(database) as connection,
        ):
            now = datetime.now(UTC)
            land_waiting(
                target,
                reader,
                connection,
                first_hour=target.earliest_hour,
                last_hour=now.replace(minute=0, second=0, microsecond=0),
                now=now,
                run_id="by-hand",
            )


def test_what_waits_lands_and_is_rejected_is_told(settings: Settings, database: str):
    sweep = a_sweep(300, 7)
    PollProducer(str(settings.kafka_bootstrap_servers)).publish(sweep)
    before = collect(settings)
    assert before.waiting >= 308
    assert {lag.landed_end for lag in before.lags} == {None}
    assert {(lag.topic, lag.partition) for lag in before.lags} == {
        *(("flights.positions", partition) for partition in range(6)),
        ("flights.polls", 0),
    }
    assert (before.last_poll, before.last_landed_at) == (None, None)

    land(settings, database)
    after = collect(settings)
    assert after.waiting == 0
    assert all(lag.landed_end == lag.high_watermark for lag in after.lags)
    assert after.last_poll is not None and after.last_landed_at is not None
    assert after.last_poll.poll_id == sweep.poll.poll_id
    assert after.last_poll.observation_count == 300
    assert datetime.now(UTC) - after.last_landed_at < timedelta(minutes=10)
    assert sum(each.messages for each in after.rejected) >= 7
    disk = {each.what: each.bytes for each in after.disk}
    assert disk["database"] > disk["schema bronze"] > 0

    with psycopg.connect(database) as connection:
        before = "now() - interval '25 hours'"
        connection.execute(f"update bronze.landed_slices set landed_at = {before}")
        connection.execute(f"update bronze.rejected_messages set rejected_at = {before}")
    assert collect(settings).rejected == ()


def test_the_newest_evaluation_of_a_check_counts(settings: Settings, instance: dg.DagsterInstance):
    checked(instance, passes=True)
    assert collect(settings).failing_checks == ()
    checked(instance, passes=False)
    found = collect(settings).failing_checks
    assert [(each.asset, each.name, each.severity) for each in found] == [
        ("silver/flight_states", "claim", "ERROR"),
        ("silver/flight_states", "hint", "WARN"),
    ]
    assert abs(datetime.now(UTC) - found[0].evaluated_at) < timedelta(minutes=10)
    assert instance.get_run_by_id(found[0].run_id) is not None
    checked(instance, passes=True)
    assert collect(settings).failing_checks == ()


def test_a_check_that_is_evaluated_again_by_itself_counts_anew(
    settings: Settings, instance: dg.DagsterInstance
):
    checked(instance, passes=False)
    checked(instance, passes=True, checks_only=True)
    assert collect(settings).failing_checks == ()
    checked(instance, passes=False, checks_only=True)
    assert len(collect(settings).failing_checks) == 2


def test_a_check_that_the_code_no_longer_has_is_forgotten_after_a_day(
    settings: Settings, instance: dg.DagsterInstance
):
    checked(instance, passes=False)
    dagster = conninfo(settings, dbname=settings.dagster_postgres_db)
    for hours, remembered in ((23, 2), (2, 0)):
        with psycopg.connect(dagster) as connection:
            connection.execute(
                "update asset_check_executions set evaluation_event_timestamp = "
                "evaluation_event_timestamp - make_interval(hours => %s)",
                [hours],
            )
        assert len(collect(settings).failing_checks) == remembered


def test_a_layer_is_as_old_as_its_oldest_asset(settings: Settings, instance: dg.DagsterInstance):
    checked(instance, passes=True)
    ages = {(each.layer, each.kind): each for each in collect(settings).layers}
    silver = ages["silver", "stream"]
    assert (silver.asset, silver.materialized_at) == ("silver/flights", None)

    @dg.asset(key=["silver", "flights"])
    def flights() -> None: ...

    dg.materialize([flights], instance=instance)
    ages = {(each.layer, each.kind): each for each in collect(settings).layers}
    silver = ages["silver", "stream"]
    assert silver.asset == "silver/flight_states"
    assert silver.state(datetime.now(UTC)) == "fresh"
    assert ages["gold", "stream"].state(datetime.now(UTC)) == "never"


def test_a_job_is_failed_until_it_ends_well_again(settings: Settings, instance: dg.DagsterInstance):
    run(instance, ends_well=True)
    assert collect(settings).failed_jobs == ()
    run(instance, ends_well=False)
    [failed] = collect(settings).failed_jobs
    assert failed.job == "some_job"
    assert abs(datetime.now(UTC) - failed.ended_at) < timedelta(minutes=10)
    run(instance, ends_well=True)
    assert collect(settings).failed_jobs == ()


def test_a_sensor_tells_whether_it_is_on_and_when_it_ticked(
    settings: Settings, instance: dg.DagsterInstance
):
    ticked(instance, InstigatorStatus.DECLARED_IN_CODE)
    [sensor] = collect(settings).sensors
    assert (sensor.name, sensor.is_on, sensor.error) == (LANDING_SENSOR, True, None)
    assert sensor.last_tick_at is not None
    assert abs(datetime.now(UTC) - sensor.last_tick_at) < timedelta(minutes=10)
    ticked(
        instance,
        InstigatorStatus.RUNNING,
        error="kafka_sensors.errors.HoleError: the offsets [1, 2) are gone",
    )
    [sensor] = collect(settings).sensors
    assert sensor.error == "HoleError: the offsets [1, 2) are gone"
    ticked(instance, InstigatorStatus.STOPPED)
    [sensor] = collect(settings).sensors
    assert not sensor.is_on


def test_a_landing_run_at_work_is_told_with_its_beginning(
    settings: Settings, instance: dg.DagsterInstance
):
    @dg.op
    def look(context: dg.OpExecutionContext) -> None:
        seen.append(collect(settings).landing_since)

    @dg.job(name=LANDING_JOB)
    def landing() -> None:
        look()

    seen: list[datetime | None] = []
    landing.execute_in_process(instance=instance)
    [began_at] = seen
    assert began_at is not None
    assert abs(datetime.now(UTC) - began_at) < timedelta(minutes=10)
    assert collect(settings).landing_since is None


def unknown_of(report: Report) -> dict[str, str]:
    return {each.what: each.why for each in report.unknown}


def test_a_dagster_that_never_ran_is_said_and_hides_nothing_else(settings: Settings):
    report = collect(settings)
    assert set(unknown_of(report)) == set(OF_DAGSTER)
    assert "Dagster has not run yet" in unknown_of(report)["sensors"]
    assert report.lags


def test_a_kafka_that_is_down_hides_only_the_lag(settings: Settings, instance: dg.DagsterInstance):
    away = f"127.0.0.1:{free_port()}"
    report = collect(settings.model_copy(update={"kafka_bootstrap_servers": away}))
    assert set(unknown_of(report)) == {"lags"}
    assert away in unknown_of(report)["lags"]
    assert {each.what for each in report.disk} >= {"database", "schema bronze"}


def test_a_postgres_that_is_down_is_one_problem(settings: Settings):
    report = collect(settings.model_copy(update={"postgres_port": free_port()}))
    [found] = problems(report)
    assert found.level == "trouble"
    assert "refuses connections" in found.to_do


def test_a_postgres_that_says_nothing_is_given_up(settings: Settings):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        [found] = problems(collect(settings.model_copy(update={"postgres_port": port})))
    assert "timeout" in found.to_do


def test_a_database_that_is_not_migrated_is_said(settings: Settings):
    report = collect(settings.model_copy(update={"postgres_db": "postgres"}))
    assert "call `flight-assets up`" in unknown_of(report)["last_poll"]


def test_the_command_starts_nothing_and_says_by_its_exit_code_that_a_person_is_needed(
    new_home: Path,
):
    command = [sys.executable, "-m", "flight_assets.cli", "status"]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert not told["is_well"]
    assert "call `flight-assets up`" in told["problems"][0]["to_do"]
    assert told["waiting"] is None
    assert not new_home.exists() and processes_of(new_home) == []
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 1, shown.stderr
    assert "the local Postgres does not run" in shown.stdout
