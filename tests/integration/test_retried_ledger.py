"""The ledger with retried slices beside its chain: its migration, and how ends are found."""

import os
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from flight_assets.warehouse.migrate import MIGRATIONS, migrate
from kafka_sensors.ledger import ENDS

pytestmark = pytest.mark.integration

LAND = """
insert into bronze.landed_slices
    (kind, topic, topic_id, kafka_partition, start_offset, end_offset, log_hour)
values (%s, 't', 'id', 0, %s, %s, '2025-07-20 08:00Z')
"""


def migrate_by(conninfo: str, move: Callable[..., Any], revision: str) -> None:
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo), poolclass=NullPool
    )
    config = Config()
    config.set_main_option("script_location", os.fspath(MIGRATIONS).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        move(config, revision)


def test_a_ledger_migrates_there_and_back_unless_messages_were_retried(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for kind, start, end in (("landed", 0, 5), ("hole", 5, 9)):
            connection.execute(LAND, [kind, start, end])
        rows = "select slice_id, kind, start_offset, end_offset from bronze.landed_slices"
        before = connection.execute(rows).fetchall()
        migrate_by(database, command.downgrade, "0002")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(LAND, ["landed", 0, 5])
        migrate(database)
        assert connection.execute(rows).fetchall() == before
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute(LAND, ["hole", 0, 5])
        connection.execute(LAND, ["retried", 0, 5])
        with pytest.raises(DBAPIError, match="replay their hours first"):
            migrate_by(database, command.downgrade, "0002")


def test_the_end_of_a_chain_is_found_by_its_index(database: str) -> None:
    asked = {"topic": "t", "topic_id": "id", "partitions": [0]}
    with psycopg.connect(database) as connection:
        with connection.cursor() as cursor:
            cursor.executemany(LAND, [("landed", n, n + 1) for n in range(5_000)])
            cursor.executemany(LAND, [("retried", 4_999, 5_000) for _ in range(5)])
        connection.execute("analyze bronze.landed_slices")
        ends = ENDS.format(schema="bronze")
        assert [row[1] for row in connection.execute(ends.encode(), asked)] == [5_000]
        plan = connection.execute(f"explain {ends}".encode(), asked).fetchall()
        assert any("landed_slices_chain" in line for (line,) in plan), plan
