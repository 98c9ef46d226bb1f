"""Measure landing, beside the most that Postgres could take and beside one INSERT per message.

``python -m benchmarks.landing --messages 1000000`` starts a Postgres and a Kafka of its own, or
uses those that ``POSTGRES_*`` and ``KAFKA_BOOTSTRAP_SERVERS`` name. All three ways write the same
rows of the real contract into the same table with the same indexes; landing and COPY take turns and
their medians are compared.
"""

import argparse
import json
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from psycopg import sql
from psycopg.conninfo import make_conninfo
from rich.console import Console
from rich.table import Table

from benchmarks.landing_ways import (
    HOUR,
    Landed,
    copy_prepared_rows,
    insert_each,
    land,
    save_rows,
)
from flight_assets.core.observations import Observation, encode
from flight_assets.local import stack
from flight_assets.local.endpoints import Endpoints
from flight_assets.settings import PROJECT_ROOT, Settings
from flight_assets.warehouse.migrate import create_database_if_missing, migrate

PARTITIONS = 6
AIRCRAFT = 12_000
POLL_S = 60
console = Console()


@dataclass(frozen=True)
class Place:
    """Where the benchmark works: a database and a topic of its own."""

    bootstrap_servers: str
    conninfo: str
    topic: str


@contextmanager
def own_place() -> Iterator[Place]:
    """Give a fresh database and a fresh topic; take both away afterwards, and what was started."""
    with tempfile.TemporaryDirectory(prefix="flight-assets-benchmark-") as home:
        Path(home).chmod(0o755)
        settings = Settings().model_copy(update={"flight_assets_home": Path(home)})
        try:
            yield from place_on(stack.up(settings, say=console.print), settings)
        finally:
            stack.down(settings)


def place_on(found: Endpoints, settings: Settings) -> Iterator[Place]:
    """Yield a database and a topic on servers that are up; drop them afterwards."""
    name = f"benchmark_{int(time.time())}"
    server = make_conninfo(
        host=found.postgres_host,
        port=found.postgres_port,
        user=found.postgres_user,
        password=found.postgres_password,
    )
    place = Place(found.kafka_bootstrap_servers, make_conninfo(server, dbname=name), name)
    admin = AdminClient({"bootstrap.servers": place.bootstrap_servers})
    create_database_if_missing(place.conninfo)
    migrate(place.conninfo)
    admin.create_topics([NewTopic(name, PARTITIONS, -1)])[name].result()
    try:
        yield place
    finally:
        admin.delete_topics([name])[name].result()
        admin_conninfo = make_conninfo(server, dbname=settings.postgres_db)
        with psycopg.connect(admin_conninfo, autocommit=True) as connection:
            drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            connection.execute(drop)


def observations(count: int) -> Iterator[tuple[str, bytes]]:
    """Yield flight ids and messages as polls of one sky would publish them, within one hour."""
    chance = random.Random(1)
    start_s = int(HOUR.timestamp())
    for number in range(count):
        poll, aircraft = divmod(number, AIRCRAFT)
        poll_at_s = start_s + poll * POLL_S % 3600
        flight_id = f"{0x3A000000 + aircraft:08x}"
        yield (
            flight_id,
            encode(
                Observation(
                    poll_id=f"{datetime.fromtimestamp(poll_at_s, UTC):%Y%m%dT%H%M%SZ}-{poll:04x}",
                    tile_id=f"{aircraft % 64:03o}",
                    flight_id=flight_id,
                    observed_at=poll_at_s - chance.randrange(10),
                    lat_deg=round(chance.uniform(-60, 75), 4),
                    lon_deg=round(chance.uniform(-180, 180), 4),
                    heading_deg=chance.randrange(360),
                    altitude_ft=chance.randrange(0, 43_000, 25),
                    ground_speed_kt=chance.randrange(560),
                    vertical_speed_fpm=chance.randrange(-2_000, 2_000, 64),
                    is_on_ground=aircraft % 11 == 0,
                    icao24=f"{0x400000 + aircraft:06X}",
                    callsign=f"EIN{aircraft % 1000}",
                    flight_number=f"EI{aircraft % 1000}" if aircraft % 6 else None,
                    registration=f"EI-{aircraft % 999:03d}",
                    type_code=("A320", "B738", "A21N", "B77W")[aircraft % 4],
                    airline_icao="EIN" if aircraft % 6 else None,
                    origin_iata="DUB" if aircraft % 8 else None,
                    destination_iata="JFK" if aircraft % 6 else None,
                    squawk="2215",
                )
            ),
        )


def publish(place: Place, count: int) -> tuple[float, int]:
    """Publish the messages as the project's producer does; return messages/s and their bytes."""
    producer = Producer(
        {
            "bootstrap.servers": place.bootstrap_servers,
            "enable.idempotence": True,
            "compression.type": "zstd",
            "linger.ms": 20,
            "queue.buffering.max.messages": 500_000,
        }
    )
    begin, size = time.perf_counter(), 0
    for number, (key, value) in enumerate(observations(count)):
        size += len(value)
        producer.produce(place.topic, value, key, timestamp=int(HOUR.timestamp()) * 1000)
        if number % 1_000 == 0:
            producer.poll(0)
    if producer.flush(120):
        raise SystemExit("not every message was acknowledged; is the broker well?")
    return count / (time.perf_counter() - begin), size


def in_own_process(place: Place) -> Landed:
    """Land everything in a fresh process, as a run does; its memory is its own."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(land, place.bootstrap_servers, place.conninfo, place.topic).result()


def empty(place: Place) -> None:
    """Forget everything that has landed."""
    with psycopg.connect(place.conninfo, autocommit=True) as connection:
        connection.execute("truncate bronze.raw_flights, bronze.landed_slices cascade")
        connection.execute("checkpoint")


def measure(place: Place, *, messages: int, inserts: int, runs: int) -> dict[str, object]:
    """Return the figures of all three ways."""
    published_per_s, size = publish(place, messages)
    landings, copies = [], []
    with tempfile.TemporaryDirectory() as directory:
        rows = Path(directory) / "rows"
        for run in range(runs):
            empty(place)
            landings.append(in_own_process(place))
            if landings[-1].rows != messages:
                raise SystemExit(f"landed {landings[-1].rows} of {messages} messages")
            if run == 0:
                save_rows(place.conninfo, rows)
            empty(place)
            copies.append(copy_prepared_rows(place.conninfo, rows))
    empty(place)
    inserted_per_s = insert_each(place.bootstrap_servers, place.conninfo, place.topic, inserts)
    landed_per_s = statistics.median(each.rows_per_s for each in landings)
    copied_per_s = statistics.median(copies)
    return {
        "messages": messages,
        "bytes_per_message": round(size / messages),
        "published_per_s": round(published_per_s),
        "landed_per_s": round(landed_per_s),
        "raw_copy_per_s": round(copied_per_s),
        "insert_per_s": round(inserted_per_s),
        "insert_sample": inserts,
        "landing_of_raw_copy": round(landed_per_s / copied_per_s, 2),
        "landing_over_insert": round(landed_per_s / inserted_per_s, 1),
        "peak_memory_mib": round(max(each.peak_bytes for each in landings) / 2**20),
        "cpu_us_per_message": round(
            statistics.median(each.cpu_seconds for each in landings) / messages * 1e6, 1
        ),
        "landings": [asdict(each) for each in landings],
        "raw_copies_per_s": [round(each) for each in copies],
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def show(figures: dict[str, object]) -> None:
    """Print the figures as a table."""
    table = Table(title=f"{figures['messages']:,} messages of {figures['bytes_per_message']} bytes")
    table.add_column("way")
    table.add_column("rows/s", justify="right")
    table.add_row("landing: broker to committed rows", f"{figures['landed_per_s']:,}")
    table.add_row("binary COPY of prepared rows (the limit)", f"{figures['raw_copy_per_s']:,}")
    sample = f"one INSERT per message, each committed ({figures['insert_sample']:,} of them)"
    table.add_row(sample, f"{figures['insert_per_s']:,}")
    console.print(table)
    console.print(
        f"Landing is {figures['landing_of_raw_copy']:.0%} of the limit and "
        f"{figures['landing_over_insert']} times one INSERT per message; its process took "
        f"{figures['peak_memory_mib']} MiB and {figures['cpu_us_per_message']} µs of CPU a message."
    )


def main() -> None:
    """Run the benchmark and write its figures to a file."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.landing")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--inserts", type=int, default=20_000, help="sample of the slow way")
    parser.add_argument("--runs", type=int, default=3, help="of landing and of COPY, in turns")
    arguments = parser.parse_args()
    with own_place() as place:
        figures = measure(
            place,
            messages=arguments.messages,
            inserts=min(arguments.inserts, arguments.messages),
            runs=arguments.runs,
        )
    show(figures)
    results = PROJECT_ROOT / ".flight-assets" / "benchmarks" / "landing.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(figures, indent=2) + "\n")
    console.print(f"Figures: {results}")


if __name__ == "__main__":
    main()
