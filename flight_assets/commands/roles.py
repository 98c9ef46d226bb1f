"""`flight-assets roles apply`: the logins of Postgres, and Kafka's users, with their rights."""

from typing import TYPE_CHECKING

import typer

from flight_assets.errors import FlightAssetsError

if TYPE_CHECKING:
    from pathlib import Path

    from flight_assets.settings import Settings

app = typer.Typer(help="Who may do what in Postgres and Kafka.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands to the app."""
    parent.add_typer(app, name="roles")


@app.command()
def apply() -> None:
    """Make logins, users and rights, or put them right; their passwords are in the secrets' files.

    As POSTGRES_USER, a superuser, and KAFKA_SASL_USERNAME, Kafka's. Safe to repeat; call it after
    `up` and after each upgrade.
    """
    from flight_assets.settings import load_settings

    settings = load_settings()
    if settings.postgres_host is None:
        raise FlightAssetsError(
            "roles are for a Postgres of your own: name it by POSTGRES_HOST; the local one has one "
            "user"
        )
    apply_to(settings)


def apply_to(settings: "Settings") -> None:
    """Do so on the servers that the settings name."""
    apply_to_postgres(settings)
    if settings.kafka_security_protocol == "PLAINTEXT":
        typer.echo("Kafka: no log-ins (KAFKA_SECURITY_PROTOCOL is PLAINTEXT)")
    else:
        apply_to_kafka(settings)


def apply_to_postgres(settings: "Settings") -> None:
    """Make the logins of Postgres and their rights in the two databases."""
    from flight_assets.secret_files import POSTGRES
    from flight_assets.warehouse.connection import conninfo
    from flight_assets.warehouse.migrate import create_database_if_missing
    from flight_assets.warehouse.roles import apply_roles

    passwords = passwords_of(settings.secrets_dir, POSTGRES)
    dagster = conninfo(settings, dbname=settings.dagster_postgres_db)
    create_database_if_missing(dagster)
    apply_roles(conninfo(settings), dagster, passwords)
    typer.echo(f"Postgres: {', '.join(passwords)} have their rights")


def apply_to_kafka(settings: "Settings") -> None:
    """Make Kafka's topics, its users and their rights."""
    from flight_assets.brokers import security_options
    from flight_assets.feed.access import apply_access
    from flight_assets.feed.topics import ensure_topics
    from flight_assets.secret_files import KAFKA

    servers, security = str(settings.kafka_bootstrap_servers), security_options(settings)
    ensure_topics(servers, security)
    passwords = passwords_of(settings.secrets_dir, KAFKA)
    apply_access(servers, security, passwords)
    typer.echo(f"Kafka: {', '.join(passwords)} have their rights")


def passwords_of(place: "Path", names: dict[str, str]) -> dict[str, str]:
    """Return the passwords by the login or user that each is of."""
    from flight_assets.secret_files import secret_in

    return {login: secret_in(place, name) for name, login in names.items()}
