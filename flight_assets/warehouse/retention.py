"""Prune bronze by whole days of its log, and what else grows; never what is not modelled yet.

What may go is decided in ``core.retention``; here it is looked up, dropped and written down.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from flight_assets.core.retention import DAY, Modelled, Plan, plan
from flight_assets.warehouse.building import newest_slice_id
from flight_assets.warehouse.dropped_days import Pruned, drop_days
from flight_assets.warehouse.log_days import (
    RAW_TABLES,
    REJECTED,
    Connection,
    old_days,
    partitions,
)

MODELS_EXIST = """
select to_regclass('gold.closed_hours') is not null
and to_regclass('silver.flight_progress') is not null
"""
STALE = "select as_of_hour from gold.stale_hours"
FLIGHTS_THROUGH = "select coalesce(max(through_slice_id), 0) from silver.flight_progress"


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
