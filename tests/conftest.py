"""Fixtures of the tests that need real servers: they start their own and leave none behind."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from flight_assets.local import kafka, postgres, stack
from flight_assets.local.postgres import LocalPostgres
from flight_assets.local.processes import heed_interrupts
from flight_assets.local.state import locked_state
from flight_assets.settings import Settings
from flight_assets.warehouse.migrate import create_database_if_missing, migrate
from tests.apache_kafka import libs_or_skip

TEMPLATE = "migrated"


def pytest_configure() -> None:
    """Let what the tests start be stopped, also where the tests run in the background."""
    heed_interrupts()


@pytest.fixture(scope="session")
def stack_home() -> Iterator[Path]:
    """A home directory of its own, whose servers are stopped when the session ends."""
    home = Path(tempfile.mkdtemp(prefix="flight-assets-tests-"))
    home.chmod(0o755)  # as root Postgres runs as another user, who must be able to enter
    try:
        yield home
    finally:
        with locked_state(home) as state:
            kafka.stop_server(state)
            postgres.stop_server(state)
        shutil.rmtree(home)


@pytest.fixture(scope="session")
def postgres_server(stack_home: Path) -> LocalPostgres:
    """A running Postgres: host, port, user, password."""
    with locked_state(stack_home) as state:
        return postgres.start(state)


@pytest.fixture(scope="session")
def server_conninfo(postgres_server: LocalPostgres) -> str:
    """The connection string of that server, without a database."""
    return make_conninfo(
        host=postgres_server.host,
        port=postgres_server.port,
        user=postgres_server.user,
        password=postgres_server.password,
    )


@pytest.fixture(scope="session")
def _template(server_conninfo: str) -> str:
    conninfo = make_conninfo(server_conninfo, dbname=TEMPLATE)
    create_database_if_missing(conninfo)
    migrate(conninfo)
    return TEMPLATE


@pytest.fixture
def database(server_conninfo: str, _template: str) -> Iterator[str]:
    """The connection string of a fresh, migrated database, dropped after the test."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = make_conninfo(server_conninfo, dbname="postgres")
    identifiers = {"name": sql.Identifier(name), "template": sql.Identifier(_template)}
    create = sql.SQL("create database {name} template {template}").format(**identifiers)
    drop = sql.SQL("drop database {name} with (force)").format(**identifiers)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(create)
    try:
        yield make_conninfo(server_conninfo, dbname=name)
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(drop)


@pytest.fixture(scope="session")
def kafka_bootstrap(stack_home: Path) -> str:
    """The ``host:port`` of a real Apache Kafka; skips where this machine cannot run one."""
    libs = libs_or_skip()
    with locked_state(stack_home) as state:
        return kafka.start(state, libs)


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's own, but for the place of Kafka's jars."""
    for field in Settings.model_fields.values():
        if field.validation_alias != "FLIGHT_ASSETS_KAFKA_LIBS":
            monkeypatch.delenv(str(field.validation_alias), raising=False)
            monkeypatch.delenv(f"{field.validation_alias}_FILE", raising=False)


@pytest.fixture
def new_home(no_settings: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home that nothing was started in; whatever is started there is stopped."""
    place = Path(tempfile.mkdtemp(prefix="flight-assets-tests-"))
    place.chmod(0o755)
    monkeypatch.setenv("FLIGHT_ASSETS_HOME", str(place / "home"))
    try:
        yield place / "home"
    finally:
        stack.down(Settings())
        shutil.rmtree(place)
