"""Who takes backups, and by which way to the server."""

from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict
from pydantic import SecretStr

from flight_assets.backup.take import backup_conninfo
from flight_assets.settings import Settings

LINE = "host=postgres port=5432 user=transform password=a dbname=warehouse sslmode=verify-full"
OF_LINE = conninfo_to_dict(LINE)
LOGIN = {"backup_postgres_user": "backup", "backup_postgres_password": SecretStr("b")}
OF_BACKUP = {"user": "backup", "password": "b", "dbname": "postgres"}


@pytest.mark.parametrize(
    ("settings", "changed"),
    [
        ({}, {}),
        (LOGIN, OF_BACKUP),
        (LOGIN | {"backup_postgres_host": "standby"}, OF_BACKUP | {"host": "standby"}),
        (
            LOGIN | {"backup_postgres_host": "/run/postgresql"},
            OF_BACKUP | {"host": "/run/postgresql", "sslmode": "disable"},
        ),
    ],
)
def test_backups_go_by_the_login_and_the_way_that_are_set(
    settings: dict[str, Any], changed: dict[str, str]
) -> None:
    found = conninfo_to_dict(backup_conninfo(Settings(**settings, _env_file=None), LINE))
    assert found == OF_LINE | changed


def test_a_socket_needs_no_authority() -> None:
    settings = Settings(backup_postgres_host="/run/postgresql", _env_file=None)
    found = conninfo_to_dict(backup_conninfo(settings, f"{LINE} sslrootcert=/ca"))
    assert "sslrootcert" not in found
