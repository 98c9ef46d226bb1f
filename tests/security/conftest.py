"""A warehouse and a Dagster database whose logins may only what they should."""

import secrets
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.core.polls import POLLS_TOPIC
from flight_assets.feed.topics import ensure_topics
from flight_assets.settings import PROJECT_ROOT
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


# In every password, and nowhere else: where it is found, a password was told.
MARKER = secrets.token_hex(12)
# The logins are the server's, so every test of a process gives them the same passwords.
PASSWORDS = {login: f"{MARKER}-{secrets.token_urlsafe(12)}" for login in LOGINS}


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


@pytest.fixture
def new_topics(kafka_bootstrap: str) -> str:
    """The ``host:port`` of a Kafka whose topics hold nothing that other tests published."""
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    there = {POSITIONS_TOPIC, POLLS_TOPIC} & set(admin.list_topics(timeout=20).topics)
    for deleted in admin.delete_topics([*there]).values() if there else ():
        deleted.result()
    ensure_topics(kafka_bootstrap)
    return kafka_bootstrap


@pytest.fixture
def by_roles(
    bare: Databases,
    new_topics: str,
    no_settings: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Databases:
    """A code location with three logins, in the environment as in production."""
    warehouse = conninfo_to_dict(bare.warehouse)
    for variable, value in {
        "FLIGHT_ASSETS_HOME": tmp_path / "home",
        "FLIGHT_ASSETS_SECRETS": tmp_path / "secrets",
        "POSTGRES_HOST": warehouse["host"],
        "POSTGRES_PORT": warehouse["port"],
        "POSTGRES_USER": "transform",
        "POSTGRES_PASSWORD": bare.passwords["transform"],
        "POSTGRES_INGEST_USER": "ingest",
        "POSTGRES_INGEST_PASSWORD": bare.passwords["ingest"],
        "POSTGRES_DB": warehouse["dbname"],
        "DAGSTER_POSTGRES_DB": conninfo_to_dict(bare.dagster)["dbname"],
        "DAGSTER_POSTGRES_USER": "dagster",
        "DAGSTER_POSTGRES_PASSWORD": bare.passwords["dagster"],
        "KAFKA_BOOTSTRAP_SERVERS": new_topics,
        "FEED_SOURCE": "simulated",
        "FEED_REQUESTS_PER_MINUTE": "1000",
        "DAGSTER_HOME": tmp_path / "dagster",
    }.items():
        monkeypatch.setenv(variable, str(value))
    (tmp_path / "dagster").mkdir()
    shutil.copy(PROJECT_ROOT / "dagster.yaml", tmp_path / "dagster" / "dagster.yaml")
    return bare


@pytest.fixture(scope="module")
def tried(server_conninfo: str, _template: str) -> Iterator[Databases]:
    """Both databases in use, for tests that leave them as they are."""
    with new_databases(server_conninfo, _template) as databases:
        yield put_to_use(databases)
