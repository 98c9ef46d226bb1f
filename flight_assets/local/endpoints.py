"""Where the stack's servers are, and the environment that tells child processes so."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flight_assets.settings import PROJECT_ROOT

KafkaKind = Literal["apache", "builtin", "external"]


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """The servers that are up, local or not, with what a client needs to use them."""

    home: Path
    postgres_host: str
    postgres_port: int
    postgres_user: str
    postgres_password: str = field(repr=False)
    postgres_db: str
    dagster_postgres_db: str
    is_postgres_local: bool
    kafka_bootstrap_servers: str
    kafka_kind: KafkaKind

    def conninfo(self) -> str:
        """Return the connection string of the warehouse, password included."""
        from psycopg.conninfo import make_conninfo

        return make_conninfo(
            host=self.postgres_host,
            port=self.postgres_port,
            user=self.postgres_user,
            password=self.postgres_password,
            dbname=self.postgres_db,
        )

    def environment(self) -> dict[str, str]:
        """Return what ``dagster``, ``dbt`` and our own commands read, by its names there."""
        return {
            "FLIGHT_ASSETS_HOME": str(self.home),
            "POSTGRES_HOST": self.postgres_host,
            "POSTGRES_PORT": str(self.postgres_port),
            "POSTGRES_USER": self.postgres_user,
            "POSTGRES_PASSWORD": self.postgres_password,
            "POSTGRES_DB": self.postgres_db,
            "DAGSTER_POSTGRES_DB": self.dagster_postgres_db,
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers,
            "DAGSTER_HOME": str(dagster_home(self.home)),
            # dagster-postgres opens a connection for every event; a batch takes one
            "DAGSTER_EVENT_BATCH_SIZE": "500",
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        }


def dagster_home(home: Path) -> Path:
    """Return the directory of the Dagster instance."""
    return home / "dagster"


def prepare_dagster_home(home: Path) -> None:
    """Put the project's ``dagster.yaml`` in place, and tell the UI that it has greeted us."""
    place = dagster_home(home)
    (place / ".nux").mkdir(parents=True, exist_ok=True)
    _write_if_changed(place / ".nux" / "nux.yaml", "seen: 1\n")
    instance = PROJECT_ROOT / "dagster.yaml"
    if instance.exists():
        _write_if_changed(place / instance.name, instance.read_text())


def _write_if_changed(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text)
    new.replace(path)
