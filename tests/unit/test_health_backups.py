"""The backups in a report: looked at also where no server answers, and never guessed."""

from pathlib import Path

import pytest

from flight_assets.core.health import problems
from flight_assets.health import collect
from flight_assets.settings import Settings

pytestmark = pytest.mark.usefixtures("no_settings")


def test_without_a_directory_nothing_is_said_of_backups() -> None:
    report = collect(Settings(_env_file=None))
    assert report.backups is None and report.knows("backups")


def test_the_directory_is_looked_at_though_postgres_is_away(tmp_path: Path) -> None:
    report = collect(Settings(backup_dir=tmp_path, _env_file=None))
    assert not report.knows("disk"), "no Postgres"
    assert report.backups is not None and report.backups.base_count == 0
    assert "backup age" in {problem.key for problem in problems(report)}


def test_a_record_that_cannot_be_read_is_named_and_not_counted_as_none(tmp_path: Path) -> None:
    record = tmp_path / "base" / "20260131T022000Z" / "backup.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    report = collect(Settings(backup_dir=tmp_path, _env_file=None))
    assert report.backups is None and not report.knows("backups")
    (told,) = [p for p in problems(report) if "backups" in p.what]
    assert str(record) in told.to_do and told.level == "trouble"
