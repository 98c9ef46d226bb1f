"""A report as metrics: what is known has a sample, what is not known has none."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest

from flight_assets.core.backups import Backups
from flight_assets.core.report import Disk, Lag, LayerAge, Rejected, Report, Unknown
from flight_assets.health.metrics import metrics_of

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
LAYER = LayerAge(
    layer="gold",
    kind="stream",
    asset="gold/answered_hours",
    materialized_at=NOW - timedelta(seconds=90),
    warn_after_s=900,
    fail_after_s=3600,
)
REPORT = Report(
    at=NOW,
    lags=(Lag(topic="flights.positions", partition=2, high_watermark=9, landed_end=4, waiting=5),),
    last_landed_at=NOW - timedelta(seconds=30),
    layers=(LAYER, replace(LAYER, layer="silver", materialized_at=None)),
    rejected=(Rejected(reason="not JSON", messages=3), Rejected(reason="version", messages=1)),
    disk=(Disk(what="database", bytes=10),),
)


def samples(report: Report) -> dict[str, float]:
    """Return the samples as a scrape has them."""

    class Line:
        def collect(self):
            return metrics_of(report)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Line())
    lines = generate_latest(registry).decode().splitlines()
    return {
        line.rsplit(" ", 1)[0].removeprefix("flight_assets_"): float(line.rsplit(" ", 1)[1])
        for line in lines
        if not line.startswith("#")
    }


def test_the_figures_of_the_line_are_there_under_their_units():
    found = samples(REPORT)
    assert found['topic_lag_messages{partition="2",topic="flights.positions"}'] == 5
    assert found["last_landing_age_seconds"] == 30
    assert found['layer_age_seconds{kind="stream",layer="gold"}'] == 90
    assert found['layer_stale_after_seconds{kind="stream",layer="gold"}'] == 3600
    assert found['rejected_messages_last_day{reason="all"}'] == 4
    assert found['rejected_messages_last_day{reason="not JSON"}'] == 3
    assert found['disk_bytes{part="database"}'] == 10


def test_the_backups_are_told_where_there_are_some():
    backups = Backups(
        directory="/backups",
        base_count=1,
        base_bytes=7,
        wal_count=1,
        wal_bytes=16,
        newest_label="20260131T022000Z",
        newest_at=NOW - timedelta(seconds=60),
        from_at=NOW - timedelta(seconds=60),
        to_at=NOW,
        missing=None,
        archiving_fails_since=None,
        max_age_s=3600,
    )
    found = samples(replace(REPORT, backups=backups))
    assert found['backup_bytes{part="base"}'] == 7 and found['backup_bytes{part="wal"}'] == 16
    assert found["backup_age_seconds"] == 60
    assert found["backup_too_old_after_seconds"] == 3600
    assert found["backup_restorable_to_timestamp_seconds"] == NOW.timestamp()
    assert not any(name.startswith("backup") for name in samples(REPORT))
    none = samples(replace(REPORT, backups=replace(backups, newest_at=None, to_at=None)))
    assert "backup_age_seconds" not in none
    trouble = 'problems{level="trouble"}'
    assert none[trouble] == samples(REPORT)[trouble] + 1


def test_what_was_never_materialized_has_no_age_and_is_a_problem():
    found = samples(replace(REPORT, lags=()))
    assert 'layer_age_seconds{kind="stream",layer="silver"}' not in found
    assert found['problems{level="trouble"}'] == 1


def test_what_is_not_known_is_no_zero():
    unknown = (Unknown(what="rejected", why="Postgres: busy"),)
    found = samples(Report(at=NOW, unknown=unknown))
    assert found['unknown{part="rejected"}'] == 1
    assert not any(name.startswith("rejected_messages") for name in found)
    assert "last_landing_age_seconds" not in found
