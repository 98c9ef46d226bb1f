"""The base backups in the terminal: a table for people, JSON for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from flight_assets.backup.choose import Span, shown
from flight_assets.backup.places import Places
from flight_assets.commands.show_status import size

__all__ = ["as_json", "print_spans", "size"]


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


def print_spans(of: Places, spans: Sequence[Span]) -> None:
    """Print the backups, the oldest first."""
    if not spans:
        print(f"No base backup in {of.base}.")
        return
    table = Table("base backup", "size", "restore from", "to before", "missing")
    for span in spans:
        last = "" if span.last is None else shown(span.last)
        row = (span.backup.label, size(span.backup.byte_count), shown(span.first), last)
        table.add_row(*row, span.missing or "")
    Console().print(table)
