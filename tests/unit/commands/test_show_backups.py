"""The list of base backups, for people and for programs."""

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from flight_assets.backup.choose import Span
from flight_assets.backup.places import BaseBackup, Places
from flight_assets.commands.show_backups import as_json, print_spans

ENDED_AT = datetime(2026, 1, 31, 2, 20, 7, 250_000, UTC)
BACKUP = BaseBackup(
    label="20260131T022000Z",
    started_at=ENDED_AT - timedelta(seconds=7),
    ended_at=ENDED_AT,
    timeline=1,
    start=0x2000028,
    end=0x2000120,
    segment_bytes=16 << 20,
    byte_count=3_200_000_000,
    server_version="18.4",
    superuser="flight_assets",
)
PLACES = Places(Path("/backups"))
NAME = "000000010000000000000004"


def printed(*spans: Span) -> list[str]:
    out = io.StringIO()
    print_spans(Console(file=out, width=80), PLACES, spans)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_each_second_that_is_shown_can_be_restored() -> None:
    lines = printed(Span(BACKUP, ENDED_AT + timedelta(hours=1), None))
    row = "│ 20260131T022000Z │ 3.2 GB │ 2026-01-31T02:20:08Z │ 2026-01-31T03:20:07Z │"
    assert row in lines


def test_a_backup_without_a_log_behind_it_leads_nowhere_yet() -> None:
    for last in (None, ENDED_AT + timedelta(milliseconds=1)):
        assert "nothing yet" in " ".join(printed(Span(BACKUP, last, None)))
    assert printed() == ["No base backup in /backups/base."]


def test_a_missing_file_is_named_whole() -> None:
    lines = printed(Span(BACKUP, ENDED_AT + timedelta(hours=1), NAME))
    assert lines[-1] == f"20260131T022000Z: /backups/wal/{NAME} is missing"


def test_json_has_instants_in_utc() -> None:
    (told,) = json.loads(as_json([Span(BACKUP, None, NAME)]))
    assert told["ended_at"] == "2026-01-31T02:20:07.250000Z"
    assert told["restore_to_before"] is None and told["missing"] == NAME
