"""How long after a poll's end its observations are in gold, by themselves, while `make dev` runs.

    flight-assets dev --every 60s            # in another terminal
    python -m benchmarks.freshness --polls 60

Only watches: the poller, the landing sensor and the models are those of the running line. A poll
is in gold when ``gold.answered_hours`` has an answer as of its end, or as of a later poll's. Where
the time went say the events of the run that landed it.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import psycopg
import typer
from psycopg import errors
from rich.console import Console
from rich.table import Table

from benchmarks.figures import keep, p95
from flight_assets.errors import FlightAssetsError
from flight_assets.local import stack
from flight_assets.local.endpoints import Endpoints
from flight_assets.settings import load_settings
from flight_assets.warehouse.connection import connect, conninfo

MOST_S = 20.0
LOOK_S = 0.5
POLLS = """
select raw_polls.poll_id, raw_polls.ended_at, raw_polls.observation_count, landed_slices.run_id
from bronze.raw_polls
inner join bronze.landed_slices using (slice_id)
where raw_polls.ended_at > %(since)s order by raw_polls.ended_at
"""
ANSWERED = "select coalesce(max(as_of_at), '-infinity') from gold.answered_hours"
# the moments of a run, in their order, and what came to its end then
MOMENTS = """
select 'the tick that found it', create_timestamp at time zone 'UTC' from runs
where run_id = %(run_id)s
union all
select 'the run asked for', timestamp at time zone 'UTC' from event_logs
where run_id = %(run_id)s and dagster_event_type = 'PIPELINE_ENQUEUED'
union all
select 'waiting and starting', timestamp at time zone 'UTC' from event_logs
where run_id = %(run_id)s and dagster_event_type = 'PIPELINE_START'
union all
select 'landing', timestamp at time zone 'UTC' from event_logs
where run_id = %(run_id)s and dagster_event_type = 'STEP_SUCCESS'
and step_key = 'bronze__raw_flights'
union all
select 'the checks before the models', timestamp at time zone 'UTC' from event_logs
where run_id = %(run_id)s and dagster_event_type = 'STEP_START' and step_key = 'hourly_models'
"""
GOLD, REST = "the models and their tests, to gold", "(after gold: events and checks)"
ENDED = "select to_timestamp(end_time) from runs where run_id = %(run_id)s"


@contextmanager
def servers(found: Endpoints) -> Iterator[tuple[Any, Any]]:
    """Give connections to the warehouse and to Dagster's database."""
    dagster = conninfo(found.settings.for_dagster())
    with (
        connect(found.conninfo(), autocommit=True) as warehouse,
        connect(dagster, autocommit=True) as of_dagster,
    ):
        yield warehouse, of_dagster


def answered(warehouse: psycopg.Connection[Any]) -> datetime:
    """Return the newest as-of instant, the beginning of time before the first answers."""
    try:
        row = warehouse.execute(ANSWERED).fetchone()
    except errors.UndefinedTable:
        row = None
    return row[0] if row and isinstance(row[0], datetime) else datetime.min.replace(tzinfo=UTC)


def watch(warehouse: psycopg.Connection[Any], *, polls: int, give_up_s: float) -> list[Any]:
    """Return one row per poll that ended from now on: its size, its run, when it was in gold.

    Raises ``FlightAssetsError`` where fewer polls than asked for reach gold in time.
    """
    since = datetime.now(UTC)
    deadline = time.monotonic() + give_up_s
    found: dict[str, Any] = {}
    while len(found) < polls:
        if time.monotonic() > deadline:
            raise FlightAssetsError(
                f"only {len(found)} of {polls} polls reached gold in {give_up_s:.0f} s; is "
                "`make dev` running?"
            )
        time.sleep(LOOK_S)
        newest, now = answered(warehouse), datetime.now(UTC)
        for poll_id, ended_at, count, run_id in warehouse.execute(POLLS, {"since": since}):
            if ended_at <= newest and poll_id not in found:
                found[poll_id] = (poll_id, ended_at, count, run_id, now)
    return list(found.values())


def steps(of_dagster: psycopg.Connection[Any], row: Any) -> dict[str, Any]:
    """Return a poll's seconds to gold, and how they divide among the steps of its run."""
    poll_id, ended_at, count, run_id, in_gold_at = row
    took, last = {}, ended_at
    for name, at in of_dagster.execute(MOMENTS, {"run_id": run_id}):
        took[name] = (at - last).total_seconds()
        last = at
    took[GOLD] = (in_gold_at - last).total_seconds()
    ended = of_dagster.execute(ENDED, {"run_id": run_id}).fetchone()
    if ended and ended[0]:
        took[REST] = (ended[0] - in_gold_at).total_seconds()
    seconds = (in_gold_at - ended_at).total_seconds()
    return {"poll_id": poll_id, "observations": count, "seconds": seconds, "steps": took}


def show(rows: list[dict[str, Any]], console: Console) -> float:
    """Print how long the polls took, and the median of each step; return the 95th percentile."""
    seconds = [row["seconds"] for row in rows]
    most = p95(seconds)
    table = Table(title=f"From a poll's end to gold, {len(rows)} polls")
    for name in ("fastest", "median", "p95", "slowest", "limit of p95"):
        table.add_column(name, justify="right")
    figures = (min(seconds), statistics.median(seconds), most, max(seconds), MOST_S)
    table.add_row(*(f"{value:.1f} s" for value in figures))
    console.print(table)
    parts = Table(title="Where the time goes")
    for name in ("", "median", "p95"):
        parts.add_column(name, justify="right" if name else "left")
    for name in rows[0]["steps"]:
        each = [row["steps"][name] for row in rows if name in row["steps"]]
        parts.add_row(name, f"{statistics.median(each):.1f} s", f"{p95(each):.1f} s")
    console.print(parts)
    return most


def main(
    polls: Annotated[int, typer.Option(min=1, help="How many polls to watch.")] = 60,
    give_up_s: Annotated[float, typer.Option(help="After which to stop waiting.")] = 5_400,
) -> None:
    """Print the seconds from a poll's end to gold and where they go, and keep them as JSON."""
    console = Console()
    with servers(stack.endpoints(load_settings())) as (warehouse, of_dagster):
        watched = watch(warehouse, polls=polls, give_up_s=give_up_s)
        time.sleep(MOST_S)  # the last run ends
        rows = [steps(of_dagster, row) for row in watched]
    most = show(rows, console)
    keep("freshness", {"polls": rows, "p95_s": most, "limit_s": MOST_S})
    if most > MOST_S:
        raise SystemExit(1)


if __name__ == "__main__":
    typer.run(main)
