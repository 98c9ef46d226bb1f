"""Where the stack's servers are, and the environment that tells child processes so."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from flight_assets.settings import PROJECT_ROOT, Settings

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
    settings: Settings = field(repr=False)  # with what is above filled in: logins, TLS

    def conninfo(self, *, writes_bronze: bool = False) -> str:
        """Return the connection string of the warehouse, password included.

        It is that of the login that writes bronze if asked for.
        """
        from flight_assets.warehouse.connection import conninfo

        return conninfo(self.settings.for_bronze() if writes_bronze else self.settings)

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
            **logins(self.settings),
            **security(self.settings),
        }


def logins(settings: Settings) -> dict[str, str]:
    """Return Dagster's login, the warehouse's where it has none, and bronze's where it has one."""
    dagster = settings.for_dagster()
    found = {"DAGSTER_POSTGRES": (dagster.postgres_user, dagster.postgres_password)}
    if settings.postgres_ingest_user is not None:
        bronze = settings.for_bronze()
        found["POSTGRES_INGEST"] = (bronze.postgres_user, bronze.postgres_password)
    environment = {}
    for name, (user, password) in found.items():
        assert user is not None and password is not None  # conninfo has asked for them
        environment |= {f"{name}_USER": user, f"{name}_PASSWORD": password.get_secret_value()}
    return environment


def security(settings: Settings) -> dict[str, str]:
    """Return what secures connections: for our own code, for dbt and, by libpq's names, Dagster."""
    from flight_assets.warehouse.connection import tls

    environment = {
        "POSTGRES_SSLMODE": settings.postgres_sslmode,
        "KAFKA_SECURITY_PROTOCOL": settings.kafka_security_protocol,
    }
    for name, value in tls(settings).items():
        environment |= {f"POSTGRES_{name.upper()}": value, f"PG{name.upper()}": value}
    if settings.kafka_security_protocol == "PLAINTEXT":
        return environment
    assert settings.kafka_sasl_username and settings.kafka_sasl_password  # the settings see to it
    environment["KAFKA_SASL_USERNAME"] = settings.kafka_sasl_username
    environment["KAFKA_SASL_PASSWORD"] = settings.kafka_sasl_password.get_secret_value()
    if settings.kafka_ssl_ca is not None:
        environment["KAFKA_SSL_CA"] = str(settings.kafka_ssl_ca)
    return environment


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
