"""The state of the line as people and programs see it."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rich.console import Console

from flight_assets.commands.show_status import as_json, print_status
from flight_assets.core.backups import Backups
from flight_assets.core.health import problems
from flight_assets.core.report import (
    Disk,
    FailingCheck,
    Lag,
    LastPoll,
    LayerAge,
    Rejected,
    Report,
    Sensor,
    Unknown,
)
from flight_assets.local.status import ServerStatus

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SERVER = ServerStatus(
    name="postgres", state="running", address="127.0.0.1:5432", pid=7, memory_mb=49
)
REPORT = Report(
    at=NOW,
    lags=(
        Lag(
            topic="flights.positions", partition=0, high_watermark=9000, landed_end=None, waiting=9
        ),
    ),
    last_poll=LastPoll(
        poll_id="20260131T115900Z-1f3a5c",
        source="live",
        ended_at=NOW - timedelta(seconds=40),
        observation_count=11_987,
        coverage_pct=99.5,
        failed_tile_count=1,
        saturated_tile_count=2,
    ),
    last_landed_at=NOW - timedelta(seconds=30),
    layers=(
        LayerAge(
            layer="gold",
            kind="stream",
            asset="gold/answered_hours",
            materialized_at=NOW - timedelta(minutes=20),
            warn_after_s=900,
            fail_after_s=3600,
        ),
    ),
    failing_checks=(
        FailingCheck(
            asset="silver/as_of_hours",
            name="polls_cover_the_world",
            severity="WARN",
            evaluated_at=NOW - timedelta(hours=3),
            run_id="r1",
        ),
    ),
    sensors=(
        Sensor(
            name="raw_flights_landing_sensor",
            is_on=True,
            last_tick_at=NOW - timedelta(seconds=4),
            error=None,
        ),
    ),
    rejected=(Rejected(reason="ValidationError", messages=1_204),),
    disk=(Disk(what="database", bytes=3_200_000_000),),
)


def printed(report: Report) -> str:
    out = io.StringIO()
    print_status(Console(file=out, width=100), [SERVER], report, problems(report))
    return out.getvalue()


def test_a_line_that_is_well_is_said_with_its_warnings_last():
    text = printed(REPORT)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert max(map(len, text.splitlines())) <= 100
    assert "│ flights.positions │ 0 │ 9,000 │ nothing │ 9 │" in lines
    assert "│ gold │ stream │ late │ 20 min │ 15 min │ 1 h │ gold/answered_hours │" in lines
    assert "11,987 aircraft, 99.50 %, 3 tiles incomplete" in " ".join(lines)
    assert "Rejected, 1 day 1,204 ValidationError" in lines
    assert "Disk database 3.2 GB" in lines
    assert "warning polls_cover_the_world warns (silver/as_of_hours), for 3 h" in lines
    assert lines[-1] == "All well. Warnings: 2."


BACKUPS = Backups(
    directory="/backups",
    base_count=7,
    base_bytes=21_000_000_000,
    wal_count=2_000,
    wal_bytes=33_000_000_000,
    newest_label="20260131T022000Z",
    newest_at=NOW - timedelta(hours=9),
    from_at=NOW - timedelta(days=7),
    to_at=NOW - timedelta(minutes=4),
    missing=None,
    archiving_fails_since=None,
    max_age_s=26 * 3600,
)


def test_the_backups_are_told_by_age_size_and_reach():
    text = " ".join(printed(replace(REPORT, backups=BACKUPS)).split())
    assert (
        "Backup newest 9 h ago, 7 of 21.0 GB, log 33.0 GB, can restore from 7 d ago to 4 min ago"
    ) in text
    assert "Backup off: BACKUP_DIR is not set" in " ".join(printed(REPORT).split())
    none = replace(BACKUPS, newest_label=None, newest_at=None, base_count=0)
    text = " ".join(printed(replace(REPORT, backups=none)).split())
    assert "Backup none in /backups" in text and "there is no base backup" in text


def test_json_has_the_backups_with_their_age():
    told = json.loads(as_json([], replace(REPORT, backups=BACKUPS), []))["backups"]
    assert told["age_s"] == 9 * 3600 and told["base_bytes"] == 21_000_000_000
    assert told["from_at"] == "2026-01-24T12:00:00Z"
    assert json.loads(as_json([], REPORT, []))["backups"] is None


def test_what_is_not_known_is_no_none_and_no_zero():
    why = "Postgres at 127.0.0.1:5432 refuses connections: is it running?"
    unknown = tuple(
        Unknown(what=what, why=why) for what in ("last_poll", "rejected", "failing_checks", "disk")
    )
    lines = [
        " ".join(line.split()) for line in printed(Report(at=NOW, unknown=unknown)).splitlines()
    ]
    for name in ("Last poll", "Rejected, 1 day", "Failing checks", "Disk"):
        assert f"{name} not known" in lines
    assert "Failed jobs none" in lines
    assert lines[-1] == "Needs a person: 1."


def test_brackets_in_what_a_server_says_are_shown_as_they_are():
    unknown = (Unknown(what="lag of x", why="x/0: the offsets [1, 2) are gone [red]"),)
    text = " ".join(printed(Report(at=NOW, unknown=unknown)).split())
    assert "the offsets [1, 2) are gone [red]" in text


def test_json_has_the_same_with_instants_in_utc():
    told = json.loads(as_json([SERVER], REPORT, problems(REPORT)))
    assert told["is_well"] is True
    assert told["waiting"] == 9
    assert told["at"] == "2026-01-31T12:00:00Z"
    assert told["servers"][0]["memory_mb"] == 49
    assert told["layers"][0]["state"] == "late" and told["layers"][0]["age_s"] == 1200
    assert [each["level"] for each in told["problems"]] == ["warning", "warning"]
    assert told["unknown"] == []


def test_the_status_does_without_dagster_whose_import_takes_seconds():
    modules = "flight_assets.commands.show_status, flight_assets.health.here, flight_assets.cli"
    code = f"import sys, {modules}; print({{'dagster', 'dbt', 'pandas'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "set()", done.stderr
