"""One run at a time builds the hourly models, and nothing is pruned meanwhile."""

from typing import Any

import psycopg

Connection = psycopg.Connection[Any]

# Two numbers, as no other advisory lock here has.
MODELS_LOCK = (0x666C, 1)
NEWEST_SLICE_ID = "select coalesce(max(slice_id), 0) from bronze.landed_slices"


def alone_with_the_models(connection: Connection) -> int:
    """Wait until no other run builds models or prunes; return the id of the newest slice.

    Holds for as long as the connection is open, with no transaction. Dagster's pool keeps runs
    apart that wait in its queue, not one that it has given up for dead while it still works, nor
    one that a command runs itself: two that replace the rows of an hour at once would each add its
    own. Where somebody has locked the raw tables this waits, and the connection's lock timeout says
    so; dbt would only say that it has waited.
    """
    connection.execute("select pg_advisory_lock(%s, %s)", MODELS_LOCK)
    connection.execute(
        "lock table only bronze.raw_flights, only bronze.raw_polls in access share mode"
    )
    slice_id = newest_slice_id(connection)
    connection.commit()  # the session keeps the lock
    return slice_id


def keep_models_out(connection: Connection) -> None:
    """Wait until no run builds models, and let none begin before the transaction ends."""
    connection.execute("select pg_advisory_xact_lock(%s, %s)", MODELS_LOCK)


def newest_slice_id(connection: Connection) -> int:
    """Return the id of the newest slice in the ledger, 0 for an empty one."""
    row: Any = connection.execute(NEWEST_SLICE_ID).fetchone()
    return int(row[0])
