"""What of the figures needs a person, and how urgently."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from flight_assets.core.health import LANDING_RUN_ENDS_WITHIN, QUIET_AFTER, has_trouble, problems
from flight_assets.core.report import (
    LANDING_SENSOR,
    FailedJob,
    FailingCheck,
    Lag,
    LayerAge,
    Report,
    Sensor,
    Unknown,
)

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
TICKING = Sensor(
    name=LANDING_SENSOR, is_on=True, last_tick_at=NOW - timedelta(seconds=5), error=None
)
WAITING = Lag(topic="flights.positions", partition=2, high_watermark=9, landed_end=4, waiting=5)
AT_REST = replace(WAITING, landed_end=9, waiting=0)
BUSY = Report(
    at=NOW, lags=(WAITING,), sensors=(TICKING,), last_landed_at=NOW - timedelta(seconds=20)
)


def layer(age: timedelta | None) -> LayerAge:
    return LayerAge(
        layer="gold",
        kind="stream",
        asset="gold/answered_hours",
        materialized_at=None if age is None else NOW - age,
        warn_after_s=900,
        fail_after_s=3600,
    )


def test_a_line_that_lands_what_waits_needs_nobody():
    assert problems(BUSY) == []


@pytest.mark.parametrize(
    ("sensor", "said"),
    [
        (replace(TICKING, is_on=False), "is turned off"),
        (replace(TICKING, last_tick_at=None), "has never ticked"),
        (replace(TICKING, last_tick_at=NOW - QUIET_AFTER - timedelta(seconds=1)), "has gone quiet"),
        (None, "has never ticked"),
    ],
)
def test_a_quiet_landing_sensor_is_trouble_while_messages_wait(sensor: Sensor | None, said: str):
    sensors = () if sensor is None else (sensor,)
    [found] = problems(replace(BUSY, sensors=sensors))
    assert (found.key, found.level) == ("quiet", "trouble")
    assert said in found.what and "5 messages wait" in found.what
    assert problems(replace(BUSY, sensors=sensors, lags=(AT_REST,))) == []


def test_a_sensor_is_quiet_only_after_the_limit():
    at_the_limit = replace(TICKING, last_tick_at=NOW - QUIET_AFTER)
    assert problems(replace(BUSY, sensors=(at_the_limit,))) == []


def test_messages_that_wait_while_nothing_lands_are_trouble():
    [found] = problems(replace(BUSY, last_landed_at=NOW - QUIET_AFTER - timedelta(seconds=1)))
    assert (found.key, found.where) == ("landing", "flights.positions")
    assert problems(replace(BUSY, last_landed_at=NOW - QUIET_AFTER)) == []


def test_a_landing_run_that_models_what_it_landed_is_no_standstill():
    still = replace(BUSY, last_landed_at=NOW - timedelta(minutes=40))
    limit = replace(still, landing_since=NOW - LANDING_RUN_ENDS_WITHIN)
    assert problems(limit) == []
    hanging = replace(still, landing_since=NOW - LANDING_RUN_ENDS_WITHIN - timedelta(seconds=1))
    assert [each.key for each in problems(hanging)] == ["landing"]


def test_a_sensor_whose_ticks_fail_is_trouble_unless_it_is_off_or_long_gone():
    failing = replace(TICKING, name="other", error="HoleError: gone")
    [found] = problems(Report(at=NOW, sensors=(failing,)))
    assert "HoleError: gone" in found.what
    assert problems(Report(at=NOW, sensors=(replace(failing, is_on=False),))) == []
    long_gone = replace(failing, last_tick_at=NOW - timedelta(days=2))
    assert problems(Report(at=NOW, sensors=(long_gone,))) == []


@pytest.mark.parametrize(
    ("age", "level"),
    [
        (timedelta(minutes=15), None),
        (timedelta(minutes=16), "warning"),
        (timedelta(hours=1), "warning"),
        (timedelta(minutes=61), "trouble"),
        (None, "trouble"),
    ],
)
def test_a_layer_is_judged_by_its_policy(age: timedelta | None, level: str | None):
    found = problems(Report(at=NOW, layers=(layer(age),)))
    assert [each.level for each in found] == ([] if level is None else [level])


def test_a_layer_is_late_since_its_policy_was_broken():
    [found] = problems(Report(at=NOW, layers=(layer(timedelta(minutes=20)),)))
    assert found.since == NOW - timedelta(minutes=5)


def test_a_check_of_severity_warn_is_a_warning_and_comes_after_trouble():
    check = FailingCheck(
        asset="silver/as_of_hours",
        name="polls_cover_the_world",
        severity="WARN",
        evaluated_at=NOW,
        run_id="r1",
    )
    failed = FailedJob(job="references_job", run_id="r2", ended_at=NOW)
    blocking = replace(check, name="ledger_is_contiguous", severity="ERROR")
    report = Report(at=NOW, failing_checks=(check, blocking), failed_jobs=(failed,))
    found = problems(report)
    assert [each.level for each in found] == ["trouble", "trouble", "warning"]
    assert has_trouble(found)
    assert not has_trouble(problems(Report(at=NOW, failing_checks=(check,))))


def test_a_server_that_is_down_is_one_problem_however_much_it_hides():
    why = "Postgres at 127.0.0.1:5432 refuses connections: is it running?"
    unknown = tuple(Unknown(what=what, why=why) for what in ("last_poll", "sensors", "lags"))
    [found] = problems(Report(at=NOW, unknown=unknown))
    assert found.what == "not known: last poll, sensors, lag"
    assert found.where == "Postgres at 127.0.0.1:5432 refuses connections"
    assert found.to_do == why


def test_no_sensor_is_called_quiet_while_dagster_cannot_be_asked():
    report = replace(BUSY, sensors=(), unknown=(Unknown(what="sensors", why="Postgres: busy"),))
    assert [each.key for each in problems(report)] == ["unknown sensors"]
