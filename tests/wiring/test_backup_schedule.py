"""The schedule of the backups: on by itself, and without a place for them it asks for nothing."""

from pathlib import Path

import dagster as dg
import pytest

from flight_assets.backup_job import backup_daily_schedule


def test_it_asks_for_a_backup_only_where_it_is_known_where_to(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("BACKUP_DIR", raising=False)
    ticked = backup_daily_schedule.evaluate_tick(dg.build_schedule_context())
    assert not ticked.run_requests and ticked.skip_message == "BACKUP_DIR is not set"
    monkeypatch.setenv("BACKUP_DIR", str(tmp_path))
    ticked = backup_daily_schedule.evaluate_tick(dg.build_schedule_context())
    assert len(ticked.run_requests or []) == 1
    assert backup_daily_schedule.default_status == dg.DefaultScheduleStatus.RUNNING
