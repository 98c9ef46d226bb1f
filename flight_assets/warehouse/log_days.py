"""The days of bronze's log, as its partitions and the ledger have them."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.core.polls import POLLS_TOPIC
from flight_assets.core.retention import DAY, LogDay, is_old

Connection = psycopg.Connection[Any]

RAW_TABLES = {"bronze.raw_flights": POSITIONS_TOPIC, "bronze.raw_polls": POLLS_TOPIC}
REJECTED = "bronze.rejected_messages"
PARTITIONS = """
select parents.oid::regclass::text, children.relname, pg_total_relation_size(children.oid)
from pg_inherits
join pg_class as parents on pg_inherits.inhparent = parents.oid
join pg_class as children on pg_inherits.inhrelid = children.oid
where parents.oid = any(%(tables)s::regclass[])
order by children.relname
"""
SLICES = """
select max(landed_at), coalesce(max(slice_id), 0), coalesce(sum({rows}), 0)::bigint
from bronze.landed_slices
where topic = any(%(topics)s) and log_hour >= %(first)s and log_hour < %(end)s
"""
EVENT_HOURS = """
select slice_event_hours.event_hour, max(slice_event_hours.last_event_at)
from bronze.landed_slices
join bronze.slice_event_hours using (slice_id)
where topic = any(%(topics)s) and log_hour >= %(first)s and log_hour < %(end)s
group by slice_event_hours.event_hour
"""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """A day of a partitioned table: its name, the day of its log hours, and its bytes."""

    table: str
    name: str
    day: date
    byte_count: int


def partitions(connection: Connection, tables: list[str]) -> list[Partition]:
    """Return the day partitions of tables, oldest first."""
    found = connection.execute(PARTITIONS, {"tables": tables}).fetchall()
    return [
        Partition(
            table=table,
            name=f"bronze.{child}",
            day=datetime.strptime(child[-8:], "%Y%m%d").date(),
            byte_count=byte_count,
        )
        for table, child, byte_count in found
    ]


def never_landed(day: date) -> LogDay:
    """Return a day without anything in it."""
    return LogDay(day=day, landed_at=None, newest_slice_id=0, event_hours=frozenset())


def hours_of(day: date, topics: list[str]) -> dict[str, Any]:
    """Return what chooses the slices of a day of the log."""
    ends_at = never_landed(day).ends_at
    return {"topics": topics, "first": ends_at - DAY, "end": ends_at}


def log_day(connection: Connection, day: date, *, with_hours: bool = True) -> LogDay:
    """Return what the ledger says of a day; its event hours only where they are asked for."""
    of_day = hours_of(day, list(RAW_TABLES.values()))
    row: Any = connection.execute(SLICES.format(rows="row_count").encode(), of_day).fetchone()
    hours = connection.execute(EVENT_HOURS, of_day).fetchall() if with_hours else []
    return LogDay(
        day=day,
        landed_at=row[0],
        newest_slice_id=row[1],
        event_hours=frozenset(hour for hour, _ in hours),
    )


def old_days(
    connection: Connection, tables: list[str], *, now: datetime, age_days: int, most: int | None
) -> list[LogDay]:
    """Return the oldest days that have partitions and are old, at most so many where told."""
    found: list[LogDay] = []
    for day in sorted({partition.day for partition in partitions(connection, tables)}):
        if not is_old(never_landed(day), now=now, age_days=age_days):
            break  # nor is any after it, whenever it landed
        if is_old(log_day(connection, day, with_hours=False), now=now, age_days=age_days):
            found.append(log_day(connection, day))
        if most is not None and len(found) == most:
            break
    return found
