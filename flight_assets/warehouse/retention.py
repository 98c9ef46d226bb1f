"""Prune bronze by whole days of its log, and what else grows; never what is not modelled yet.

What may go is decided in ``core.retention``; here it is looked up, dropped and written down.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from time import sleep
from typing import Any

import psycopg
from psycopg import errors, sql

from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.core.polls import POLLS_TOPIC
from flight_assets.core.retention import DAY, HOUR, LogDay, Modelled, Plan, is_old, plan
from flight_assets.warehouse.building import keep_models_out, newest_slice_id
from kafka_sensors.ledger import Ledger
from kafka_sensors.tables import name

Connection = psycopg.Connection[Any]

RAW_TABLES = {"bronze.raw_flights": POSITIONS_TOPIC, "bronze.raw_polls": POLLS_TOPIC}
REJECTED = "bronze.rejected_messages"
# Of one lock. Who wants the table meanwhile waits as long, so it is short and tried again.
LOCK_TIMEOUT_MS = 500
TRIES = 20
PAUSE_S = 1.0

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
MODELS_EXIST = """
select to_regclass('gold.closed_hours') is not null
and to_regclass('silver.flight_progress') is not null
"""
STALE = "select as_of_hour from gold.stale_hours"
FLIGHTS_THROUGH = "select coalesce(max(through_slice_id), 0) from silver.flight_progress"
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
class Partition:
    """A day of a partitioned table: its name, the day of its log hours, and its bytes."""

    table: str
    name: str
    day: date
    byte_count: int


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


def modelled(connection: Connection) -> Modelled | None:
    """Return how far the models are, ``None`` where they were never built."""
    exists: Any = connection.execute(MODELS_EXIST).fetchone()
    if not exists[0]:
        return None
    through: Any = connection.execute(FLIGHTS_THROUGH).fetchone()
    return Modelled(
        stale_hours=frozenset(hour for (hour,) in connection.execute(STALE)),
        flights_through_slice_id=through[0],
    )


def modelled_elsewhere(models: Connection) -> Modelled | None:
    """Return how far the models are by another connection, which then holds no lock on them."""
    with models.transaction():
        return modelled(models)


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


def bronze_plan(
    connection: Connection,
    *,
    now: datetime,
    age_days: int,
    most: int | None = None,
    models: Connection | None = None,
) -> Plan:
    """Return which days of the raw tables may go, and what keeps the other old ones.

    ``models`` is a connection that may read silver and gold, where the other one may not.
    """
    days = old_days(connection, list(RAW_TABLES), now=now, age_days=age_days, most=most)
    if not days:
        return Plan(may_go=(), kept={})
    how_far = modelled(connection) if models is None else modelled_elsewhere(models)
    if how_far is None:
        reason = "no models have been built: start the line, or materialise an hour of it"
        return Plan(may_go=(), kept={day.day: reason for day in days})
    return plan(days, how_far, now=now, age_days=age_days)


def prune_bronze(
    connection: Connection,
    *,
    now: datetime,
    age_days: int,
    run_id: str | None = None,
    models: Connection | None = None,
) -> Pruned:
    """Drop the days of the raw tables that are old and modelled; one transaction a day.

    ``models`` as in ``bronze_plan``. The connections must be free of a transaction. What is in use
    is tried again for a while, and then kept with the reason.
    """
    with connection.transaction():
        # before the plan: what lands after it is looked up again
        seen = newest_slice_id(connection)
        planned = bronze_plan(connection, now=now, age_days=age_days, models=models)
        every = partitions(connection, list(RAW_TABLES))
    dropped = drop_days(connection, planned.may_go, every, RAW_TABLES, seen=seen, run_id=run_id)
    return replace(dropped, kept={**planned.kept, **dropped.kept})


def prune_rejected(
    connection: Connection, *, now: datetime, age_days: int, run_id: str | None = None
) -> Pruned:
    """Drop the days of the rejected messages that are old; the ledger keeps their number."""
    with connection.transaction():
        every = partitions(connection, [REJECTED])
        old = old_days(connection, [REJECTED], now=now, age_days=age_days, most=None)
    return drop_days(connection, [each.day for each in old], every, {}, seen=None, run_id=run_id)


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


FLEETS_EXIST = "select to_regclass('silver.observed_fleets') is not null"
OLDEST_FLEETS = """
select min(as_of_hour), max(as_of_hour) - %(age)s * interval '1 day' from silver.observed_fleets
"""
DELETE_FLEETS = """
delete from silver.observed_fleets where as_of_hour >= %(first)s and as_of_hour < %(end)s
"""


def prune_fleets(connection: Connection, *, age_days: int) -> int:
    """Delete the observed fleets of hours so long before the newest; return how many rows.

    By the clock of the observations, as the countries of airlines are inferred from the last days
    before the newest hour. A day a transaction, so that no run waits long.
    """
    with connection.transaction():
        exists: Any = connection.execute(FLEETS_EXIST).fetchone()
        if not exists[0] or age_days == 0:
            return 0
        row: Any = connection.execute(OLDEST_FLEETS, {"age": age_days}).fetchone()
    first, end = row
    deleted = 0
    while first is not None and first < end:
        until = min(first + DAY, end)
        with connection.transaction():
            cursor = connection.execute(DELETE_FLEETS, {"first": first, "end": until})
            deleted += cursor.rowcount
        first = until
    return deleted
