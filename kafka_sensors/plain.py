"""The short way from a message to a row, for messages as our own producers write them.

Most messages of a topic come byte by byte as msgspec encodes a record: keys in their order, no
space, texts of plain ASCII, lists that are empty. ``_plain_rows`` (in C) reads those, checks the
contract's limits and writes the binary form of COPY, without an object of Python for a field. Every
other message, good or bad, takes the way through its contract's decoder, which alone says what a
message means: the short way takes only what has one reading, and gives the same row for it.

Where ``_plain_rows`` could not be compiled, all messages take the long way.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from kafka_sensors.columns import INTEGER_LIMITS, microseconds
from kafka_sensors.messages import Message

try:
    from kafka_sensors import _plain_rows
except ImportError:  # no compiler was there when it was installed
    _plain_rows = None  # type: ignore[assignment]

IS_COMPILED = _plain_rows is not None

# In the order of the kinds in _plain_rows.c.
KINDS = ("int2", "int4", "int8", "timestamptz", "float8", "bool", "text", "text[]")
# What a column takes. Instants in Unix seconds, from year 1 to 9999: Python has no others.
WHOLE = {
    **{kind: INTEGER_LIMITS[kind] for kind in KINDS[:3]},
    "timestamptz": (-62_135_596_800, 253_402_300_799),
}
LONGEST_TEXT = 2**30 - 1  # bytes of one value of Postgres


class NotPlainError(ValueError):
    """A record or a table has something that the short way does not know."""


@dataclass(frozen=True, slots=True)
class PlainRows:
    """Rows in the binary form of COPY, in the order of their messages."""

    rows: bytearray
    starts: bytes
    event_times_s: Sequence[int]

    def __len__(self) -> int:
        return len(self.event_times_s)

    def of_slice(self, slice_id: int) -> bytearray:
        """Return the rows as those of a slice."""
        _plain_rows.set_slice(self.rows, self.starts, slice_id)
        return self.rows


class Plan:
    """What plain messages of a record look like, and the columns that their fields become."""

    def __init__(
        self, record: type[msgspec.Struct], columns: Mapping[str, str], *, event_at: str
    ) -> None:
        """Plan for a record whose fields are the columns, and literals.

        ``event_at`` names the field with the Unix seconds of the event. Raises ``NotPlainError``
        for a field or a column that the short way does not know.
        """
        fields, end, event = described(record, columns, event_at)
        self._plan = _plain_rows.make_plan(fields, end, event)

    def form(
        self, messages: Sequence[Message], *, log_hour: datetime, partition: int
    ) -> tuple[PlainRows, list[Message]]:
        """Return the rows of the plain messages, and the messages that are not plain."""
        rows, starts, events, others = _plain_rows.form(
            self._plan,
            tuple([message.value() for message in messages]),
            tuple([message.offset() for message in messages]),
            microseconds(log_hour),
            partition,
        )
        plain = PlainRows(rows, starts, memoryview(events).cast("q"))
        return plain, [messages[index] for index in others]


def plan_of(
    record: type[msgspec.Struct], columns: Mapping[str, str], *, event_at: str
) -> Plan | None:
    """Return the plan for a record, ``None`` where nothing was compiled."""
    return Plan(record, columns, event_at=event_at) if IS_COMPILED else None


def described(
    record: type[msgspec.Struct], columns: Mapping[str, str], event_at: str
) -> tuple[tuple[Any, ...], bytes, int]:
    """Return what ``_plain_rows.make_plan`` is given: the fields, the end, the event's field."""
    config = record.__struct_config__
    if config.array_like or config.tag is not None or hasattr(record, "__post_init__"):
        raise NotPlainError(f"{record.__name__} is more than its fields")
    order = list(columns)
    fields: list[Any] = []
    names: list[str] = []
    before = b"{"
    for field in msgspec.structs.fields(record):
        kind = msgspec.inspect.type_info(field.type)
        before += msgspec.json.encode(field.encode_name) + b":"
        if isinstance(kind, msgspec.inspect.LiteralType) and len(kind.values) == 1:
            before += msgspec.json.encode(kind.values[0])
        elif field.name in columns:
            number, is_nullable, *taken = value_of(kind, columns[field.name], field.name)
            fields.append((before, number, is_nullable, order.index(field.name), *taken))
            names.append(field.name)
            before = b""
        else:
            raise NotPlainError(f"{record.__name__}.{field.name} has no column")
        before += b","
    if set(names) != set(order) or event_at not in names:
        raise NotPlainError(f"the columns {order} are not the fields of {record.__name__}")
    return tuple(fields), before.removesuffix(b",") + b"}", names.index(event_at)


def value_of(
    kind: msgspec.inspect.Type, column: str, name: str
) -> tuple[int, int, int, int, float, float]:
    """Return the kind's number, whether it may be null, and its limits as integers and floats."""
    is_nullable = False
    if isinstance(kind, msgspec.inspect.UnionType):
        others = [each for each in kind.types if not isinstance(each, msgspec.inspect.NoneType)]
        if (len(others), len(kind.types)) != (1, 2):
            raise NotPlainError(f"{name}: more than one type, or one and null")
        is_nullable, kind = True, others[0]
    least, most, least_real, most_real = 0, 0, 0.0, 0.0
    if isinstance(kind, msgspec.inspect.IntType) and column in WHOLE:
        least, most = map(int, limits(kind, *WHOLE[column], name=name))
    elif isinstance(kind, msgspec.inspect.FloatType) and column == "float8":
        least_real, most_real = limits(kind, -math.inf, math.inf, name=name)
    elif isinstance(kind, msgspec.inspect.StrType) and column == "text" and kind.pattern is None:
        least = kind.min_length or 0
        most = LONGEST_TEXT if kind.max_length is None else kind.max_length
    elif not (
        (isinstance(kind, msgspec.inspect.BoolType) and column == "bool")
        or (
            isinstance(kind, msgspec.inspect.ListType) and column == "text[]" and may_be_empty(kind)
        )
    ):
        raise NotPlainError(f"{name}: {type(kind).__name__} in a column of type {column}")
    return KINDS.index(column), int(is_nullable), least, most, least_real, most_real


def may_be_empty(kind: msgspec.inspect.ListType) -> bool:
    """Return whether a list of texts may have none."""
    return isinstance(kind.item_type, msgspec.inspect.StrType) and not kind.min_length


def limits(
    kind: msgspec.inspect.IntType | msgspec.inspect.FloatType,
    least: float,
    most: float,
    *,
    name: str,
) -> tuple[float, float]:
    """Return the least and the most that both the contract and the column take."""
    if (kind.gt, kind.lt, kind.multiple_of) != (None, None, None):
        raise NotPlainError(f"{name}: limits other than ge and le")
    return (
        least if kind.ge is None else max(least, kind.ge),
        most if kind.le is None else min(most, kind.le),
    )
