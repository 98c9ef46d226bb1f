"""Measure what the answers of an hour cost: with much history and little, early in it and late.

``python -m benchmarks.modelling`` starts a Postgres of its own and takes it away again. It measures
promise 7 of docs/architecture.md in four figures, each beside its limit: the rebuilding of an hour
with 500 hours of history against 10, the poll of an hour's last minutes against that of its first,
everything for an hour of a million observations in a process that has just started, and what the
statements of a build read of the tables that grow. Builds that are compared take turns. Ends with 1
where a limit is passed.
"""

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo
from rich.console import Console
from rich.table import Table

from benchmarks.figures import keep
from benchmarks.modelling_builds import Builder, Built, history_tables, in_turns
from benchmarks.modelling_plans import check
from benchmarks.modelling_world import FIRST_SLICE_ID, HOUR, MEASURED_HOUR, MINUTE, Warehouse
from flight_assets.local import stack
from flight_assets.settings import Settings
from flight_assets.warehouse.migrate import create_database_if_missing, migrate

MOST_RATIO = 1.2
MOST_SECONDS = 60.0
EVERY_MINUTE = range(60)
# A thin hour: what history costs shows best where the hour itself costs little.
TWO_POLLS = (29, 59)
EARLY, LATE = range(2, 7), range(55, 60)
PARTS = ("history", "minutes", "million", "plans")
MILLION_AIRCRAFT = 16_667  # times 60 polls
console = Console()


@dataclass(frozen=True)
class Bench:
    """The server, and a database of it with references and nothing else."""

    home: Path
    empty: Warehouse

    def builder(self, warehouse: Warehouse) -> Builder:
        """Return dbt on a warehouse."""
        return Builder(warehouse, self.home)


@contextmanager
def own_bench(aircraft: int) -> Iterator[Bench]:
    """Start a server with a database that has its references; stop it afterwards."""
    with tempfile.TemporaryDirectory(prefix="flight-assets-benchmark-") as home:
        Path(home).chmod(0o755)
        own = {"flight_assets_home": Path(home), "postgres_host": None}
        settings = Settings().model_copy(update=own)
        try:
            conninfo = make_conninfo(stack.up_postgres(settings), dbname="bench_empty")
            create_database_if_missing(conninfo)
            migrate(conninfo)
            bench = Bench(Path(home), Warehouse(conninfo, aircraft))
            with bench.empty.connect() as connection:
                begin = f"alter column slice_id restart with {FIRST_SLICE_ID}"
                connection.execute(f"alter table bronze.landed_slices {begin}".encode())
            bench.empty.fetch_references()
            bench.builder(bench.empty).build_references()
            yield bench
        finally:
            stack.down(settings)


def with_history(bench: Bench, hours: int) -> Warehouse:
    """Return a warehouse with the hours before the measured one landed and answered.

    What is more than a day is that day again, on the days before it.
    """
    begin = time.perf_counter()
    first_hours = min(hours, 24)
    copied_days = -(-(hours - first_hours) // 24)
    warehouse = bench.empty.clone(f"bench_history_{hours}")
    builder = bench.builder(warehouse)
    first = MEASURED_HOUR - first_hours * HOUR
    warehouse.land(first, first_hours * 60, with_rows=TWO_POLLS)
    builder.build(first, first_hours)
    warehouse.copy_days(copied_days, history_tables(builder))
    seconds = time.perf_counter() - begin
    console.print(f"{first_hours + copied_days * 24} hours of history in {seconds:.0f} s")
    return warehouse


def measure_history(short: Builder, long: Builder, *, runs: int) -> dict[str, Any]:
    """Rebuild the measured hour with little history and with much, in turns.

    Without autovacuum meanwhile: of small tables it would clean up after each build.
    """
    for builder in (short, long):
        builder.warehouse.land(MEASURED_HOUR, 60, with_rows=TWO_POLLS)
        builder.build(MEASURED_HOUR)  # for the first time: not what is compared
        with builder.warehouse.connect() as connection:
            connection.execute("alter system set autovacuum = off")
            connection.execute("select pg_reload_conf()")
            connection.execute("vacuum analyze")
    built = in_turns([short, long], MEASURED_HOUR, runs=runs)
    return compared(built[short.warehouse.name], built[long.warehouse.name])


def measure_minutes(bench: Bench, short: Warehouse, *, runs: int) -> dict[str, Any]:
    """Land and answer the polls of an hour's first minutes and of its last, in turns.

    Each poll is landed by the minute; the hour before has every poll, as the answers of the first
    minutes look back into it.
    """
    before = short.clone("bench_minutes_early")
    before.land(MEASURED_HOUR, 60, with_rows=EVERY_MINUTE)
    bench.builder(before).build(MEASURED_HOUR)
    late = bench.builder(before.clone("bench_minutes_late"))
    early = bench.builder(before)
    hour = MEASURED_HOUR + HOUR
    for builder, minutes in ((early, EARLY), (late, LATE)):
        builder.warehouse.land(hour, minutes.start, with_rows=EVERY_MINUTE)
        builder.build(hour, rebuild=False)
    built: dict[str, list[Built]] = {"early": [], "late": []}
    for pair in list(zip(EARLY, LATE, strict=True))[:runs]:
        for name, builder, minute in zip(("early", "late"), (early, late), pair, strict=True):
            builder.warehouse.land(hour + minute * MINUTE, 1, with_rows=EVERY_MINUTE)
            built[name].append(builder.build(hour, rebuild=False))
    return compared(built["early"], built["late"])


def measure_million(bench: Bench, short: Warehouse) -> dict[str, Any]:
    """Build everything, references included, for a hour of a million observations.

    In a process that has just started, and without a project parsed before.
    """
    full = Warehouse(short.clone("bench_million").conninfo, MILLION_AIRCRAFT)
    full.land(MEASURED_HOUR, 60, with_rows=EVERY_MINUTE)
    builder = bench.builder(full)
    fresh = multiprocessing.get_context("spawn")
    begin = time.perf_counter()
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        built = pool.submit(builder.build, MEASURED_HOUR, 1, ()).result()
    seconds = time.perf_counter() - begin
    full.drop()
    return {
        "observations": MILLION_AIRCRAFT * len(EVERY_MINUTE),
        "seconds": round(seconds, 2),
        "is_kept": seconds <= MOST_SECONDS,
        "steps": step_seconds([built]),
    }


def measure_plans(long: Builder) -> dict[str, Any]:
    """Explain every statement of a build, and name those that read history."""
    statements = long.build(MEASURED_HOUR).statements
    scans, broken = check(long.warehouse, MEASURED_HOUR, history_tables(long), statements)
    return {
        "scans": len(scans),
        "rows_of_raw_flights": max(
            scan.row_count for scan in scans if scan.table == "bronze.raw_flights"
        ),
        "is_kept": not broken,
        "broken": [vars(scan) for scan in broken],
    }


def compared(base: Sequence[Built], other: Sequence[Built]) -> dict[str, Any]:
    """Return the medians of two ways of building, their ratio, and both step by step."""
    seconds = [statistics.median(built.seconds for built in builds) for builds in (base, other)]
    at_work = [statistics.median(work_seconds(built) for built in way) for way in (base, other)]
    ratio = seconds[1] / seconds[0]
    of_other = step_seconds(other)
    return {
        "base_seconds": round(seconds[0], 3),
        "other_seconds": round(seconds[1], 3),
        "ratio": round(ratio, 3),
        "ratio_of_steps": round(at_work[1] / at_work[0], 3),
        "start_seconds": round(statistics.median(b.start_seconds for b in (*base, *other)), 3),
        "is_kept": ratio <= MOST_RATIO,
        "all_base_seconds": [round(built.seconds, 3) for built in base],
        "all_other_seconds": [round(built.seconds, 3) for built in other],
        "steps": {name: [took, of_other[name]] for name, took in step_seconds(base).items()},
    }


def work_seconds(built: Built) -> float:
    """Return the seconds of all models and tests of a build, without dbt around them."""
    return sum(step.seconds for step in built.steps)


def step_seconds(builds: Sequence[Built]) -> dict[str, float]:
    """Return the median seconds of each step, by kind and name."""
    took: dict[str, list[float]] = {}
    for built in builds:
        for step in built.steps:
            took.setdefault(f"{step.kind} {step.name}", []).append(step.seconds)
    return {name: round(statistics.median(seconds), 3) for name, seconds in took.items()}


def measure(parts: Sequence[str], *, aircraft: int, history: int, runs: int) -> dict[str, Any]:
    """Return the figures of the parts that are asked for."""
    figures: dict[str, Any] = {}
    with own_bench(aircraft) as bench:
        short = with_history(bench, 10)
        if "minutes" in parts:
            figures["minutes"] = measure_minutes(bench, short, runs=runs)
        if "million" in parts:
            figures["million"] = measure_million(bench, short)
        if "history" in parts or "plans" in parts:
            long = bench.builder(with_history(bench, history))
            figures["history"] = measure_history(bench.builder(short), long, runs=runs)
            if "plans" in parts:
                figures["plans"] = measure_plans(long)
    return figures


def show(figures: dict[str, Any]) -> None:
    """Print each figure beside its limit, then the steps of a rebuild that take longest."""
    table = Table(title="What an hour's answers cost")
    for name in ("", "base", "other", "figure", "limit"):
        table.add_column(name, justify="right" if name else "left")
    for part, text in (
        ("history", "an hour again: with 10 hours of history, with 500"),
        ("minutes", "one more poll: minutes 2 to 6, minutes 55 to 59"),
    ):
        if part in figures:
            of = figures[part]
            times = (f"{of['base_seconds']:.2f} s", f"{of['other_seconds']:.2f} s")
            table.add_row(text, *times, f"{of['ratio']:.2f}", f"{MOST_RATIO}")
    if "million" in figures:
        of = figures["million"]
        text = f"everything for {of['observations']:,} observations, dbt's start included"
        table.add_row(text, "", "", f"{of['seconds']:.1f} s", f"{MOST_SECONDS:.0f} s")
    if "plans" in figures:
        of = figures["plans"]
        text = f"scans that read history, of {of['scans']}"
        table.add_row(text, "", "", str(len(of["broken"])), "0")
    console.print(table)
    for scan in figures.get("plans", {}).get("broken", ()):
        console.print(
            f"{scan['node']} reads {scan['row_count']:,} rows of {scan['table']} ({scan['kind']})"
        )
    for part in ("history", "minutes"):
        show_steps(part, figures.get(part, {}).get("steps", {}))


def show_steps(part: str, steps: dict[str, list[float]], most: int = 12) -> None:
    """Print the steps of two builds that took longest, one line each."""
    slowest = sorted(steps.items(), key=lambda step: -max(step[1]))[:most]
    for name, (base, other) in slowest:
        console.print(f"{part}: {base:6.3f} s {other:6.3f} s  {name}", highlight=False)


def main() -> None:
    """Run the benchmark and write its figures to a file."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.modelling")
    parser.add_argument("--aircraft", type=int, default=12_000, help="in the sky at once")
    parser.add_argument("--history", type=int, default=500, help="hours, against 10 of them")
    parser.add_argument("--runs", type=int, default=5, help="of each build that is compared")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    figures = measure(
        arguments.parts,
        aircraft=arguments.aircraft,
        history=arguments.history,
        runs=arguments.runs,
    )
    show(figures)
    keep("modelling", {**figures, "aircraft": arguments.aircraft})
    if not all(figures[part]["is_kept"] for part in PARTS if part in figures):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
