"""Tables by their names, and their partitions: one a UTC day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql

Connection = psycopg.Connection[Any]

DAY = timedelta(days=1)


def name(table: str) -> sql.Identifier:
    """Return ``schema.table`` as an identifier."""
    return sql.Identifier(*table.split("."))


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
