"""Drop days of bronze's log and write down what went: one transaction a day, however it is used."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from time import sleep
from typing import Any

from psycopg import errors, sql

from flight_assets.core.retention import HOUR
from flight_assets.warehouse.building import keep_models_out, newest_slice_id
from flight_assets.warehouse.log_days import (
    EVENT_HOURS,
    RAW_TABLES,
    SLICES,
    Connection,
    Partition,
    hours_of,
    log_day,
)
from kafka_sensors.day_tables import name
from kafka_sensors.ledger import Ledger

# Of one lock. Who wants the table meanwhile waits as long, so it is short and tried again.
LOCK_TIMEOUT_MS = 500
TRIES = 20
PAUSE_S = 1.0

# Whether anything that the plan does not know looks at the day: it landed since.
LANDED_SINCE = """
select exists (
    select from bronze.slice_event_hours
    where slice_id > %(seen)s and event_hour = any(%(hours)s)
)
"""
RECORD = """
insert into bronze.pruned_days (
    table_name, log_date, topic, through_slice_id, row_count, byte_count, last_event_at, run_id
)
values (
    %(table)s, %(day)s, %(topic)s, %(through)s, %(rows)s, %(bytes)s, %(last_event_at)s, %(run_id)s
)
on conflict (table_name, log_date) do update set
    through_slice_id = excluded.through_slice_id,
    row_count = excluded.row_count,
    byte_count = excluded.byte_count,
    last_event_at = greatest(pruned_days.last_event_at, excluded.last_event_at),
    pruned_at = clock_timestamp(),
    run_id = excluded.run_id
"""
HOLDERS = """
select distinct pid, application_name, now() - xact_start
from pg_locks join pg_stat_activity using (pid)
where relation = any(%(tables)s::regclass[]) and granted and pid <> pg_backend_pid()
order by 3 desc nulls last
limit 3
"""


@dataclass(frozen=True, kw_only=True)
class PrunedDay:
    """A day that was dropped, or would be: what it took."""

    day: date
    tables: tuple[str, ...]
    row_count: int
    byte_count: int


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """The days that went, and the old ones that did not, each with its reason."""

    days: tuple[PrunedDay, ...]
    kept: dict[date, str]

    @property
    def byte_count(self) -> int:
        """Return the bytes that were given back."""
        return sum(day.byte_count for day in self.days)


class BusyError(Exception):
    """A table or the models are in use: not now. Says by whom."""


def drop_days(
    connection: Connection,
    days: Iterable[date],
    every: list[Partition],
    topics: dict[str, str],
    *,
    seen: int | None,
    run_id: str | None,
) -> Pruned:
    """Drop the partitions of days, one transaction a day; what is in use is kept with the reason.

    The arguments are those of ``drop_day``.
    """
    pruned, kept = [], {}
    for day in days:
        of_day = [each for each in every if each.day == day]
        try:
            pruned.append(drop_day(connection, of_day, topics, seen=seen, run_id=run_id))
        except BusyError as error:
            kept[day] = str(error)
    return Pruned(days=tuple(pruned), kept=kept)


def drop_day(
    connection: Connection,
    of_day: list[Partition],
    topics: dict[str, str],
    *,
    seen: int | None,
    run_id: str | None,
) -> PrunedDay:
    """Drop the partitions of a day and write it down, in one transaction; try for a while.

    Raises ``BusyError`` where something has landed for the day since slice ``seen``, or a table or
    the models are still in use at the last try.
    """
    for left in reversed(range(TRIES)):
        try:
            with connection.transaction():
                return drop_now(connection, of_day, topics, seen=seen, run_id=run_id)
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            if not left:
                raise BusyError(in_use(connection, of_day)) from error
        sleep(PAUSE_S)
    raise AssertionError("the last try returns or raises")


def drop_now(
    connection: Connection,
    of_day: list[Partition],
    topics: dict[str, str],
    *,
    seen: int | None,
    run_id: str | None,
) -> PrunedDay:
    """Drop the partitions of a day, or raise what Postgres says of a lock that others hold.

    First the models', then the ledger's, as landing takes it, then the tables'.
    """
    connection.execute(f"set local lock_timeout = {LOCK_TIMEOUT_MS}".encode())
    if seen is not None:
        keep_models_out(connection)
    Ledger(connection, "bronze", "").lock()
    day = of_day[0].day
    if seen is not None:
        refuse_what_landed_since(connection, day, seen=seen)
    facts = [record_of(connection, each, topics.get(each.table)) for each in of_day]
    for each in of_day:
        connection.execute(sql.SQL("drop table {}").format(name(each.name)))
    through = newest_slice_id(connection)
    for fact in facts:
        connection.execute(RECORD, {**fact, "through": through, "run_id": run_id})
    return PrunedDay(
        day=day,
        tables=tuple(each.table for each in of_day),
        row_count=sum(fact["rows"] for fact in facts),
        byte_count=sum(each.byte_count for each in of_day),
    )


def refuse_what_landed_since(connection: Connection, day: date, *, seen: int) -> None:
    """Raise ``BusyError`` where a slice newer than ``seen`` is of the day, or of its hours."""
    found = log_day(connection, day)
    hours = [hour + n * HOUR for hour in found.event_hours for n in (-1, 0, 1)]
    row: Any = connection.execute(LANDED_SINCE, {"seen": seen, "hours": hours}).fetchone()
    if found.newest_slice_id > seen or row[0]:
        raise BusyError("something landed for it just now: it is judged again the next time")


def record_of(connection: Connection, partition: Partition, topic: str | None) -> dict[str, Any]:
    """Return what is written down of a partition that goes: its rows as the ledger counts them."""
    topics = list(RAW_TABLES.values()) if topic is None else [topic]
    rows = "rejected_count" if topic is None else "row_count"
    of_day = hours_of(partition.day, topics)
    counts: Any = connection.execute(SLICES.format(rows=rows).encode(), of_day).fetchone()
    events = connection.execute(EVENT_HOURS, of_day).fetchall()
    return {
        "table": partition.table,
        "day": partition.day,
        "topic": topic,
        "rows": counts[2],
        "bytes": partition.byte_count,
        "last_event_at": None if topic is None else max((at for _, at in events), default=None),
    }


def in_use(connection: Connection, of_day: list[Partition]) -> str:
    """Return who holds the tables of a day, as far as one can see."""
    tables = sorted({each.table for each in of_day})
    with connection.transaction():
        held = connection.execute(HOLDERS, {"tables": tables}).fetchall()
    holders = ", ".join(f"pid {pid} ({program or 'unnamed'}, {age})" for pid, program, age in held)
    return (
        f"{' and '.join(tables)} stayed in use for {TRIES} tries of {LOCK_TIMEOUT_MS} ms, by "
        f"{holders or 'models that are being built'}: it goes the next time; end what is forgotten"
    )
