"""Fixtures over real servers: the warehouse of modelled.py, and a line with its Dagster instance.

The first is parsed once a module and emptied for each test, the second new for each test.
"""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from dbt.cli.main import dbtRunner
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_assets.feed.topics import ensure_topics
from flight_assets.settings import PROJECT_ROOT, Settings
from flight_assets.warehouse.connection import connect
from flight_assets.warehouse.migrate import create_database_if_missing, migrate

from .backup_site import Site, new_site, put_back, stopped
from .modelled import Modelled


@pytest.fixture(scope="module")
def parsed(server_conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Modelled]:
    """One database for the module: dbt's manifest names it, and parsing takes seconds."""
    conninfo = make_conninfo(server_conninfo, dbname="models")
    create_database_if_missing(conninfo)
    migrate(conninfo)
    target = tmp_path_factory.mktemp("dbt")
    with pytest.MonkeyPatch.context() as patch, connect(conninfo, autocommit=True) as connection:
        for name, value in conninfo_to_dict(conninfo).items():
            patch.setenv(
                {"dbname": "POSTGRES_DB"}.get(name, f"POSTGRES_{name.upper()}"), str(value)
            )
        project = str(PROJECT_ROOT / "dbt_project")
        places = ["--project-dir", project, "--profiles-dir", project, "--target-path", str(target)]
        parsed = dbtRunner().invoke(["parse", *places, "--log-path", str(target), "--quiet"])
        assert parsed.success, parsed.exception
        yield Modelled(connection, parsed.result, target)  # type: ignore[arg-type]


@pytest.fixture
def modelled(parsed: Modelled) -> Modelled:
    parsed.reset()
    return parsed


@pytest.fixture
def postgres_instance(server_conninfo: str) -> Iterator[dg.DagsterInstance]:
    """Dagster on a database of its own."""
    name = f"dagster_{uuid.uuid4().hex[:12]}"
    where = conninfo_to_dict(server_conninfo) | {"dbname": name}
    create_database_if_missing(make_conninfo(server_conninfo, dbname=name))
    storage = {
        "username": where["user"],
        "password": where["password"],
        "hostname": where["host"],
        "port": int(str(where["port"])),
        "db_name": where["dbname"],
        "scheme": "postgresql+psycopg2",
    }
    overrides = {"storage": {"postgres": {"postgres_db": storage}}}
    with dg.instance_for_test(overrides=overrides) as made:
        yield made
    with connect(make_conninfo(server_conninfo, dbname="postgres"), autocommit=True) as admin:
        admin.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def outside_servers(
    new_home: Path, database: str, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings of somebody whose Postgres and Kafka run elsewhere: the test's own."""
    parts = conninfo_to_dict(database)
    for name in ("host", "port", "user", "password"):
        monkeypatch.setenv(f"POSTGRES_{name.upper()}", str(parts[name]))
    monkeypatch.setenv("POSTGRES_DB", str(parts["dbname"]))
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)


@pytest.fixture
def settings(
    database: str,
    kafka_bootstrap: str,
    no_settings: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Settings]:
    """Settings, in the environment too, of a migrated warehouse and an empty Dagster database."""
    server = conninfo_to_dict(database)
    name = f"dagster_{uuid.uuid4().hex[:12]}"
    admin = make_conninfo(database, dbname="postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    for variable, value in {
        "FLIGHT_ASSETS_HOME": tmp_path / "home",
        "POSTGRES_HOST": server["host"],
        "POSTGRES_PORT": server["port"],
        "POSTGRES_USER": server["user"],
        "POSTGRES_PASSWORD": server["password"],
        "POSTGRES_DB": server["dbname"],
        "DAGSTER_POSTGRES_DB": name,
        "DAGSTER_POSTGRES_USER": server["user"],
        "DAGSTER_POSTGRES_PASSWORD": server["password"],
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
    }.items():
        monkeypatch.setenv(variable, str(value))
    ensure_topics(kafka_bootstrap)
    yield Settings(_env_file=None)
    with psycopg.connect(admin, autocommit=True) as connection:
        drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
        connection.execute(drop)


@pytest.fixture
def instance(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """An instance as the project configures it, on the Postgres of the settings."""
    shutil.copy(PROJECT_ROOT / "dagster.yaml", tmp_path / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as found:
        yield found


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """A server that archives its log, with a base backup."""
    root = Path(tempfile.mkdtemp(prefix="flight-assets-backup-"))
    root.chmod(0o755)
    try:
        yield new_site(root)
    finally:
        stopped(root / "home")
        shutil.rmtree(root)


@pytest.fixture
def repaired(site: Site) -> Iterator[None]:
    """What a test does to the files of the backups is undone after it."""
    with put_back(site.places.root):
        yield


@pytest.fixture
def target(site: Site) -> Iterator[Path]:
    """A directory to restore into, that is not there yet."""
    home = site.home.with_name("target")
    yield home
    if home.exists():
        stopped(home)
        shutil.rmtree(home)
