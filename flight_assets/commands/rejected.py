"""`flight-assets rejected list`, `show` and `retry`: what broke the contract, and its way back."""

import sys
from datetime import datetime
from typing import Annotated

import typer

from flight_assets.errors import FlightAssetsError

RUN_ID = "rejected retry"  # what the ledger is told in place of a Dagster run

Topic = Annotated[str | None, typer.Option(help="One topic; all without it.")]
Reason = Annotated[str | None, typer.Option(help="One reason, such as contract.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]

app = typer.Typer(help="Messages that broke the contract: list, show, retry.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands to the app."""
    parent.add_typer(app, name="rejected")


@app.command("list")
def list_(
    topic: Topic = None,
    reason: Reason = None,
    show_all: Annotated[bool, typer.Option("--all", help="Every kind, not the first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Count what is rejected by topic, reason and words; starts the local Postgres if it sleeps."""
    from flight_assets.commands import show_rejected
    from flight_assets.commands.stack import say
    from flight_assets.local.stack import up_postgres
    from flight_assets.settings import load_settings
    from flight_assets.warehouse.connection import connect
    from flight_assets.warehouse.rejected import rejected_kinds

    with connect(up_postgres(load_settings(), say=say), read_only=True) as connection:
        kinds = rejected_kinds(connection, topic=topic, reason=reason)
    if as_json:
        show_rejected.print_json([kind.as_json() for kind in kinds])
    else:
        show_rejected.print_kinds(kinds, most=None if show_all else show_rejected.MOST_KINDS)


@app.command()
def show(
    topic: Annotated[str, typer.Argument(help="Topic.")],
    partition: Annotated[int, typer.Argument(min=0, help="Partition.")],
    offset: Annotated[int, typer.Argument(min=0, help="Offset.")],
    as_json: AsJson = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="Nothing but the bytes of the value, as they came.")
    ] = False,
) -> None:
    """Show one rejected message: reason, slice, key, headers and bytes."""
    if as_json and raw:
        raise FlightAssetsError("choose one of --json and --raw.")
    from flight_assets.commands import show_rejected
    from flight_assets.commands.stack import say
    from flight_assets.local.stack import up_postgres
    from flight_assets.settings import load_settings
    from flight_assets.warehouse.connection import connect
    from flight_assets.warehouse.rejected import rejected_messages

    with connect(up_postgres(load_settings(), say=say), read_only=True) as connection:
        found = rejected_messages(connection, topic, partition=partition, offset=offset)
    if as_json:
        show_rejected.print_json([message.as_json() for message in found])
    elif raw:
        sys.stdout.buffer.write(found[-1].value or b"")
    else:
        for message in found:
            show_rejected.print_message(message)


@app.command()
def retry(
    topic: Topic = None,
    reason: Reason = None,
    partition: Annotated[int | None, typer.Option(min=0, help="One partition.")] = None,
    offset: Annotated[int | None, typer.Option(min=0, help="One message of it.")] = None,
    first_hour: Annotated[
        str | None, typer.Option(help="From this log hour on, such as 2025-07-20T08.")
    ] = None,
    last_hour: Annotated[str | None, typer.Option(help="Up to this log hour.")] = None,
    as_json: AsJson = False,
) -> None:
    """Decode rejected messages again and land those that decode by now, each once.

    Works from the stored bytes: Kafka need not run. What still breaks the contract stays, with
    the reason that it has now.
    """
    if offset is not None and (topic is None or partition is None):
        raise FlightAssetsError("--offset names one message together with --topic and --partition.")
    from flight_assets.assets.raw_flights import targets_of
    from flight_assets.commands import show_rejected
    from flight_assets.commands.stack import say
    from flight_assets.local.stack import up_postgres
    from flight_assets.settings import load_settings
    from flight_assets.warehouse.brin import summarize
    from flight_assets.warehouse.connection import connect
    from kafka_sensors import retry as retries

    targets = targets_of(topic)
    choice = retries.Choice(
        reason=reason,
        partition=partition,
        offset=offset,
        first_hour=hour_or_none(first_hour),
        last_hour=hour_or_none(last_hour),
    )
    summaries = []
    with connect(up_postgres(load_settings(), say=say, writes_bronze=True)) as connection:
        for target in targets:
            retried = list(retries.retry(target, connection, choice, run_id=RUN_ID))
            summarize(connection, target.table, [r.log_hour for r in retried if r.landed_count])
            summaries.append(show_rejected.retried_summary(target.topic, retried))
    if as_json:
        show_rejected.print_json(summaries)
        return
    for summary in summaries:
        show_rejected.print_summary(summary)


def hour_or_none(text: str | None) -> datetime | None:
    """Return the hour that a person means, if any; raises ``FlightAssetsError``."""
    from flight_assets.warehouse.answers import parse_hour

    return None if text is None else parse_hour(text)
