"""The ways into ``bronze.raw_flights`` that ``benchmarks.landing`` compares."""

import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import psycopg2
from psycopg import sql

from flight_assets.assets.raw_flights import RAW_FLIGHTS
from kafka_sensors.client import Reader
from kafka_sensors.decoding import Row
from kafka_sensors.landing import Limits, land_waiting
from kafka_sensors.messages import Message
from kafka_sensors.offsets import OffsetRange
from kafka_sensors.tables import LANDING_COLUMNS

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


def copy_raw_bytes(conninfo: str, path: Path) -> float:
    """Copy a file of binary rows as it is, in one transaction; return rows/s.

    The most that Postgres takes: nothing is read from a broker, decoded or encoded.
    """
    begin = time.perf_counter()
    with psycopg.connect(conninfo) as connection, path.open("rb") as file:
        cursor = connection.cursor()
        with cursor.copy("copy bronze.raw_flights from stdin (format binary)") as rows:
            while block := file.read(BLOCK):
                rows.write(block)
        connection.commit()
        return cursor.rowcount / (time.perf_counter() - begin)


def insert_statement() -> bytes:
    """Return the INSERT of one row, as parameters."""
    columns = ["log_hour", "slice_id", "kafka_partition", "kafka_offset", *RAW_FLIGHTS.columns]
    marks = ", ".join(["%s"] * len(columns))
    return f"insert into bronze.raw_flights ({', '.join(columns)}) values ({marks})".encode()


def messages(reader: Reader, count: int) -> Iterator[tuple[int, Message]]:
    """Yield the first messages of the topic, partition after partition, with their partition."""
    yielded = 0
    for partition in reader.partitions():
        end = min(reader.watermarks(partition).high, count - yielded)
        for chunk in reader.read(partition, OffsetRange(0, end)):
            for message in chunk:
                yielded += 1
                yield partition, message


def row_of(partition: int, message: Message) -> Row:
    """Return a message as the row that it lands as, its instant a datetime."""
    row = list(RAW_FLIGHTS.row(RAW_FLIGHTS.decode(message.value() or b"")))
    row[TIMESTAMP_AT] = datetime.fromtimestamp(row[TIMESTAMP_AT], UTC)
    return (HOUR, 0, partition, message.offset(), *row)


def prepared_rows(bootstrap_servers: str, topic: str, count: int) -> list[Row]:
    """Return the rows of the first messages."""
    with Reader(bootstrap_servers, topic) as reader:
        return [row_of(partition, message) for partition, message in messages(reader, count)]


def copy_each(conninfo: str, rows: Sequence[Row]) -> float:
    """Copy rows that are ready in this process, one transaction, by psycopg alone; return rows/s.

    What any landing in Python pays that does not decode: each value becomes its binary form.
    """
    columns = {**LANDING_COLUMNS, "log_hour": "timestamptz", **RAW_FLIGHTS.columns}
    copy = sql.SQL("copy bronze.raw_flights ({}) from stdin (format binary)").format(
        sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    begin = time.perf_counter()
    with psycopg.connect(conninfo) as connection:
        with connection.cursor().copy(copy) as copying:
            copying.set_types(list(columns.values()))
            for row in rows:
                copying.write_row(row)
        connection.commit()
    return len(rows) / (time.perf_counter() - begin)


def execute_many(conninfo: str, rows: Sequence[Row]) -> float:
    """INSERT rows that are ready, by ``executemany`` in batches of a slice each; return rows/s.

    psycopg sends a batch in pipeline mode, without waiting for each row.
    """
    with psycopg.connect(conninfo) as connection:
        return in_batches(connection, rows)


def execute_many_by_psycopg2(conninfo: str, rows: Sequence[Row]) -> float:
    """Do the same by psycopg2, which waits for each row; return rows/s."""
    with closing(psycopg2.connect(conninfo)) as connection:
        return in_batches(connection, rows)


def in_batches(connection: Any, rows: Sequence[Row]) -> float:
    """INSERT the rows over a connection of either driver, a commit for each slice's worth."""
    begin = time.perf_counter()
    with connection.cursor() as cursor:
        for start in range(0, len(rows), Limits().messages):
            cursor.executemany(insert_statement(), rows[start : start + Limits().messages])
            connection.commit()
    return len(rows) / (time.perf_counter() - begin)


def insert_each(bootstrap_servers: str, conninfo: str, topic: str, count: int) -> float:
    """Decode and INSERT the first messages one by one, each committed; return rows/s."""
    inserted, begin = 0, time.perf_counter()
    with (
        Reader(bootstrap_servers, topic) as reader,
        psycopg.connect(conninfo, autocommit=True) as connection,
    ):
        for partition, message in messages(reader, count):
            connection.execute(insert_statement(), row_of(partition, message))
            inserted += 1
    return inserted / (time.perf_counter() - begin)
