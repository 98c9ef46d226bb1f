"""Turn the messages of a batch into rows, or into rejected messages with a reason."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any

import msgspec

from kafka_sensors.batches import Batch
from kafka_sensors.columns import INTEGER_LIMITS
from kafka_sensors.messages import Message
from kafka_sensors.plain import PlainRows
from kafka_sensors.target import Target
from kafka_sensors.versions import UnknownVersionError

# A chunk of decoded records lives only until its rows are made: fewer objects at a time.
CHUNK = 1_000
HOUR_S = 3_600
# Whoever looks at a window of event time that is at least as long as this finds an event in it
# wherever a stretch overlaps it: so a stretch says exactly which windows a slice changes.
MAX_GAP_S = 300

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that cannot become a row: a short code for the reason, and words for a person."""

    message: Message
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch ready to be stored: offset, row and event time of each good message, in step.

    Apart from them the rows of the plain messages, whose offsets are in their rows.
    """

    batch: Batch
    offsets: Sequence[int]
    rows: Sequence[Row]
    event_times_s: Sequence[int]
    rejected: Sequence[Rejected]
    plain: Sequence[PlainRows] = ()

    @property
    def row_count(self) -> int:
        """Return how many rows there are of both kinds."""
        return len(self.rows) + sum(map(len, self.plain))

    def all_event_times_s(self) -> Iterator[int]:
        """Yield the event times of both kinds of rows, Unix seconds."""
        return chain(self.event_times_s, *(rows.event_times_s for rows in self.plain))

    def without(self, unstorable: Mapping[int, str]) -> "Prepared":
        """Return it with the messages at these offsets rejected, for the words given."""
        stored = [index for index, at in enumerate(self.offsets) if at not in unstorable]
        rejected = [
            Rejected(message, "unstorable", unstorable[message.offset()])
            for message in self.batch.messages
            if message.offset() in unstorable
        ]
        return Prepared(
            self.batch,
            [self.offsets[index] for index in stored],
            [self.rows[index] for index in stored],
            [self.event_times_s[index] for index in stored],
            [*self.rejected, *rejected],
        )


@dataclass(frozen=True, slots=True)
class EventHour:
    """A stretch of event time in a slice, within one UTC hour: its first and last event, and how
    many rows. No two events that follow each other in it are further apart than ``MAX_GAP_S``.
    """

    hour: datetime
    first_at: datetime
    last_at: datetime
    row_count: int


def prepare(batch: Batch, target: Target) -> Prepared:
    """Return the batch decoded: every message of it is either a row or rejected."""
    if target.plan is None:
        return prepare_records(batch, batch.messages, target)
    plain: list[PlainRows] = []
    others: list[Message] = []
    for chunk in chunks_of(batch.messages):
        rows, rest = target.plan.form(chunk, log_hour=batch.log_hour, partition=batch.partition)
        plain.append(rows)
        others += rest
    return replace(prepare_records(batch, others, target), plain=plain)


def prepare_records(batch: Batch, messages: Sequence[Message], target: Target) -> Prepared:
    """Return some messages of the batch decoded to records, whatever they look like."""
    offsets: list[int] = []
    rows: list[Row] = []
    event_times_s: list[int] = []
    rejected: list[Rejected] = []
    for chunk in chunks_of(messages):
        good, records = decode_chunk(chunk, target.decode, rejected.append)
        offsets += [message.offset() for message in good]
        rows += map(target.row, records)
        event_times_s += map(target.event_at_s, records)
    prepared = Prepared(batch, offsets, rows, event_times_s, rejected)
    too_large = integers_too_large(prepared, target)
    return prepared.without(too_large) if too_large else prepared


def chunks_of(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Yield the messages, some at a time."""
    return (messages[begin : begin + CHUNK] for begin in range(0, len(messages), CHUNK))


def decode_chunk(
    chunk: Sequence[Message], decode: Callable[[bytes], Any], reject: Callable[[Rejected], None]
) -> tuple[Sequence[Message], list[Any]]:
    """Return the messages that decode and their records; hand the others to ``reject``."""
    try:
        return chunk, [decode(message.value()) for message in chunk]  # type: ignore[arg-type]
    except (ValueError, TypeError, RecursionError):
        return decode_each(chunk, decode, reject)


def decode_each(
    chunk: Sequence[Message], decode: Callable[[bytes], Any], reject: Callable[[Rejected], None]
) -> tuple[list[Message], list[Any]]:
    """Do what ``decode_chunk`` does, message by message, because one of them is bad."""
    good: list[Message] = []
    records: list[Any] = []
    for message in chunk:
        value = message.value()
        if not value:
            reason = "null_value" if value is None else "empty_value"
            reject(Rejected(message, reason, "the message has no value"))
            continue
        try:
            record = decode(value)
        except (ValueError, RecursionError) as error:
            reject(Rejected(message, reason_for(error), str(error)))
        else:
            good.append(message)
            records.append(record)
    return good, records


def reason_for(error: ValueError | RecursionError) -> str:
    """Return the short code for what a decoder said."""
    if isinstance(error, UnicodeDecodeError):
        return "not_utf8"
    if isinstance(error, UnknownVersionError):
        return "unknown_version"
    if isinstance(error, msgspec.DecodeError) and not isinstance(error, msgspec.ValidationError):
        return "not_json"
    return "too_deep" if isinstance(error, RecursionError) else "contract"


def integers_that_fit(record: type[msgspec.Struct], columns: Mapping[str, str]) -> frozenset[str]:
    """Return the integer columns that hold whatever the fields of a record may be.

    Those whose fields have both limits by ``msgspec.Meta``, within the column's size.
    """
    return frozenset(
        field.name
        for field in msgspec.structs.fields(record)
        if columns.get(field.name) in INTEGER_LIMITS
        and fits_in(msgspec.inspect.type_info(field.type), *INTEGER_LIMITS[columns[field.name]])
    )


def fits_in(kind: msgspec.inspect.Type, least: int, most: int) -> bool:
    """Return whether every value of a type is null or an integer within both limits.

    >>> [fits_in(msgspec.inspect.IntType(le=le, ge=0), 0, 360) for le in (360, 361, None)]
    [True, False, False]
    """
    if isinstance(kind, msgspec.inspect.UnionType):
        return all(fits_in(each, least, most) for each in kind.types)
    if isinstance(kind, msgspec.inspect.IntType):
        limits = (kind.ge, kind.le)
        return None not in limits and not any(out_of_range(each, least, most) for each in limits)
    return isinstance(kind, msgspec.inspect.NoneType)


def integers_too_large(prepared: Prepared, target: Target) -> dict[int, str]:
    """Return, by offset, the rows whose integers do not fit their columns, and why.

    psycopg's binary form would cut them to the column's size without a word.
    """
    unstorable: dict[int, str] = {}
    for position, (column, kind) in enumerate(target.columns.items()):
        if kind not in INTEGER_LIMITS or column in target.fitting:
            continue
        value_of, limits = itemgetter(position), INTEGER_LIMITS[kind]
        odd = {each for each in set(map(value_of, prepared.rows)) if out_of_range(each, *limits)}
        if odd:
            unstorable |= {
                offset: f"{column}: {value_of(row)} does not fit {kind}"
                for offset, row in zip(prepared.offsets, prepared.rows, strict=True)
                if value_of(row) in odd
            }
    return unstorable


def out_of_range(value: int | None, least: int, most: int) -> bool:
    """Return whether there is a number, and it is beyond one of the limits."""
    return value is not None and not least <= value <= most


def event_hours(event_times_s: Iterable[int]) -> list[EventHour]:
    """Return the stretches of event time, cut at UTC hours and at gaps, oldest first.

    >>> [(e.hour.hour, e.row_count) for e in event_hours([3_600, 3_900, 4_201, 7_200])]
    [(1, 2), (1, 1), (2, 1)]
    """
    times = Counter(event_times_s)
    stretches: list[list[int]] = []
    for time_s in sorted(times):
        last_s = stretches[-1][-1] if stretches else None
        if last_s is None or time_s - last_s > MAX_GAP_S or time_s // HOUR_S > last_s // HOUR_S:
            stretches.append([])
        stretches[-1].append(time_s)
    at = partial(datetime.fromtimestamp, tz=UTC)
    return [
        EventHour(
            at(seen[0] - seen[0] % HOUR_S),
            at(seen[0]),
            at(seen[-1]),
            sum(times[time_s] for time_s in seen),
        )
        for seen in stretches
    ]
