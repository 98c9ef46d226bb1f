"""`flight-assets secrets` and `roles`, as a person calls them, on a real Postgres."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_assets.secret_files import PASSWORDS
from flight_assets.settings import PROJECT_ROOT

pytestmark = pytest.mark.integration


@pytest.fixture
def place(
    database: str, no_settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """The directory of the secrets, beside a migrated warehouse of one's own server."""
    server, dagster = conninfo_to_dict(database), f"dagster_{uuid.uuid4().hex[:12]}"
    for variable, value in {
        "FLIGHT_ASSETS_HOME": tmp_path / "home",
        "FLIGHT_ASSETS_SECRETS": tmp_path / "secrets",
        "POSTGRES_HOST": server["host"],
        "POSTGRES_PORT": server["port"],
        "POSTGRES_USER": server["user"],
        "POSTGRES_PASSWORD": server["password"],
        "POSTGRES_DB": server["dbname"],
        "DAGSTER_POSTGRES_DB": dagster,
    }.items():
        monkeypatch.setenv(variable, str(value))
    yield tmp_path / "secrets"
    with psycopg.connect(make_conninfo(database, dbname="postgres"), autocommit=True) as admin:
        drop = sql.SQL("drop database if exists {} with (force)")
        admin.execute(drop.format(sql.Identifier(dagster)))


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flight_assets.cli", *arguments],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        cwd=PROJECT_ROOT,
    )


def lets_in(database: str, login: str, password: str) -> bool:
    try:
        psycopg.connect(make_conninfo(database, user=login, password=password)).close()
    except psycopg.OperationalError as error:
        assert "password authentication failed" in str(error)
        return False
    return True


def test_from_no_secret_to_logins_and_a_rotation(database: str, place: Path) -> None:
    assert call("secrets", "check").returncode == 1
    made = call("secrets", "make")
    assert made.returncode == 0 and "made kafka_poller_password" in made.stdout, made.stderr
    checked = call("secrets", "check")
    assert checked.returncode == 0, checked.stderr
    applied = call("roles", "apply")
    assert applied.returncode == 0, applied.stderr
    secret = place / "postgres_reader_password"
    old = secret.read_text().strip()
    assert lets_in(database, "reader", old)
    rotated = call("secrets", "rotate", secret.name)
    assert rotated.returncode == 0 and "Postgres takes from reader" in rotated.stdout
    new = secret.read_text().strip()
    assert (lets_in(database, "reader", old), lets_in(database, "reader", new)) == (False, True)
    outputs = [each.stdout + each.stderr for each in (made, checked, applied, rotated)]
    values = [(place / name).read_text().strip() for name in PASSWORDS] + [old]
    assert [value for value in values if value in "".join(outputs)] == []


def test_a_rotation_that_the_server_does_not_hear_of_changes_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("secrets", "make").returncode == 0
    before = (place / "postgres_reader_password").read_text()
    monkeypatch.setenv("POSTGRES_PASSWORD", "guess")
    done = call("secrets", "rotate", "postgres_reader_password")
    assert done.returncode == 1 and "rejects the password of user" in done.stderr
    assert (place / "postgres_reader_password").read_text() == before


def test_roles_without_secrets_name_the_file_that_is_missing(place: Path) -> None:
    done = call("roles", "apply")
    assert done.returncode == 1
    assert str(place / "postgres_owner_password") in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_start_with_a_weak_or_missing_password_is_refused_and_names_it(
    place: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the container stack starts: all others wait for `migrate --roles` to end well."""
    assert call("secrets", "make").returncode == 0
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")  # nobody is asked
    (place / "postgres_ingest_password").write_text("changeme-changeme-changeme\n")
    (place / "postgres_reader_password").unlink()
    done = call("migrate", "--roles")
    assert done.returncode == 1 and "nothing was started" in done.stderr
    assert "postgres_ingest_password looks like a default" in done.stderr
    assert "postgres_reader_password is missing" in done.stderr
    assert "changeme" not in done.stderr and done.stdout == ""


def test_a_deployment_has_its_databases_topics_and_logins_by_one_command(
    place: Path, database: str, kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call("secrets", "make").returncode == 0
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap)
    for _ in range(2):
        done = call("migrate", "--roles")
        assert done.returncode == 0, done.stderr
        assert "ingest" in done.stdout and "flights.positions" in done.stdout
    assert lets_in(database, "ingest", (place / "postgres_ingest_password").read_text().strip())


def test_roles_are_not_for_the_local_server(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTGRES_HOST")
    done = call("roles", "apply")
    assert done.returncode == 1 and "name it by POSTGRES_HOST" in done.stderr


def test_the_end_of_certificates_is_in_the_status(place: Path) -> None:
    assert call("secrets", "make").returncode == 0
    shown = call("status")
    assert "ca_certificate until 20" in shown.stdout, shown.stdout + shown.stderr
