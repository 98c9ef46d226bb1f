"""`flight-assets holes list` and `acknowledge`: what is gone before it landed; who accepts it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import psycopg

    from kafka_sensors.client import Reader
    from kafka_sensors.holes import AcknowledgedHole, Hole, Loss
    from kafka_sensors.target import Target

app = typer.Typer(help="Messages that are gone before they landed.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands to the app."""
    parent.add_typer(app, name="holes")


@app.command("list")
def list_(
    topic: Annotated[str | None, typer.Option(help="One topic; all without it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List what is gone and stops landing, and the holes that somebody has acknowledged."""
    from flight_assets.assets.raw_flights import targets_of
    from flight_assets.commands.show_rejected import print_json
    from kafka_sensors.holes import acknowledged, pending

    rows: list[dict[str, Any]] = []
    for target in targets_of(topic):
        with opened(target) as (reader, connection):
            rows += [of_loss(target, loss) for loss in pending(target, reader, connection)]
            rows += [of_hole(target, hole) for hole in acknowledged(target, connection)]
    print_json(rows) if as_json else print_holes(rows)


@app.command()
def acknowledge(
    topic: Annotated[str, typer.Argument(help="The topic, as the error of landing names it.")],
    by: Annotated[str, typer.Option(help="Who accepts it.")],
    reason: Annotated[str, typer.Option(help="Why it is gone, for whoever reads the ledger.")],
) -> None:
    """Accept that messages are gone: writes it to the ledger, so that landing goes on behind."""
    from flight_assets.assets.raw_flights import targets_of
    from kafka_sensors.holes import acknowledge as acknowledge_holes

    (target,) = targets_of(topic)
    with opened(target) as (reader, connection):
        holes = acknowledge_holes(target, reader, connection, by=by, reason=reason)
    for hole in holes:
        typer.echo(f"{topic}: {words(hole)} is a hole in the ledger now, accepted by {by}.")
    if not holes:
        typer.echo(f"{topic}: nothing is gone that could be acknowledged; nothing was written.")


@contextmanager
def opened(target: "Target") -> "Iterator[tuple[Reader, psycopg.Connection[Any]]]":
    """Give a reader of the target's topic and a connection; raises unless the stack is up."""
    from flight_assets.brokers import security_options
    from flight_assets.local import stack
    from flight_assets.settings import load_settings
    from flight_assets.warehouse.connection import connect
    from kafka_sensors.client import Reader

    endpoints = stack.endpoints(load_settings())
    with (
        Reader(
            endpoints.kafka_bootstrap_servers,
            target.topic,
            options=security_options(endpoints.settings),
        ) as reader,
        connect(endpoints.conninfo(writes_bronze=True)) as connection,
    ):
        yield reader, connection


def words(hole: "Hole") -> str:
    """Return which offsets are gone, as a person reads it."""
    from kafka_sensors.offsets import LAST_OFFSET

    end = "its end" if hole.offsets.end == LAST_OFFSET else f"offset {hole.offsets.end}"
    return f"partition {hole.partition} from offset {hole.offsets.start} to {end}"


def of_loss(target: "Target", loss: "Loss") -> dict[str, Any]:
    """Return a loss that nobody has accepted as plain values."""
    from kafka_sensors.holes import Cause

    todo = "make the topic anew, then: " if loss.cause is Cause.CUT else ""
    return {
        **place(target, loss.hole),
        "state": "pending",
        "cause": str(loss.cause),
        "to_do": todo + target.acknowledge,
    }


def of_hole(target: "Target", hole: "AcknowledgedHole") -> dict[str, Any]:
    """Return an acknowledged hole as plain values."""
    return {
        **place(target, hole.hole),
        "state": "acknowledged",
        "by": hole.by,
        "at": hole.at.isoformat(),
        "reason": hole.reason,
    }


def place(target: "Target", hole: "Hole") -> dict[str, Any]:
    """Return which offsets are meant, as plain values."""
    return {
        "topic": target.topic,
        "topic_id": hole.topic_id,
        "partition": hole.partition,
        "start_offset": hole.offsets.start,
        "end_offset": hole.offsets.end,
        "offsets": words(hole),
    }


def print_holes(rows: list[dict[str, Any]]) -> None:
    """Print what is pending with what to do, and what was acknowledged by whom, when and why."""
    if not rows:
        typer.echo("Nothing is gone before it landed.")
    for row in rows:
        where = f"{row['topic']}: {row['offsets']}"
        if row["state"] == "pending":
            typer.echo(f"PENDING       {where}, {row['cause']}\n              {row['to_do']}")
        else:
            who = row["by"] or "somebody"
            typer.echo(f"acknowledged  {where}, by {who} at {row['at']}: {row['reason']}")
