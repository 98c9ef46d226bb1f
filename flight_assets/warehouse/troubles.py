"""What goes wrong while the warehouse is used, in words that say who is in the way and what to do.

A connection that cannot be made is explained by ``connection``; here is what happens afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus

from flight_assets.errors import FlightAssetsError

Connection = psycopg.Connection[Any]

# Sessions that hold what an insert, a select or a ledger's writer has to wait for; a change of a
# table waits for those too that only read it. A lock on a partitioned table is one on each of its
# partitions too: the shortest name is the table's own.
LOCK_HOLDERS = """
select
    activity.pid,
    activity.usename,
    activity.application_name,
    to_char(activity.xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as since,
    coalesce(
        (array_agg(held.name order by length(held.name)))[1],
        case max(locks.objsubid) when 2 then 'the models' else 'the ledger' end
    ) as what
from pg_locks as locks
join pg_stat_activity as activity using (pid)
cross join lateral (select locks.relation::regclass::text as name) as held
where
    locks.granted
    and locks.database = (select oid from pg_database where datname = current_database())
    and activity.pid <> pg_backend_pid()
    and (
        locks.locktype = 'advisory'
        or locks.locktype = 'relation' and locks.mode in (
            'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
            'AccessExclusiveLock'
        )
        or %(any)s and locks.relation in (
            select oid from pg_class
            where relnamespace::regnamespace::text in ('bronze', 'silver', 'gold')
        )
    )
group by activity.pid, activity.usename, activity.application_name, activity.xact_start
order by activity.xact_start
"""


@contextmanager
def explained(connection: Connection) -> Iterator[None]:
    """Raise ``FlightAssetsError`` for a lock, a full disk or a lost connection inside the block.

    What was committed before stays; nothing of the transaction that failed does.
    """
    try:
        yield
    except errors.LockNotAvailable as error:
        raise FlightAssetsError(why_locked(connection, error)) from error
    except errors.DiskFull as error:
        raise FlightAssetsError(
            f"the disk of Postgres at {where(connection)} is full: {first_line(error)}. Nothing of "
            "this transaction was written: make room there, the next run goes on where this one "
            "ended"
        ) from error
    except psycopg.OperationalError as error:
        if not connection.broken:
            raise
        raise FlightAssetsError(
            f"the connection to Postgres at {where(connection)} was lost: {first_line(error)}. "
            "What was committed stays, the next run goes on behind it; if the server does not "
            "come back by itself, call `flight-assets up` for the local one"
        ) from error


def why_locked(connection: Connection, error: Exception, *, is_any_in_the_way: bool = False) -> str:
    """Return who holds the locks that a statement has waited for in vain, and what to do.

    ``is_any_in_the_way`` where the statement changes tables: those who only read are in its way.
    """
    if connection.info.transaction_status != TransactionStatus.IDLE:
        connection.rollback()
    with connection.transaction():
        waited = connection.execute("show lock_timeout").fetchone()
        holders = connection.execute(LOCK_HOLDERS, {"any": is_any_in_the_way}).fetchall()
    after = f"after waiting {waited[0] if waited else 'in vain'}"
    if not holders:
        return f"{first_line(error)} {after}; whoever held the lock has let go since: run it again"
    named = "; ".join(
        f"session {pid} (user {user}, program {program or 'unnamed'}, since {since}Z) holds {what}"
        for pid, user, program, since, what in holders
    )
    return (
        f"locked by others, {after}: {named}. Nothing of this transaction was written. End that "
        f"transaction, or its session by `select pg_terminate_backend({holders[0][0]})`; the next "
        "run goes on where this one ended"
    )


def where(connection: Connection) -> str:
    """Return the host and port, which a lost connection no longer tells."""
    return f"{connection.info.host}:{connection.info.port}"


def first_line(error: Exception) -> str:
    """Return what the server said, without its context."""
    return (str(error).strip().splitlines() or ["no message"])[0]
