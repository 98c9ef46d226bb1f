"""The base backups in the terminal: a table for people, JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

from flight_assets.backup.choose import Span, shown
from flight_assets.backup.places import Places
from flight_assets.commands.show_status import size


def as_json(spans: Sequence[Span]) -> str:
    """Return the backups, the oldest first, as JSON; instants are ISO 8601 in UTC."""
    return json.dumps([_row(span) for span in spans], indent=2)


def _row(span: Span) -> dict[str, Any]:
    return {
        **asdict(span.backup),
        "started_at": shown(span.backup.started_at),
        "ended_at": shown(span.backup.ended_at),
        "restore_to_before": None if span.last is None else shown(span.last),
        "missing": span.missing,
    }


def print_spans(console: Console, of: Places, spans: Sequence[Span]) -> None:
    """Print the backups, the oldest first, and what ends the reach of one too early."""
    if not spans:
        console.print(f"No base backup in {of.base}.", soft_wrap=True)
        return
    table = Table("base backup", "size", "restore from", "to before")
    for span in spans:
        last = "nothing yet" if span.last is None else whole_second(span.last)
        row = (span.backup.label, size(span.backup.byte_count), whole_second(span.first, up=True))
        table.add_row(*row, last)
    console.print(table)
    for span in spans:
        if span.missing is not None:
            console.print(
                f"{span.backup.label}: {of.wal / span.missing} is missing", soft_wrap=True
            )


def whole_second(at: datetime, *, up: bool = False) -> str:
    """Return the second that an instant lies in, or the first one after it.

    >>> from datetime import UTC
    >>> at = datetime(2026, 1, 31, 17, 5, 9, 250000, UTC)
    >>> whole_second(at), whole_second(at, up=True)
    ('2026-01-31T17:05:09Z', '2026-01-31T17:05:10Z')
    """
    second = at.replace(microsecond=0)
    return shown(second + timedelta(seconds=1) if up and second < at else second)
