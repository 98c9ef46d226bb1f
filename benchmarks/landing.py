"""Measure landing, beside the most that Postgres could take and beside what people write first.

``python -m benchmarks.landing --messages 2000000`` starts a Postgres and a Kafka of its own, or
uses those that ``POSTGRES_*`` and ``KAFKA_BOOTSTRAP_SERVERS`` name. All ways write the same rows of
the real contract into the same table with the same indexes: landing, COPY of the raw bytes of the
same rows (the limit), COPY of rows that are ready in the process, ``executemany`` by psycopg2,
which waits for each row, and by psycopg 3, which does not, and one INSERT per message. Landing and
raw bytes take turns and their medians are compared; of the slow ways a sample is timed. Ends with 1
where a limit is missed.

``--only-landing`` times landing alone, for a backlog that fills the disk once: its memory must not
grow with what waits.
"""

import argparse
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from psycopg import sql
from psycopg.conninfo import make_conninfo
from rich.console import Console
from rich.table import Table

from benchmarks.figures import keep
from benchmarks.landing_ways import (
    HOUR,
    Landed,
    copy_each,
    copy_raw_bytes,
    execute_many,
    execute_many_by_psycopg2,
    insert_each,
    land,
    prepared_rows,
    save_rows,
)
from flight_assets.core.observations import Observation, encode
from flight_assets.local import stack
from flight_assets.local.endpoints import Endpoints
from flight_assets.settings import Settings
from flight_assets.warehouse.migrate import create_database_if_missing, migrate

MOST_MIB = 500
PARTITIONS = 6
AIRCRAFT = 12_000
POLL_S = 60
EACH_SAMPLE = 20_000  # each is committed by itself
console = Console()

Figures = dict[str, Any]


@dataclass(frozen=True)
class Way:
    """Another way than landing, whose figure is ``NAME_per_s``."""

    name: str
    words: str
    ratio: str = ""  # the figure of how many times as fast landing is
    least: float = 0  # that it must be


WAYS = (
    Way("raw_copy", "binary COPY of raw bytes", "landing_of_raw_copy", 0.7),
    Way("prepared_copy", "binary COPY of prepared rows"),
    Way("executemany", "executemany, psycopg2", "landing_over_executemany", 10),
    Way("pipelined_executemany", "executemany, psycopg 3: pipelined", "landing_over_pipelined"),
    Way("insert", "one INSERT per message, each committed", "landing_over_insert"),
)
WITH_RATIO = [way for way in WAYS if way.ratio]


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


def landed_once(place: Place, messages: int) -> Landed:
    """Land everything into an empty table; raises ``SystemExit`` where a message is missing."""
    empty(place)
    landed = in_own_process(place)
    if landed.rows != messages:
        raise SystemExit(f"landed {landed.rows} of {messages} messages")
    return landed


def measure_ways(place: Place, *, messages: int, sample: int, runs: int) -> Figures:
    """Return the figures of all ways."""
    landings, copies = [], []
    with tempfile.TemporaryDirectory() as directory:
        binary = Path(directory) / "rows"
        for run in range(runs):
            landings.append(landed_once(place, messages))
            if run == 0:
                save_rows(place.conninfo, binary)
            empty(place)
            copies.append(copy_raw_bytes(place.conninfo, binary))
    rows = prepared_rows(place.bootstrap_servers, place.topic, sample)
    rates = {"raw_copy": statistics.median(copies)}
    for name, way in (
        ("prepared_copy", copy_each),
        ("executemany", execute_many_by_psycopg2),
        ("pipelined_executemany", execute_many),
    ):
        empty(place)
        rates[name] = way(place.conninfo, rows)
    empty(place)
    each = min(sample, EACH_SAMPLE)
    rates["insert"] = insert_each(place.bootstrap_servers, place.conninfo, place.topic, each)
    landed_per_s = statistics.median(landed.rows_per_s for landed in landings)
    ratios = {way.ratio: landed_per_s / rates[way.name] for way in WITH_RATIO}
    return {
        **of_landings(landings),
        **{f"{name}_per_s": round(rate) for name, rate in rates.items()},
        **{name: round(ratio, 3) for name, ratio in ratios.items()},
        "samples": {"prepared": len(rows), "executemany": len(rows), "insert": each},
        "raw_copies_per_s": [round(rate) for rate in copies],
        "is_fast": all(ratios[way.ratio] >= way.least for way in WITH_RATIO),
    }


def of_landings(landings: Sequence[Landed]) -> Figures:
    """Return the figures of landing alone."""
    peak_mib = max(landed.peak_bytes for landed in landings) / 2**20
    cpu_s = statistics.median(landed.cpu_seconds / landed.rows for landed in landings)
    return {
        "landed_per_s": round(statistics.median(landed.rows_per_s for landed in landings)),
        "peak_memory_mib": round(peak_mib),
        "is_small": peak_mib <= MOST_MIB,
        "cpu_us_per_message": round(cpu_s * 1e6, 1),
        "landings": [asdict(landed) for landed in landings],
    }


def measure(place: Place, *, messages: int, sample: int, runs: int, only_landing: bool) -> Figures:
    """Return the figures of what is asked for, with what the messages are."""
    published_per_s, size = publish(place, messages)
    figures = (
        of_landings([landed_once(place, messages) for _ in range(runs)])
        if only_landing
        else measure_ways(place, messages=messages, sample=sample, runs=runs)
    )
    return {
        "messages": messages,
        "bytes_per_message": round(size / messages),
        "published_per_s": round(published_per_s),
        **figures,
    }


def show(figures: Figures) -> None:
    """Print the figures as a table."""
    table = Table(title=f"{figures['messages']:,} messages of {figures['bytes_per_message']} bytes")
    for name in ("way", "rows/s", "landing is", "limit"):
        table.add_column(name, justify="left" if name == "way" else "right")
    table.add_row("landing: broker to committed rows", f"{figures['landed_per_s']:,}", "", "")
    samples = figures.get("samples", {})
    for way in WAYS if samples else ():
        table.add_row(
            way.words,
            f"{figures[f'{way.name}_per_s']:,}",
            f"{figures[way.ratio]:.3g} times it" if way.ratio else "",
            f"{way.least:g} times it" if way.least else "",
        )
    console.print(table)
    console.print(
        f"Its process took {figures['peak_memory_mib']} MiB (limit {MOST_MIB}) and "
        f"{figures['cpu_us_per_message']} µs of CPU a message. Samples of the slow ways: {samples}"
    )


def main() -> None:
    """Run the benchmark and write its figures to a file."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.landing")
    parser.add_argument("--messages", type=int, default=2_000_000)
    parser.add_argument("--sample", type=int, default=100_000, help="messages of the slow ways")
    parser.add_argument("--runs", type=int, default=3, help="of landing and of COPY, in turns")
    parser.add_argument("--only-landing", action="store_true", help="no other way beside it")
    arguments = parser.parse_args()
    with own_place() as place:
        figures = measure(
            place,
            messages=arguments.messages,
            sample=min(arguments.sample, arguments.messages),
            runs=arguments.runs,
            only_landing=arguments.only_landing,
        )
    show(figures)
    keep(f"landing{'_alone' if arguments.only_landing else ''}", figures)
    if not (figures.get("is_fast", True) and figures["is_small"]):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
