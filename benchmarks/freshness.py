"""How long after a poll's end its observations are in gold, by themselves, while `make dev` runs.

    python -m benchmarks.freshness --polls 20

Only watches: the poller, the landing sensor and the models are those of the running line. A poll
is in gold when ``gold.answered_hours`` has an answer as of its end, or as of a later poll's.
"""

import json
import statistics
import time
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from flight_assets.errors import FlightAssetsError
from flight_assets.local import stack
from flight_assets.settings import load_settings
from flight_assets.warehouse.connection import connect

LOOK_S = 0.5
POLLS = """
select poll_id, ended_at, observation_count from bronze.raw_polls
where ended_at > %(since)s order by ended_at
"""
ANSWERED = "select coalesce(max(as_of_at), '-infinity') from gold.answered_hours"


def watch(connection: Any, *, polls: int, give_up_s: float) -> list[dict[str, Any]]:
    """Return one row per poll that ended from now on: its size and the seconds until gold.

    Raises ``FlightAssetsError`` where fewer polls than asked for reach gold in time.
    """
    since = datetime.now(UTC)
    deadline = time.monotonic() + give_up_s
    found: dict[str, dict[str, Any]] = {}
    while len(found) < polls:
        if time.monotonic() > deadline:
            raise FlightAssetsError(
                f"only {len(found)} of {polls} polls reached gold in {give_up_s:.0f} s; is "
                "`make dev` running?"
            )
        time.sleep(LOOK_S)
        answered = connection.execute(ANSWERED).fetchone()[0]
        now = datetime.now(UTC)
        for poll_id, ended_at, count in connection.execute(POLLS, {"since": since}):
            if ended_at <= answered and poll_id not in found:
                seconds = (now - ended_at).total_seconds()
                found[poll_id] = {"poll_id": poll_id, "observations": count, "seconds": seconds}
    return list(found.values())


def main(
    polls: Annotated[int, typer.Option(min=1, help="How many polls to watch.")] = 20,
    give_up_s: Annotated[float, typer.Option(help="After which to stop waiting.")] = 1_200,
) -> None:
    """Print the seconds from a poll's end to gold, and keep them as JSON."""
    settings = load_settings()
    conninfo = stack.endpoints(settings).conninfo()
    with connect(conninfo, autocommit=True) as connection:
        rows = watch(connection, polls=polls, give_up_s=give_up_s)
    seconds = sorted(row["seconds"] for row in rows)
    table = Table(title=f"From a poll's end to gold, {len(rows)} polls")
    for name in ("fastest", "median", "p95", "slowest"):
        table.add_column(name, justify="right")
    p95 = seconds[min(len(seconds) - 1, round(0.95 * len(seconds)))]
    figures = (seconds[0], statistics.median(seconds), p95, seconds[-1])
    table.add_row(*(f"{value:.1f} s" for value in figures))
    Console().print(table)
    out = settings.home / "benchmarks" / "freshness.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(rows, indent=2))
    Console().print(f"each poll: {out}")


if __name__ == "__main__":
    typer.run(main)
