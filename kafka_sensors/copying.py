"""Append rows by binary COPY: records of Python, and rows that have its form already."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from psycopg import sql
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.copy import LibpqWriter
from psycopg.pq import Format

from kafka_sensors.columns import POSTGRES_EPOCH_S, microseconds
from kafka_sensors.day_tables import Connection, name
from kafka_sensors.decoding import Row
from kafka_sensors.plain import PlainRows

# What stands before and behind the rows of a binary COPY: its documentation has them.
COPY_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"


class Instant:
    """What ``InstantDumper`` is registered for; its values are Unix seconds or datetimes."""


class BinaryInstants(dict[Any, bytes]):
    """The binary forms of Unix seconds and of datetimes with their zone, each made once."""

    _pack = struct.Struct("!q").pack

    def __missing__(self, at: Any) -> bytes:
        """Make one, and keep it."""
        of_s = isinstance(at, int)
        made = self._pack((at - POSTGRES_EPOCH_S) * 1_000_000 if of_s else microseconds(at))
        self[at] = made
        return made


class InstantDumper(Dumper):
    """Writes a timestamptz as Postgres keeps it: microseconds since 2000.

    By a lookup, as the rows of a slice have few instants: for none of them does psycopg call Python
    then, which would take as long as half of the other columns together.
    """

    oid = psycopg.postgres.types["timestamptz"].oid
    format = Format.BINARY

    def __init__(self, cls: type, context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)
        self._binary = BinaryInstants()
        self.dump = self._binary.__getitem__  # type: ignore[assignment, method-assign]

    def dump(self, obj: Any) -> bytes:
        """Return the binary form of Unix seconds, or of a datetime with its zone."""
        return self._binary[obj]


class BlockWriter(LibpqWriter):
    """Sends larger blocks than psycopg does: each is a wait for the socket and the interpreter."""

    BLOCK_BYTES = 256 * 1024

    def __init__(self, cursor: "psycopg.Cursor[Any]") -> None:
        super().__init__(cursor)
        self._held = bytearray()

    def write(self, data: Buffer) -> None:
        """Take data, and send what is held when it is a block."""
        self._held += data
        if len(self._held) >= self.BLOCK_BYTES:
            self._send()

    def finish(self, exc: BaseException | None = None) -> None:
        """Send the rest, unless the copy failed, and end it."""
        if exc is None:
            self._send()
        super().finish(exc)

    def _send(self) -> None:
        super().write(bytes(self._held))
        self._held.clear()


def copy(
    connection: Connection,
    table: str,
    columns: dict[str, str],
    prefix: Row,
    rows: Iterable[tuple[int, Row]],
) -> None:
    """Append rows by binary COPY, each of them after ``prefix`` and its offset."""
    with connection.cursor() as cursor:
        cursor.adapters.register_dumper(Instant, InstantDumper)
        writer = BlockWriter(cursor)
        with cursor.copy(copy_statement(table, columns), writer=writer) as copying:
            copying.set_types(list(columns.values()))
            # what `copying.write_row` does, without a call of Python for each row
            form_of = copying.formatter.write_row
            for offset, row in rows:
                if full := form_of((*prefix, offset, *row)):
                    writer.write(full)


def copy_plain(
    connection: Connection,
    table: str,
    columns: Iterable[str],
    slice_id: int,
    plain: Sequence[PlainRows],
) -> None:
    """Append rows that are in COPY's form already, as those of a slice."""
    with connection.cursor() as cursor:
        writer = BlockWriter(cursor)
        with cursor.copy(copy_statement(table, columns), writer=writer) as copying:
            copying.write(COPY_BEGIN)
            for rows in plain:
                copying.write(rows.of_slice(slice_id))
            copying.write(COPY_END)


def copy_statement(table: str, columns: Iterable[str]) -> sql.Composed:
    """Return the COPY into columns of a table."""
    return sql.SQL("copy {} ({}) from stdin (format binary)").format(
        name(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
