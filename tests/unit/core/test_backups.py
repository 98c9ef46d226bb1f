"""Which backups may go, and what of them needs a person."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flight_assets.core.backups import Backups, may_go
from flight_assets.core.health import problems
from flight_assets.core.report import Report

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
WELL = Backups(
    directory="/backups",
    base_count=2,
    base_bytes=1_000,
    wal_count=3,
    wal_bytes=48 << 20,
    newest_label="20260131T022000Z",
    newest_at=NOW - 10 * HOUR,
    from_at=NOW - 34 * HOUR,
    to_at=NOW,
    missing=None,
    archiving_fails_since=None,
    max_age_s=26 * 3600,
)


def told(backups: Backups | None) -> list[str]:
    return [f"{p.level} {p.key}" for p in problems(Report(at=NOW, backups=backups))]


def test_the_newest_of_the_old_ones_stays_as_the_first_day_is_restored_from_it() -> None:
    ends = [NOW - days * DAY for days in (9, 8, 7, 3, 1)]
    assert may_go(ends, now=NOW, keep_days=7) == ends[:2]
    assert may_go(ends, now=NOW + HOUR, keep_days=7) == ends[:2]
    assert may_go(ends[:2] + ends[3:], now=NOW, keep_days=7) == ends[:1]


def test_the_only_backup_never_goes() -> None:
    assert may_go([NOW - 99 * DAY], now=NOW, keep_days=1) == []
    assert may_go([], now=NOW, keep_days=1) == []


def test_zero_days_keep_all() -> None:
    assert may_go([NOW - 99 * DAY, NOW - 98 * DAY], now=NOW, keep_days=0) == []


def test_a_fresh_backup_with_a_log_behind_it_needs_nobody() -> None:
    assert told(WELL) == []
    assert told(None) == []


def test_a_backup_is_too_old_from_its_age_on() -> None:
    assert told(replace(WELL, newest_at=NOW - 26 * HOUR)) == []
    assert told(replace(WELL, newest_at=NOW - 26 * HOUR - timedelta(seconds=1))) == [
        "trouble backup age"
    ]
    assert told(replace(WELL, newest_at=None, newest_label=None)) == ["trouble backup age"]


def test_a_gap_and_an_archiver_that_fails_are_trouble() -> None:
    assert told(replace(WELL, missing="000000010000000000000004")) == ["trouble backup gap"]
    assert told(replace(WELL, archiving_fails_since=NOW)) == ["trouble backup archiver"]
