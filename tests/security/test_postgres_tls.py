"""Every way of ours to Postgres, against one that refuses whoever does not come by TLS."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_assets.commands.secrets import tell_postgres
from flight_assets.errors import FlightAssetsError
from flight_assets.local import stack
from flight_assets.resources import resources
from flight_assets.settings import PROJECT_ROOT, Settings
from flight_assets.warehouse.connection import connect, conninfo
from flight_assets.warehouse.migrate import create_database_if_missing, migrate, newest_revision
from flight_assets.warehouse.privileges import BACKUP, LOGINS
from flight_assets.warehouse.roles import apply_roles

from .conftest import PASSWORDS
from .secured_postgres import SecuredPostgres, running_postgres

pytestmark = pytest.mark.integration

IS_ENCRYPTED = "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"
ALL_ENCRYPTED = """
select count(*), bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid)
where datname = %s and pid <> pg_backend_pid()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SecuredPostgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def secured(
    server: SecuredPostgres, no_settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """Settings that want the server's certificate to be right, in the environment too."""
    for name in [name for name in os.environ if name.startswith("PGSSL")]:
        monkeypatch.delenv(name)
    password = tmp_path / "password"
    password.write_text(server.password)
    parts = conninfo_to_dict(server.conninfo)
    for name, value in {
        "FLIGHT_ASSETS_HOME": tmp_path / "home",
        "FLIGHT_ASSETS_SECRETS": tmp_path / "none",
        "POSTGRES_HOST": parts["host"],
        "POSTGRES_PORT": parts["port"],
        "POSTGRES_USER": parts["user"],
        "POSTGRES_PASSWORD_FILE": password,
        "POSTGRES_SSLMODE": "verify-full",
        "POSTGRES_SSLROOTCERT": server.ca,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, str(value))
    found = Settings(_env_file=None)
    create_database_if_missing(conninfo(found))
    create_database_if_missing(conninfo(found.for_dagster()))
    migrate(conninfo(found))
    return found


def test_who_comes_in_the_clear_is_refused(server: SecuredPostgres) -> None:
    with pytest.raises(FlightAssetsError, match="takes no connections in the clear: set POSTGRES_"):
        connect(make_conninfo(server.conninfo, sslmode="disable"))


@pytest.mark.parametrize("mode", ["verify-ca", "verify-full"])
def test_a_server_of_another_authority_is_refused(
    server: SecuredPostgres, tmp_path: Path, mode: str
) -> None:
    other = make_conninfo(server.conninfo, sslmode=mode, sslrootcert=server.certificate)
    with pytest.raises(FlightAssetsError, match=r"certificate.*POSTGRES_SSLROOTCERT") as error:
        connect(other)
    assert server.password not in str(error.value)


def test_a_server_of_another_name_is_refused_in_full_verification(server: SecuredPostgres) -> None:
    named = {"host": "elsewhere.example", "hostaddr": "127.0.0.1", "sslrootcert": str(server.ca)}
    connect(make_conninfo(server.conninfo, sslmode="verify-ca", **named)).close()
    with pytest.raises(FlightAssetsError, match=r"certificate.*elsewhere\.example"):
        connect(make_conninfo(server.conninfo, sslmode="verify-full", **named))


def test_migrations_and_the_resource_come_by_tls(secured: Settings) -> None:
    with connect(conninfo(secured)) as connection:
        assert connection.execute(IS_ENCRYPTED).fetchone() == (True, "TLSv1.3")
        row = connection.execute("select version_num from alembic_version").fetchone()
        assert row == (newest_revision(),)
    # as the code location has it: what `flight-assets run` puts into the environment
    environment = stack.endpoints(secured).environment()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        with (
            dg.build_resources({"postgres": resources()["postgres"]}) as built,
            built.postgres.connect() as connection,
        ):
            assert connection.execute(IS_ENCRYPTED).fetchone() == (True, "TLSv1.3")


def test_dagsters_storage_comes_by_tls(
    secured: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(PROJECT_ROOT / "dagster.yaml", tmp_path / "dagster.yaml")
    for name, value in stack.endpoints(secured).environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with (
        dg.DagsterInstance.get() as instance,
        instance.run_storage.connect() as connection,
    ):
        row = connection.exec_driver_sql(IS_ENCRYPTED).fetchone()
    assert row is not None and tuple(row) == (True, "TLSv1.3")


def test_dbt_comes_by_tls(secured: Settings, tmp_path: Path) -> None:
    environment = {**os.environ, **stack.endpoints(secured).environment()}
    # libpq's own variables would hide that dbt's profile has none
    environment = {k: v for k, v in environment.items() if not k.startswith("PGSSL")}
    dbt = Path(sys.executable).parent / "dbt"
    project = str(PROJECT_ROOT / "dbt_project")
    places = ["--project-dir", project, "--profiles-dir", project]
    places += ["--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")]
    show = [str(dbt), "show", "--inline", IS_ENCRYPTED, "--output", "json"]
    done = subprocess.run(
        [*show, *places], env=environment, capture_output=True, text=True, timeout=300
    )
    assert '"ssl": true' in done.stdout, done.stdout + done.stderr
    without = {k: v for k, v in environment.items() if k != "POSTGRES_SSLMODE"}
    refused = subprocess.run(
        [*show, *places],
        env={**without, "POSTGRES_SSLMODE": "disable"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert refused.returncode != 0 and "no encryption" in refused.stdout + refused.stderr


def test_only_the_backup_may_copy_the_server(secured: Settings) -> None:
    warehouse, dagster = conninfo(secured), conninfo(secured.for_dagster())
    apply_roles(warehouse, dagster, PASSWORDS)
    for login in LOGINS:
        asked = make_conninfo(warehouse, user=login, password=PASSWORDS[login], replication="true")
        if login == BACKUP:
            with psycopg.connect(asked, autocommit=True) as connection:
                assert connection.execute("IDENTIFY_SYSTEM").fetchone()
            continue
        with pytest.raises(psycopg.OperationalError, match=r"replication|WAL sender"):
            psycopg.connect(asked)


def test_the_superusers_own_password_is_changed_by_itself(
    secured: Settings, server: SecuredPostgres
) -> None:
    new = "another-" + server.password
    tell_postgres(secured, None, new)
    with pytest.raises(FlightAssetsError, match="rejects the password of user super"):
        connect(conninfo(secured))
    server.password = new
    connect(make_conninfo(server.conninfo, sslmode="require")).close()
