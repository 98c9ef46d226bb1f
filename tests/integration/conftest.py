"""The warehouse of modelled.py as a fixture: parsed once a module, emptied for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dbt.cli.main import dbtRunner
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_assets.settings import PROJECT_ROOT
from flight_assets.warehouse.connection import connect
from flight_assets.warehouse.migrate import create_database_if_missing, migrate

from .modelled import Modelled


@pytest.fixture(scope="module")
def _parsed(server_conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Modelled]:
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
def modelled(_parsed: Modelled) -> Modelled:
    _parsed.reset()
    return _parsed


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
