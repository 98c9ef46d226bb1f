"""Dagster's storage over connections that stay open.

Of its own accord dagster-postgres opens a connection for every statement, three for an event of an
asset: a second of the time between a poll and gold, and as much again of the processor's. Held are
they only in processes with one instance for all of their life, the daemon and a run. In the code
server each tick has an instance of its own, and nobody would close them.
"""

from typing import Any

import dagster as dg
import sqlalchemy
from dagster._core.storage.sql import create_engine
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage

# of each of the three storages; the daemon's threads open more for a moment, and close them
KEPT = 2
MOST_MORE = 20
OF_POSTGRES = (PostgresRunStorage, PostgresEventLogStorage, PostgresScheduleStorage)


def hold(instance: dg.DagsterInstance) -> None:
    """Let the instance's storages in Postgres keep their connections. Others stay as they are.

    A connection that the server has closed meanwhile is replaced before it is used.
    """
    for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
        if isinstance(storage, OF_POSTGRES) and not _holds(storage):
            storage._engine = _holding(storage)


def _holds(storage: Any) -> bool:
    return isinstance(storage._engine.pool, sqlalchemy.QueuePool)


def _holding(storage: Any) -> sqlalchemy.Engine:
    return create_engine(
        storage.postgres_url,
        isolation_level="AUTOCOMMIT",
        pool_size=KEPT,
        max_overflow=MOST_MORE,
        pool_pre_ping=True,
    )
