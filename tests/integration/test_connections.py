"""Dagster's storage in Postgres over connections that stay open."""

import dagster as dg
import pytest
import sqlalchemy
from psycopg import sql
from psycopg.conninfo import make_conninfo

from flight_assets.warehouse.connection import connect
from flight_assets.workers.connections import hold

pytestmark = pytest.mark.integration


def backend(instance: dg.DagsterInstance) -> int:
    """Return which process of the server answers the run storage."""
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        return int(connection.execute(sqlalchemy.text("select pg_backend_pid()")).scalar_one())


def test_the_same_connection_serves_one_question_after_another(
    postgres_instance: dg.DagsterInstance,
) -> None:
    assert backend(postgres_instance) != backend(postgres_instance)
    hold(postgres_instance)
    assert backend(postgres_instance) == backend(postgres_instance)


def test_a_connection_that_the_server_has_closed_is_replaced(
    postgres_instance: dg.DagsterInstance, server_conninfo: str
) -> None:
    hold(postgres_instance)
    held = backend(postgres_instance)
    everywhere = make_conninfo(server_conninfo, dbname="postgres")
    with connect(everywhere, autocommit=True) as admin:
        admin.execute(sql.SQL("select pg_terminate_backend({}, 5000)").format(held))
    assert backend(postgres_instance) != held
    assert postgres_instance.get_runs() == []


def test_holding_twice_keeps_the_connections(postgres_instance: dg.DagsterInstance) -> None:
    hold(postgres_instance)
    held = backend(postgres_instance)
    hold(postgres_instance)
    assert backend(postgres_instance) == held


def test_other_storages_stay_as_they_are() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        hold(instance)
        assert instance.get_runs() == []
