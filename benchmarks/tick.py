"""Measure a tick of the landing sensor: with a long ledger, with and without something waiting.

``python -m benchmarks.tick`` starts a stack of its own and takes it away again. The ledger has
100,000 rows over 12 topic-partitions, each row with its messages in a real topic, as the sensor
compares both. A tick is what the daemon asks the code server for: resources opened, topics and
ledger compared, Dagster's runs looked at, everything closed. Beside each tick the same process
opens one connection to Postgres and asks ``select 1``, the least that a tick could cost. Ends with
1 where the limit is passed or a connection is left open.
"""

import argparse
import logging
import statistics
import time
import warnings
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import psutil
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from rich.console import Console
from rich.table import Table

from benchmarks.figures import keep, p95
from benchmarks.line import own_line
from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.core.polls import POLLS_TOPIC
from flight_assets.local.endpoints import Endpoints
from flight_assets.warehouse.connection import connect
from kafka_sensors.client import Reader

MOST_MS = 200.0
PARTITIONS = {POSITIONS_TOPIC: 11, POLLS_TOPIC: 1}
WAITING = 50  # messages of a partition
SENSOR = "raw_flights_landing_sensor"
LEDGER = """
insert into bronze.landed_slices (
    topic, topic_id, kafka_partition, start_offset, end_offset, log_hour, row_count, run_id
)
select
    %(topic)s, %(topic_id)s, %(partition)s, number, number + 1,
    %(first_hour)s + number * %(hours)s / %(rows)s * interval '1' hour, 1, 'benchmark'
from generate_series(0, %(rows)s - 1) as number
"""
OPEN = """
select count(*) from pg_stat_activity
where backend_type = 'client backend' and pid <> pg_backend_pid()
"""
console = Console()


def fill_topics(servers: str, *, rows: int) -> None:
    """Give each partition the messages that its part of the ledger says have landed, and more."""
    wanted = [NewTopic(topic, count, -1) for topic, count in PARTITIONS.items()]
    admin = AdminClient({"bootstrap.servers": servers})
    for made in admin.create_topics(wanted).values():
        made.result()
    producer = Producer({"bootstrap.servers": servers, "queue.buffering.max.messages": 500_000})
    for topic, partitions in PARTITIONS.items():
        for partition in range(partitions):
            for _ in range(rows + WAITING):
                producer.produce(topic, b"{}", partition=partition)
            producer.poll(0)
    if producer.flush(120):
        raise SystemExit("not every message was acknowledged; is the broker well?")


def fill_ledger(found: Endpoints, *, rows: int) -> None:
    """Write a chain of so many slices for each partition, the last of them of this hour."""
    hours = 24 * 30
    first_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    first_hour -= timedelta(hours=hours - 1)
    with connect(found.conninfo(), autocommit=True) as connection:
        for topic, partitions in PARTITIONS.items():
            with Reader(found.kafka_bootstrap_servers, topic) as reader:
                topic_id = reader.topic_id()
            for partition in range(partitions):
                asked = {"topic": topic, "topic_id": topic_id, "partition": partition}
                hourly = {"rows": rows, "hours": hours, "first_hour": first_hour}
                connection.execute(LEDGER, {**asked, **hourly})
        connection.execute("analyze bronze.landed_slices")


def nothing_waits(found: Endpoints) -> None:
    """Let the ledger say that what waits has landed as well."""
    with connect(found.conninfo(), autocommit=True) as connection:
        connection.execute(
            "update bronze.landed_slices set end_offset = end_offset + %s where (topic, "
            "kafka_partition, start_offset) in (select topic, kafka_partition, max(start_offset) "
            "from bronze.landed_slices group by topic, kafka_partition)",
            [WAITING],
        )


def tick(instance: dg.DagsterInstance) -> Any:
    """Evaluate the sensor once, on resources of its own."""
    from flight_assets.definitions import defs
    from flight_assets.resources import resources

    context = dg.build_sensor_context(
        instance=instance, resources=dict(resources()), sensor_name=SENSOR
    )
    return defs.resolve_sensor_def(SENSOR).evaluate_tick(context)


def least(found: Endpoints) -> float:
    """Return the milliseconds of one connection to Postgres with one question."""
    begin = time.perf_counter()
    with connect(found.conninfo()) as connection:
        connection.execute("select 1").fetchone()
    return (time.perf_counter() - begin) * 1000


def timed(found: Endpoints, *, ticks: int, asks: bool) -> dict[str, Any]:
    """Return the milliseconds of so many ticks, each of which must ask for a run, or for none."""
    with dg.DagsterInstance.get() as instance:
        tick(instance)  # the first one imports
        took, baseline = [], []
        for _ in range(ticks):
            begin = time.perf_counter()
            requested = tick(instance).run_requests
            took.append((time.perf_counter() - begin) * 1000)
            if bool(requested) != asks:
                raise SystemExit(f"the tick asked for {requested}, not as it should")
            baseline.append(least(found))
    most = p95(took)
    return {
        "ticks": ticks,
        "median_ms": round(statistics.median(took), 1),
        "p95_ms": round(most, 1),
        "slowest_ms": round(max(took), 1),
        "connection_ms": round(statistics.median(baseline), 1),
        "is_kept": most <= MOST_MS,
    }


def connections(found: Endpoints) -> dict[str, int]:
    """Return how many connections this process has open, and how many Postgres counts."""
    with connect(found.conninfo(), autocommit=True) as connection:
        row = connection.execute(OPEN).fetchone()
    sockets = [s for s in psutil.Process().net_connections("tcp") if s.status == "ESTABLISHED"]
    return {"postgres": int(row[0]) if row else 0, "sockets": len(sockets)}


def measure(*, ledger_rows: int, ticks: int) -> dict[str, Any]:
    """Return the figures of both kinds of tick, and the connections before and after."""
    rows = ledger_rows // sum(PARTITIONS.values())
    with own_line() as found:
        fill_topics(found.kafka_bootstrap_servers, rows=rows)
        fill_ledger(found, rows=rows)
        waiting = timed(found, ticks=ticks, asks=True)
        before = connections(found)
        nothing_waits(found)
        idle = timed(found, ticks=ticks, asks=False)
        time.sleep(2)  # librdkafka lets go of a socket a moment after its client is closed
        after = connections(found)
    return {
        "ledger_rows": rows * sum(PARTITIONS.values()),
        "topic_partitions": sum(PARTITIONS.values()),
        "waiting": waiting,
        "idle": idle,
        "connections_before": before,
        "connections_after": after,
        "all_closed": all(after[name] <= before[name] for name in before),
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures as a table."""
    table = Table(
        title=f"A tick, {figures['ledger_rows']:,} ledger rows, "
        f"{figures['topic_partitions']} topic-partitions"
    )
    for name in ("", "median", "p95", "slowest", "limit of p95", "one connection"):
        table.add_column(name, justify="right" if name else "left")
    for kind, text in (("waiting", "something waits"), ("idle", "nothing waits")):
        of = figures[kind]
        times = (f"{of[name]:.0f} ms" for name in ("median_ms", "p95_ms", "slowest_ms"))
        table.add_row(text, *times, f"{MOST_MS:.0f} ms", f"{of['connection_ms']:.1f} ms")
    console.print(table)
    console.print(
        f"Connections before {figures['idle']['ticks']} ticks: {figures['connections_before']}, "
        f"after: {figures['connections_after']}"
    )


def main() -> None:
    """Run the benchmark and write its figures to a file."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.tick")
    parser.add_argument("--ledger-rows", type=int, default=100_000)
    parser.add_argument("--ticks", type=int, default=100, help="of each kind")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of Dagster's own beta parameters
    logging.disable(logging.INFO)  # each tick says what waits
    figures = measure(ledger_rows=arguments.ledger_rows, ticks=arguments.ticks)
    show(figures)
    keep("tick", figures)
    is_kept = figures["waiting"]["is_kept"] and figures["idle"]["is_kept"]
    if not (is_kept and figures["all_closed"]):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
