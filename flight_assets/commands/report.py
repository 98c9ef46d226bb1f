"""The demo's report: what came in, what it says, whether it may be believed, and what is next."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg
from rich.console import Console
from rich.table import Table

from flight_assets.commands.show import print_answers
from flight_assets.core.polls import Poll
from flight_assets.warehouse.answers import answers

if TYPE_CHECKING:
    from flight_assets.commands.line import RunResult

MOST_SCOPES = 3
MOST_RANKS = 3

COUNTS = {
    "bronze.raw_flights": "observations",
    "bronze.rejected_messages": "messages that broke the contract",
    "bronze.raw_polls": "polls",
    "bronze.landed_slices": "slices in the ledger",
    "silver.airports": "airports",
    "silver.airlines": "airlines",
    "silver.aircraft_types": "aircraft types",
    "silver.flight_states": "last states of flights",
    "gold.answers": "rows of answers",
}

ODDITIES = """
select
    count(*) as observations,
    count(*) filter (where origin_iata is null) as without_origin,
    count(*) filter (where destination_iata is null) as without_destination,
    count(*) filter (where airline_icao is null) as without_airline,
    count(*) filter (where type_code is null) as without_type,
    count(*) filter (where registration is null) as without_registration,
    count(*) filter (where is_on_ground) as on_ground,
    count(*) - count(distinct (flight_id, observed_at)) as repeated
from bronze.raw_flights
"""


def print_polls(console: Console, polls: Sequence[Poll]) -> None:
    """Print what each poll fetched of what the source has."""
    table = Table(title="Polls", title_justify="left")
    table.add_column("poll", no_wrap=True)
    for heading in ("aircraft", "of", "coverage", "asked", "gaps"):
        table.add_column(heading, justify="right")
    for poll in polls:
        share = (
            f"{100 * poll.observation_count / poll.full_count:.2f} %" if poll.full_count else "?"
        )
        table.add_row(
            poll.poll_id,
            f"{poll.observation_count:,}",
            f"{poll.full_count:,}" if poll.full_count else "?",
            share,
            str(poll.request_count),
            str(len(poll.saturated_tile_ids) + len(poll.failed_tile_ids)),
        )
    console.print(table)


def print_counts(console: Console, connection: psycopg.Connection) -> None:
    """Print how many rows each layer holds, and how odd the observations are."""
    table = Table(title="Rows", title_justify="left")
    table.add_column("table")
    table.add_column("rows", justify="right")
    table.add_column("of")
    for name, grain in COUNTS.items():
        count = connection.execute(f"select count(*) from {name}").fetchone()  # type: ignore[arg-type]
        table.add_row(name, f"{count[0]:,}" if count else "", grain)
    console.print(table)
    cursor = connection.execute(ODDITIES)
    row = cursor.fetchone()
    if row is not None and row[0] and cursor.description:
        names = [column.name.replace("_", " ") for column in cursor.description]
        shares = [
            f"{name} {100 * n / row[0]:.1f} %" for name, n in zip(names[1:], row[1:], strict=True)
        ]
        console.print(f"Oddities of the observations, kept: {', '.join(shares)}")


def print_answers_of(
    console: Console, connection: psycopg.Connection, hours: Sequence[datetime]
) -> None:
    """Print the answers of each hour."""
    for hour in hours:
        print_answers(
            console, answers(connection, hour), most_scopes=MOST_SCOPES, most_ranks=MOST_RANKS
        )


def print_checks(console: Console, runs: "Sequence[RunResult]") -> None:
    """Print how the checks ended, and name each that did not pass."""
    checks = [check for run in runs for check in run.checks]
    failed = [check for check in checks if not check.is_passed]
    table = Table(title="Checks", title_justify="left")
    table.add_column("run", no_wrap=True)
    table.add_column("hours")
    for heading in ("seconds", "passed", "warned", "failed"):
        table.add_column(heading, justify="right")
    for run in runs:
        passed = sum(check.is_passed for check in run.checks)
        warned = sum(not check.is_passed and check.is_warning for check in run.checks)
        rest = len(run.checks) - passed - warned
        seconds = f"{run.duration_s:.1f}"
        table.add_row(run.job, run.hours, seconds, str(passed), str(warned), str(rest))
    console.print(table)
    for check in failed:
        word = "[yellow]warning[/]" if check.is_warning else "[red]failed[/]"
        console.print(f"  {word} {check.asset}: {check.name}")
    if checks and not failed:
        console.print(f"  [green]all {len(checks)} checks passed[/]")


def print_timings(console: Console, timings: Sequence[tuple[str, float]]) -> None:
    """Print where the time went."""
    total = sum(duration_s for _, duration_s in timings)
    slowest = sorted(timings, key=lambda timing: -timing[1])[:3]
    steps = ", ".join(f"{text} {duration_s:.1f} s" for text, duration_s in slowest)
    console.print(f"[dim]{total:.0f} s in all, most of it for {steps}[/]")


WHAT_NEXT = """
What next, after `. .venv/bin/activate`
  flight-assets answers --as-of {hour}    these answers again, or --json
  flight-assets sql "select * from gold.answers"   anything, read-only
  make dev                                 the line by itself, with Dagster's UI
  flight-assets demo --live                one sweep of the real world
"""
STILL_RUNNING = "The stack is still running; `flight-assets down` stops it."
STOPPED = "Nothing is left running; the data stays in {home}."


def print_what_next(console: Console, *, hour: str, home: str, is_running: bool) -> None:
    """Print what to do now."""
    console.print(WHAT_NEXT.format(hour=hour), highlight=False)
    console.print(STILL_RUNNING if is_running else STOPPED.format(home=home))
