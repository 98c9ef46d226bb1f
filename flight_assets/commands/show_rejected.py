"""Rejected messages and holes in the terminal."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from flight_assets.commands.words import cell, printable
from flight_assets.warehouse.rejected import RejectedKind, RejectedMessage, text_of

if TYPE_CHECKING:
    from kafka_sensors.retry import RetriedSlice

MOST_KINDS = 30
LONGEST_SHOWN = 4_000  # bytes of a value; --raw has all of them


def print_json(value: Any) -> None:
    """Print plain values as JSON."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def minute(at: datetime) -> str:
    """Return an instant as a person reads it, UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def wide_console() -> Console:
    """Return the terminal, or for a file one that cuts nothing."""
    console = Console()
    return console if console.is_terminal else Console(width=1_000)


def print_kinds(kinds: Sequence[RejectedKind], *, most: int | None) -> None:
    """Print what was rejected, one line for each reason in the same words."""
    if not kinds:
        typer.echo("Nothing is rejected.")
        return
    table = Table("topic", "reason", "detail", "messages", "hours", "newest", "partition offset")
    for kind in kinds[:most]:
        hours = minute(kind.first_hour)
        if kind.hour_count > 1:
            hours += f" … {minute(kind.last_hour)} ({kind.hour_count})"
        newest = (minute(kind.newest_at), f"{kind.newest_partition} {kind.newest_offset}")
        row = (
            kind.topic,
            kind.reason,
            cell(kind.detail),
            f"{kind.message_count:,}",
            hours,
        )
        table.add_row(*row, *newest)
    wide_console().print(table)
    if most is not None and len(kinds) > most:
        typer.echo(f"{len(kinds) - most} more kinds; --all shows them.")
    typer.echo("`flight-assets rejected show TOPIC PARTITION OFFSET` shows one with its bytes.")


def print_message(message: RejectedMessage) -> None:
    """Print one rejected message, its value as far as it is text."""
    value = message.value
    lines = {
        "message": f"{message.topic}, partition {message.kafka_partition}, "
        f"offset {message.kafka_offset}",
        "sent": message.message_at.isoformat(),
        "log hour": minute(message.log_hour),
        "slice": message.slice_id,
        "rejected": message.rejected_at.isoformat(),
        "reason": message.reason,
        "detail": message.detail,
        "key": "null" if message.key is None else text_of(message.key),
    }
    for name, held in lines.items():
        typer.echo(printable(f"{name:9} {held}"))
    for name, held in message.headers or []:
        typer.echo(printable(f"{'header':9} {name}: {'null' if held is None else held}"))
    if value is None:
        typer.echo("value     null")
        return
    typer.echo(f"value     {len(value):,} bytes\n{printable(text_of(value[:LONGEST_SHOWN]))}")
    if len(value) > LONGEST_SHOWN:
        typer.echo(f"… the first {LONGEST_SHOWN:,} bytes; --raw gives all of them.")


def retried_summary(topic: str, retried: Iterable["RetriedSlice"]) -> dict[str, Any]:
    """Return what became of a topic's rejected messages, as plain values."""
    slices = list(retried)
    still: dict[str, int] = {}
    for each in slices:
        for reason, count in each.still_rejected.items():
            still[reason] = still.get(reason, 0) + count
    landed = [each for each in slices if each.landed_count]
    return {
        "topic": topic,
        "landed": sum(each.landed_count for each in landed),
        "log_hours": sorted({each.log_hour.isoformat() for each in landed}),
        "event_hours": sorted({e.hour.isoformat() for each in landed for e in each.event_hours}),
        "slice_ids": [each.slice_id for each in landed],
        "still_rejected": still,
        "pruned": sum(each.pruned_count for each in slices),
    }


def print_summary(summary: dict[str, Any]) -> None:
    """Print what became of a topic's rejected messages, in one line or two."""
    still = ", ".join(f"{reason} {count}" for reason, count in summary["still_rejected"].items())
    typer.echo(
        f"{summary['topic']}: {summary['landed']} landed in {len(summary['log_hours'])} log hours; "
        f"still rejected: {still or 'none'}"
    )
    if summary["pruned"]:
        typer.echo(f"  {summary['pruned']} stay: the rows of their days were removed by retention.")
    if summary["landed"]:
        typer.echo(
            "  Answers that look at them are stale now; `stale_hours_sensor` has them built again."
        )
