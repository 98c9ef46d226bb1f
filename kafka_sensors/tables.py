"""Write rows and rejected messages into their day's partition. Knows tables, not the ledger."""

import struct
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Dumper
from psycopg.copy import LibpqWriter
from psycopg.pq import Format
from psycopg.types.json import Jsonb

from kafka_sensors.decoding import Prepared, Rejected, Row, prepare_records
from kafka_sensors.messages import Message
from kafka_sensors.offsets import OffsetRange, message_at
from kafka_sensors.plain import PlainRows, microseconds
from kafka_sensors.target import Target

Connection = psycopg.Connection[Any]

DAY = timedelta(days=1)
POSTGRES_EPOCH_S = 946_684_800
LANDING_COLUMNS = {
    "log_hour": "int8",  # a timestamptz travels as the microseconds it is made of
    "slice_id": "int8",
    "kafka_partition": "int4",
    "kafka_offset": "int8",
}
REJECTED_COLUMNS = {
    "topic": "text",
    "message_at": "timestamptz",
    "key": "bytea",
    "value": "bytea",
    "headers": "jsonb",
    "reason": "text",
    "detail": "text",
}
# What stands before and behind the rows of a binary COPY: its documentation has them.
COPY_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
# What one row can do wrong. Anything else is no fault of a message and fails the slice.
ROW_FAULTS = (errors.DataError, errors.NotNullViolation)


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


def name(table: str) -> sql.Identifier:
    """Return ``schema.table`` as an identifier."""
    return sql.Identifier(*table.split("."))


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


def copy_prepared(
    connection: Connection, target: Target, prepared: Prepared, *, slice_id: int
) -> Prepared:
    """Append the rows of a slice and what it rejects.

    Return it with the messages that Postgres refused as rejected.
    """
    stored = copy_rows(connection, target, prepared, slice_id=slice_id)
    prefix = landing_prefix(stored, slice_id)
    copy_rejected(connection, target, stored.rejected, prefix)
    return stored


def landing_prefix(prepared: Prepared, slice_id: int) -> Row:
    """Return what the rows of a slice begin with: ``LANDING_COLUMNS`` without the offset."""
    batch = prepared.batch
    return (microseconds(batch.log_hour), slice_id, batch.partition)


def copy_rows(
    connection: Connection, target: Target, prepared: Prepared, *, slice_id: int
) -> Prepared:
    """Append the rows of a slice alone; return it as ``copy_prepared`` does."""
    columns = {**LANDING_COLUMNS, **target.columns}
    prefix = landing_prefix(prepared, slice_id)

    def append(at: Sequence[int]) -> None:
        offsets, rows = prepared.offsets, prepared.rows
        if len(at) < len(rows):
            offsets, rows = [offsets[index] for index in at], [rows[index] for index in at]
        copy(connection, target.table, columns, prefix, zip(offsets, rows, strict=True))

    if prepared.plain:
        try:
            with connection.transaction():
                copy_plain(connection, target.table, columns, slice_id, prepared.plain)
                if prepared.rows:
                    append(range(len(prepared.rows)))
        except ROW_FAULTS:  # the long way finds out which message it is
            prepared = prepare_records(prepared.batch, prepared.batch.messages, target)
        else:
            return prepared
    refused = refused_rows(connection, append, prepared.rows, range(len(prepared.rows)))
    if not refused:
        return prepared
    return prepared.without({prepared.offsets[at]: why for at, why in refused.items()})


def refused_rows(
    connection: Connection,
    append: Callable[[Sequence[int]], None],
    rows: Sequence[Row],
    at: Sequence[int],
) -> dict[int, str]:
    """Append the rows at these indexes; return, by index, those that Postgres refuses, and why.

    COPY takes all or none, so a refused half is halved again until the row that it is about is
    alone. Rows with a NUL character in a text, the usual ones, are known by that and go at once:
    halving would take minutes for a slice full of them.
    """
    if not at:
        return {}
    try:
        with connection.transaction():
            append(at)
    except ROW_FAULTS as error:
        words = error.diag.message_primary or str(error)
        if len(at) == 1:
            return {at[0]: words}
        if isinstance(error, errors.CharacterNotInRepertoire):
            with_nul = dict.fromkeys([index for index in at if has_nul(rows[index])], words)
            if with_nul:
                rest = [index for index in at if index not in with_nul]
                return with_nul | refused_rows(connection, append, rows, rest)
        middle = len(at) // 2
        return refused_rows(connection, append, rows, at[:middle]) | refused_rows(
            connection, append, rows, at[middle:]
        )
    return {}


def has_nul(row: Row) -> bool:
    """Return whether a text of the row, or of a list in it, holds a NUL character.

    >>> has_nul((1, None, "a")), has_nul((["a", "b" + chr(0)],))
    (False, True)
    """
    return any(
        "\0" in text
        for value in row
        for text in (value if isinstance(value, list) else [value])
        if isinstance(text, str)
    )


def copy_rejected(
    connection: Connection, target: Target, rejected: Sequence[Rejected], prefix: Row
) -> None:
    """Append rejected messages, as they came."""
    if rejected:
        copy(
            connection,
            f"{target.ledger_schema}.rejected_messages",
            {**LANDING_COLUMNS, **REJECTED_COLUMNS},
            prefix,
            ((each.message.offset(), rejected_row(target.topic, each)) for each in rejected),
        )


def rejected_row(topic: str, rejected: Rejected) -> Row:
    """Return a rejected message in the order of ``REJECTED_COLUMNS``."""
    message = rejected.message
    return (
        topic,
        message_at(message.timestamp()[1]),
        message.key(),
        message.value(),
        headers_json(message),
        rejected.reason,
        stored_detail(rejected),
    )


def stored_detail(rejected: Rejected) -> str:
    """Return the words of a rejection as Postgres takes them."""
    return storable(rejected.detail.encode(errors="backslashreplace"))


def headers_json(message: Message) -> Jsonb | None:
    """Return the headers as a list of name and value: a name may come more than once."""
    headers = message.headers()
    if not headers:
        return None
    return Jsonb([[key, None if value is None else storable(value)] for key, value in headers])


def storable(text: bytes) -> str:
    """Return bytes as text that Postgres takes: what is not UTF-8, and NUL, as escapes."""
    return text.decode(errors="backslashreplace").replace("\0", "\\x00")


def delete_slice(
    connection: Connection,
    target: Target,
    *,
    slice_id: int,
    log_hour: datetime,
    partition: int,
    offsets: OffsetRange,
) -> None:
    """Delete the rows and the rejected messages of a slice.

    Found by their offsets, which the tables are keyed by; told by the slice from those of a topic
    that was made again under the same name.
    """
    where = sql.SQL(
        "where log_hour = %(log_hour)s and kafka_partition = %(partition)s "
        "and kafka_offset >= %(start)s and kafka_offset < %(end)s and slice_id = %(slice_id)s"
    )
    parameters = {
        "log_hour": log_hour,
        "partition": partition,
        "start": offsets.start,
        "end": offsets.end,
        "slice_id": slice_id,
        "topic": target.topic,
    }
    rejected = f"{target.ledger_schema}.rejected_messages"
    connection.execute(sql.SQL("delete from {} {}").format(name(target.table), where), parameters)
    connection.execute(
        sql.SQL("delete from {} {} and topic = %(topic)s").format(name(rejected), where),
        parameters,
    )


def ensure_day(connection: Connection, table: str, at: datetime) -> None:
    """Create the partition of a table for the UTC day of an instant, where it is missing.

    Made aside and then attached: that lets readers of the table go on, ``create table …
    partition of`` does not. A transaction of its own, so that its locks are short.
    """
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    child = partition_of(table, day)
    with connection.transaction():
        if exists(connection, child):
            return
        # the lock that attaching needs anyway; unlike an advisory one it shows what others created
        lock = sql.SQL("lock table only {} in share update exclusive mode")
        connection.execute(lock.format(name(table)))
        if exists(connection, child):  # another run has made it meanwhile
            return
        names = {"child": name(child), "parent": name(table)}
        bounds = {
            "first": sql.Literal(day.isoformat()),
            "end": sql.Literal((day + DAY).isoformat()),
        }
        connection.execute(
            sql.SQL("create table {child} (like {parent} including all)").format(**names)
        )
        connection.execute(
            sql.SQL(
                "alter table {parent} attach partition {child} for values from ({first}) to ({end})"
            ).format(**names, **bounds)
        )


def partition_of(table: str, at: datetime) -> str:
    """Return the name of the partition of a table for the UTC day of an instant."""
    return f"{table}_p{at.astimezone(UTC):%Y%m%d}"


def exists(connection: Connection, table: str) -> bool:
    """Return whether a table is there."""
    row = connection.execute("select to_regclass(%s) is not null", [table]).fetchone()
    return bool(row and row[0])
