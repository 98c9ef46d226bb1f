"""What was rejected, and why: the questions to ``bronze.rejected_messages``."""

import base64
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from flight_assets.errors import FlightAssetsError

LONGEST_DETAIL = 200  # beyond it, messages with the same beginning are of one kind

KINDS = """
select
    topic,
    reason,
    left(detail, %(longest)s) as detail,
    count(*) as message_count,
    count(distinct log_hour) as hour_count,
    min(log_hour) as first_hour,
    max(log_hour) as last_hour,
    max(message_at) as newest_at,
    (array_agg(kafka_partition order by message_at desc, kafka_offset desc))[1] as newest_partition,
    (array_agg(kafka_offset order by message_at desc, kafka_offset desc))[1] as newest_offset
from bronze.rejected_messages
where (%(topic)s::text is null or topic = %(topic)s)
and (%(reason)s::text is null or reason = %(reason)s)
group by 1, 2, 3
order by message_count desc, topic, reason, detail
"""

# A topic that was made again can have an offset twice: each with its slice.
MESSAGES = """
select
    topic, kafka_partition, kafka_offset, log_hour, message_at, rejected_at, reason, detail,
    slice_id, key, value, headers
from bronze.rejected_messages
where topic = %(topic)s and kafka_partition = %(partition)s and kafka_offset = %(offset)s
order by slice_id
"""


@dataclass(frozen=True, kw_only=True)
class RejectedKind:
    """Messages of a topic that were rejected for the same reason in the same words."""

    topic: str
    reason: str
    detail: str
    message_count: int
    hour_count: int
    first_hour: datetime
    last_hour: datetime
    newest_at: datetime
    newest_partition: int
    newest_offset: int

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, instants in ISO 8601."""
        return plain(self)


@dataclass(frozen=True, kw_only=True)
class RejectedMessage:
    """One rejected message with its bytes."""

    topic: str
    kafka_partition: int
    kafka_offset: int
    log_hour: datetime
    message_at: datetime
    rejected_at: datetime
    reason: str
    detail: str
    slice_id: int
    key: bytes | None
    value: bytes | None
    headers: list[list[str | None]] | None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values: bytes in base64, the value also as far as it is text."""
        return plain(self) | {"value_text": None if self.value is None else text_of(self.value)}


def plain(record: Any) -> dict[str, Any]:
    """Return a record as values that JSON knows."""
    return {
        name: value.isoformat()
        if isinstance(value, datetime)
        else base64.b64encode(value).decode()
        if isinstance(value, bytes)
        else value
        for name, value in asdict(record).items()
    }


def text_of(value: bytes) -> str:
    """Return bytes as text; what is not UTF-8 as escapes.

    >>> text_of(b"tide\\xff")
    'tide\\\\xff'
    """
    return value.decode(errors="backslashreplace")


def rejected_kinds(
    connection: psycopg.Connection, *, topic: str | None = None, reason: str | None = None
) -> list[RejectedKind]:
    """Return what was rejected, by topic, reason and words, the most frequent first."""
    asked = {"topic": topic, "reason": reason, "longest": LONGEST_DETAIL}
    with connection.cursor(row_factory=class_row(RejectedKind)) as cursor:
        return cursor.execute(KINDS, asked).fetchall()


def rejected_messages(
    connection: psycopg.Connection, topic: str, *, partition: int, offset: int
) -> list[RejectedMessage]:
    """Return the rejected message of an offset: several where the topic was made again.

    Raises ``FlightAssetsError`` where there is none.
    """
    asked = {"topic": topic, "partition": partition, "offset": offset}
    with connection.cursor(row_factory=class_row(RejectedMessage)) as cursor:
        found = cursor.execute(MESSAGES, asked).fetchall()
    if not found:
        raise FlightAssetsError(
            f"no message is rejected at {topic}, partition {partition}, offset {offset}: it may "
            "have landed since; `flight-assets rejected list` names what there is"
        )
    return found
