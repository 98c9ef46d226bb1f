"""The three ways into ``bronze.raw_flights`` that ``benchmarks.landing`` compares."""

import resource
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from flight_assets.assets.raw_flights import RAW_FLIGHTS
from kafka_sensors.client import Reader
from kafka_sensors.landing import land_waiting
from kafka_sensors.offsets import OffsetRange

HOUR = datetime(2025, 7, 20, 8, tzinfo=UTC)
BLOCK = 2**20
TIMESTAMP_AT = list(RAW_FLIGHTS.columns).index("observed_at")


@dataclass(frozen=True)
class Landed:
    """One landing of everything."""

    rows: int
    seconds: float
    rows_per_s: float
    cpu_seconds: float  # of all threads of the landing process
    peak_bytes: int


def land(bootstrap_servers: str, conninfo: str, topic: str) -> Landed:
    """Land the topic: connections, reading, rows, ledger and commits are all within the time."""
    begin, cpu_begin = time.perf_counter(), time.process_time()
    with Reader(bootstrap_servers, topic) as reader, psycopg.connect(conninfo) as connection:
        hours = land_waiting(
            replace(RAW_FLIGHTS, topic=topic),
            reader,
            connection,
            first_hour=HOUR,
            last_hour=HOUR,
            now=datetime.now(UTC),
            run_id="benchmark",
        )
    seconds = time.perf_counter() - begin
    rows = sum(hour.row_count for hour in hours)
    cpu_seconds = time.process_time() - cpu_begin
    return Landed(rows, seconds, rows / seconds, cpu_seconds, peak_bytes())


def peak_bytes() -> int:
    """Return the most memory that this process had resident."""
    status = Path("/proc/self/status")
    if status.exists():  # rusage counts what the parent had, too
        line = next(line for line in status.read_text().splitlines() if "VmHWM" in line)
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def save_rows(conninfo: str, path: Path) -> None:
    """Write what has landed to a file, in the binary form of COPY."""
    copy = "copy (select * from bronze.raw_flights) to stdout (format binary)"
    with (
        psycopg.connect(conninfo) as connection,
        connection.cursor().copy(copy) as rows,
        path.open("wb") as file,
    ):
        for block in rows:
            file.write(block)


def copy_prepared_rows(conninfo: str, path: Path) -> float:
    """Copy a file of rows into the table in one transaction; return rows/s."""
    begin = time.perf_counter()
    with psycopg.connect(conninfo) as connection, path.open("rb") as file:
        cursor = connection.cursor()
        with cursor.copy("copy bronze.raw_flights from stdin (format binary)") as rows:
            while block := file.read(BLOCK):
                rows.write(block)
        connection.commit()
        return cursor.rowcount / (time.perf_counter() - begin)


def insert_each(bootstrap_servers: str, conninfo: str, topic: str, count: int) -> float:
    """Decode and INSERT the first messages one by one, each committed; return rows/s."""
    columns = ["log_hour", "slice_id", "kafka_partition", "kafka_offset", *RAW_FLIGHTS.columns]
    insert = sql.SQL("insert into bronze.raw_flights ({}) values ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
    )
    inserted, begin = 0, time.perf_counter()
    with (
        Reader(bootstrap_servers, topic) as reader,
        psycopg.connect(conninfo, autocommit=True) as connection,
    ):
        for partition in reader.partitions():
            end = reader.watermarks(partition).high
            for chunk in reader.read(partition, OffsetRange(0, end)):
                for message in chunk[: count - inserted]:
                    row = list(RAW_FLIGHTS.row(RAW_FLIGHTS.decode(message.value() or b"")))
                    row[TIMESTAMP_AT] = datetime.fromtimestamp(row[TIMESTAMP_AT], UTC)
                    connection.execute(insert, [HOUR, 0, partition, message.offset(), *row])
                    inserted += 1
                if inserted >= count:
                    return inserted / (time.perf_counter() - begin)
    return inserted / (time.perf_counter() - begin)
