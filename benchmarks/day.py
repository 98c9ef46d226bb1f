"""A day of polls, one a minute, that waits in Kafka: how long until all of it is answered.

    python -m benchmarks.day

Starts a stack of its own, publishes 1,440 polls of the simulated sky as the poller would have
published them, starts Dagster and waits until every hour is answered through everything that waits.
Nothing is asked for by hand: the sensors do it. Says how long landing took, and the models of each
layer, and what a million observations take on the disk.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from psycopg import errors
from rich.console import Console
from rich.table import Table

from benchmarks.figures import keep
from benchmarks.line import own_line
from flight_assets.core.polls import Poll
from flight_assets.core.tiling import first_tiling
from flight_assets.feed.client import TileAnswer
from flight_assets.feed.poller import Answers, Sweep, new_poll_id, sort_out
from flight_assets.feed.producer import PollProducer
from flight_assets.feed.topics import ensure_topics
from flight_assets.local.endpoints import Endpoints
from flight_assets.local.processes import free_port, spawn, stop
from flight_assets.settings import PROJECT_ROOT
from flight_assets.simulator.world import SimulatedWorld
from flight_assets.warehouse.connection import connect, conninfo

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LOOK_S = 2.0
GIVE_UP_S = 7_200.0
IS_DONE = """
select
    (select count(*) from gold.answered_hours) >= %(hours)s
    and not exists (select from gold.stale_hours where as_of_hour between %(first)s and now())
"""
LANDED = """
select sum(row_count)::bigint, count(*), sum(byte_count)::bigint from bronze.landed_slices
where topic = 'flights.positions'
"""
AT_WORK = "select exists (select from runs where status not in ('SUCCESS', 'FAILURE', 'CANCELED'))"
STEPS = """
select step_key, dagster_event_type, timestamp from event_logs
where dagster_event_type in ('STEP_START', 'STEP_SUCCESS')
and step_key in ('bronze__raw_flights', 'hourly_models')
order by id
"""
BUILT = """
select run_id, event from event_logs
where dagster_event_type = 'ASSET_MATERIALIZATION' and step_key = 'hourly_models'
"""
SIZES = """
select nspname, sum(pg_total_relation_size(pg_class.oid))::bigint
from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
where nspname in ('bronze', 'silver', 'gold') and relkind in ('r', 'm')
group by nspname order by nspname
"""
console = Console()
Connection = psycopg.Connection[Any]


def sweep_at(world: SimulatedWorld, at_s: int) -> Sweep:
    """Return what a poll at an instant would find: every aircraft of the sky once."""
    sky = world.at(at_s)
    rows = sky.rows(np.arange(len(sky)))
    answer = TileAnswer(tile_id="0", rows=rows, full_count=len(sky), answered_at=at_s)
    tiling = first_tiling()
    answers = Answers(
        leaves=[answer], split=[], saturated_tile_ids=[], failed_tile_ids=[], tiling=tiling
    )
    poll_id = new_poll_id(at_s)
    observations, refused, duplicates = sort_out(answers, poll_id)
    poll = Poll(
        poll_id=poll_id,
        source="simulated",
        started_at=at_s,
        ended_at=at_s,
        observation_count=len(observations),
        refused_count=len(refused),
        duplicate_count=duplicates,
        full_count=len(sky),
        request_count=1,
        tile_count=1,
        saturated_tile_ids=[],
        failed_tile_ids=[],
    )
    return Sweep(observations=observations, refused=refused, poll=poll, tiling=tiling)


def publish(found: Endpoints, *, first: datetime, polls: int) -> int:
    """Publish a poll for each minute from an instant on; return how many observations that is."""
    ensure_topics(found.kafka_bootstrap_servers)
    world, producer = SimulatedWorld(1), PollProducer(found.kafka_bootstrap_servers)
    published = 0
    for number in range(polls):
        swept = sweep_at(world, int((first + number * MINUTE).timestamp()))
        producer.publish(swept)
        published += len(swept.observations)
    return published


@contextmanager
def dagster_runs(found: Endpoints) -> Iterator[Path]:
    """Run `dagster dev` on a free port, with every sensor on; give its log."""
    log = found.home / "logs" / "dagster.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    workspace = ["-w", str(PROJECT_ROOT / "workspace.yaml")]
    where = ["-h", "127.0.0.1", "-p", str(free_port())]
    environment = os.environ | found.environment()
    command = [sys.executable, "-m", "dagster", "dev", *workspace, *where]
    process = spawn(command, log=log, env=environment)
    try:
        yield log
    finally:
        stop(process)


def wait_for_answers(warehouse: Connection, *, first: datetime, hours: int, log: Path) -> float:
    """Return the seconds until every hour is answered through all that has landed."""
    begin = time.monotonic()
    while time.monotonic() - begin < GIVE_UP_S:
        time.sleep(LOOK_S)
        try:
            row = warehouse.execute(IS_DONE, {"hours": hours, "first": first}).fetchone()
        except errors.UndefinedTable:
            continue
        if row and row[0]:
            return time.monotonic() - begin
    raise SystemExit(f"not every hour was answered in {GIVE_UP_S:.0f} s; see {log}")


def wait_for_runs(of_dagster: Connection) -> None:
    """Wait until the runs have ended: the answers are there before the last events are."""
    begin = time.monotonic()
    while time.monotonic() - begin < GIVE_UP_S:
        row = of_dagster.execute(AT_WORK).fetchone()
        if row and not row[0]:
            return
        time.sleep(LOOK_S)
    raise SystemExit("a run does not end")


def seconds_of_steps(of_dagster: Connection) -> dict[str, float]:
    """Return how long landing and the models took, all runs together."""
    took: dict[str, float] = defaultdict(float)
    began: dict[str, datetime] = {}
    for step, event, at in of_dagster.execute(STEPS):
        if event == "STEP_START":
            began[step] = at
        else:
            took[step] += (at - began[step]).total_seconds()
    return dict(took)


def seconds_of_layers(of_dagster: Connection) -> dict[str, float]:
    """Return how long dbt says that the models of each layer took, four at a time."""
    took: dict[tuple[str, ...], float] = {}
    for run_id, event in of_dagster.execute(BUILT):  # one for each hour, all with the model's time
        told = json.loads(event)["dagster_event"]["event_specific_data"]["materialization"]
        for entry in told["metadata_entries"]:
            if entry["label"] == "Execution Duration":
                took[run_id, *told["asset_key"]["path"]] = entry["entry_data"]["value"]
    layers: dict[str, float] = defaultdict(float)
    for (_, layer, _), seconds in took.items():
        layers[layer] += seconds
    return dict(layers)


def size_of(folder: Path) -> int:
    """Return the bytes of a folder's files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def measure(*, hours: int) -> dict[str, Any]:
    """Return the figures of a stack of its own."""
    # whole hours, so that the last one has ended
    first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - hours * HOUR
    with own_line() as found:
        dagster = conninfo(found.settings.for_dagster())
        command = [sys.executable, "-m", "flight_assets.cli", "references"]
        subprocess.run(command, check=True, capture_output=True)
        begin = time.monotonic()
        published = publish(found, first=first, polls=hours * 60)
        published_s = time.monotonic() - begin
        console.print(f"{published:,} observations wait in Kafka after {published_s:.0f} s")
        with (
            connect(found.conninfo(), autocommit=True) as warehouse,
            connect(dagster, autocommit=True) as of_dagster,
            dagster_runs(found) as log,
        ):
            all_s = wait_for_answers(warehouse, first=first, hours=hours, log=log)
            wait_for_runs(of_dagster)
            landed = warehouse.execute(LANDED).fetchone()
            assert landed is not None
            runs = of_dagster.execute("select count(*) from runs").fetchone()
            database = of_dagster.execute("select pg_database_size(current_database())").fetchone()
            return {
                "hours": hours,
                "observations": published,
                "landed": landed[0],
                "slices": landed[1],
                "publish_s": published_s,
                "all_s": all_s,
                "steps_s": seconds_of_steps(of_dagster),
                "models_s": seconds_of_layers(of_dagster),
                "runs": runs[0] if runs else None,
                "bytes": dict(warehouse.execute(SIZES).fetchall())
                | {
                    "kafka": size_of(found.home / "kafka"),
                    "dagster": database[0] if database else None,
                    "messages": landed[2],
                },
            }


def show(figures: dict[str, Any]) -> None:
    """Print the figures as two tables."""
    millions = figures["landed"] / 1e6
    steps = figures["steps_s"]
    landing_s = steps["bronze__raw_flights"]
    table = Table(
        title=f"{figures['hours']} hours, {figures['observations']:,} observations, "
        f"in {figures['runs']} runs"
    )
    table.add_column("")
    table.add_column("seconds", justify="right")
    table.add_column("observations/s", justify="right")
    rows = {
        "sensor on until all is answered": figures["all_s"],
        "bronze: landing": landing_s,
        "silver and gold: dbt, tests included": steps["hourly_models"],
        "silver: its models, four at a time": figures["models_s"]["silver"],
        "gold: its models, four at a time": figures["models_s"]["gold"],
    }
    for name, seconds in rows.items():
        table.add_row(name, f"{seconds:.0f}", f"{figures['landed'] / seconds:,.0f}")
    console.print(table)
    disk = Table(title="On the disk")
    for name in ("", "MB", "MB a million observations"):
        disk.add_column(name, justify="right" if name else "left")
    for name, size in figures["bytes"].items():
        disk.add_row(name, f"{size / 1e6:,.0f}", f"{size / 1e6 / millions:,.1f}")
    console.print(disk)


def main() -> None:
    """Run the benchmark and write its figures to a file; 1 where an observation is missing."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.day")
    parser.add_argument("--hours", type=int, default=24)
    arguments = parser.parse_args()
    figures = measure(hours=arguments.hours)
    show(figures)
    keep("day", figures)
    if figures["landed"] != figures["observations"]:
        raise SystemExit(f"{figures['observations'] - figures['landed']} observations are missing")


if __name__ == "__main__":
    main()
