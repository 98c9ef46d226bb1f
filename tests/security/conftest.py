"""A warehouse and a Dagster database whose logins may only what they should."""

import secrets
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from flight_assets.warehouse.privileges import LOGINS
from flight_assets.warehouse.roles import apply_roles

# What dbt makes in its layers, as far as the acts touch it; made before and after the grants.
OF_DBT = """
create table silver.airports (airport_icao text);
create table gold.answered_hours (as_of_hour timestamptz);
"""
OF_DAGSTER = "create table runs (id bigint generated always as identity primary key)"


@dataclass(frozen=True, kw_only=True)
class Databases:
    """Connection strings of the superuser, and the passwords of the logins."""

    warehouse: str
    dagster: str
    passwords: dict[str, str]

    def of(self, login: str, *, in_dagster: bool = False) -> str:
        database = self.dagster if in_dagster else self.warehouse
        return make_conninfo(database, user=login, password=self.passwords[login])


# The logins are the server's, so every test of a process gives them the same passwords.
PASSWORDS = {login: secrets.token_urlsafe(24) for login in LOGINS}


@contextmanager
def new_databases(server_conninfo: str, template: str) -> Iterator[Databases]:
    """Give a migrated warehouse and a Dagster database with the logins, dropped afterwards.

    There is nothing in it that dbt or Dagster makes.
    """
    names = [f"{kind}_{uuid.uuid4().hex[:12]}" for kind in ("warehouse", "dagster")]
    with psycopg.connect(server_conninfo, dbname="postgres", autocommit=True) as admin:
        for name, source in zip(names, (template, "template1"), strict=True):
            create = sql.SQL("create database {} template {}")
            admin.execute(create.format(sql.Identifier(name), sql.Identifier(source)))
        try:
            warehouse, dagster = (make_conninfo(server_conninfo, dbname=name) for name in names)
            apply_roles(warehouse, dagster, PASSWORDS)
            yield Databases(warehouse=warehouse, dagster=dagster, passwords=PASSWORDS)
        finally:
            for name in names:
                admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def put_to_use(databases: Databases) -> Databases:
    """Make what dbt and Dagster make, by their logins."""
    with psycopg.connect(databases.of("transform")) as connection:
        connection.execute(OF_DBT.encode())
    with psycopg.connect(databases.of("dagster", in_dagster=True)) as connection:
        connection.execute(OF_DAGSTER)
    return databases


@pytest.fixture
def bare(server_conninfo: str, _template: str) -> Iterator[Databases]:
    """Both databases with the logins alone."""
    with new_databases(server_conninfo, _template) as databases:
        yield databases


@pytest.fixture
def databases(bare: Databases) -> Databases:
    """Both databases in use, for a test that changes them."""
    return put_to_use(bare)


@pytest.fixture(scope="module")
def tried(server_conninfo: str, _template: str) -> Iterator[Databases]:
    """Both databases in use, for tests that leave them as they are."""
    with new_databases(server_conninfo, _template) as databases:
        yield put_to_use(databases)
