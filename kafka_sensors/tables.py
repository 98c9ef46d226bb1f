"""Write the rows and the rejected messages of a slice. Knows tables, not the ledger."""

from collections.abc import Callable, Sequence
from datetime import datetime

from psycopg import errors, sql
from psycopg.types.json import Jsonb

from kafka_sensors import copying
from kafka_sensors.columns import microseconds
from kafka_sensors.day_tables import Connection, name
from kafka_sensors.decoding import Prepared, Rejected, Row, prepare_records
from kafka_sensors.messages import Message
from kafka_sensors.offsets import OffsetRange, message_at
from kafka_sensors.target import Target

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
# What one row can do wrong. Anything else is no fault of a message and fails the slice.
ROW_FAULTS = (errors.DataError, errors.NotNullViolation)


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
        copying.copy(connection, target.table, columns, prefix, zip(offsets, rows, strict=True))

    if prepared.plain:
        try:
            with connection.transaction():
                copying.copy_plain(connection, target.table, columns, slice_id, prepared.plain)
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
        copying.copy(
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
