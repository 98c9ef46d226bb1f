"""`flight-assets migrate` and `prepare`: what has to be there before the line starts on servers.

Two commands, as two may call them: who may make databases and topics, and the line itself.
"""

from typing import TYPE_CHECKING, Annotated

import typer

from flight_assets.errors import FlightAssetsError

if TYPE_CHECKING:
    from flight_assets.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (migrate, prepare):
        app.command()(command)


def migrate(
    roles: Annotated[
        bool, typer.Option("--roles", help="And what `flight-assets roles apply` does.")
    ] = False,
) -> None:
    """Make the databases and topics that are missing, and migrate the warehouse.

    For servers that the settings name: once before the line starts, and with each new version.
    """
    from flight_assets.brokers import security_options
    from flight_assets.commands.roles import apply_to
    from flight_assets.feed.topics import PARTITION_COUNTS, ensure_topics
    from flight_assets.local import stack

    settings = settings_with_servers()
    if roles:
        refuse_weak_secrets(settings)
    endpoints = stack.up(settings, say=typer.echo)
    databases = (endpoints.postgres_db, endpoints.dagster_postgres_db)
    typer.echo(f"The databases {' and '.join(databases)} are there, the first one is migrated.")
    ensure_topics(endpoints.kafka_bootstrap_servers, security_options(settings))
    typer.echo(f"The topics {' and '.join(PARTITION_COUNTS)} are there.")
    if roles:
        apply_to(settings)


def prepare() -> None:
    """Bring Dagster's own tables to its version, and build the references where none are yet.

    After `migrate`, as the user that the line itself is.
    """
    import os

    from flight_assets.local import stack
    from flight_assets.local.endpoints import prepare_dagster_home

    settings = settings_with_servers()
    prepare_dagster_home(settings.home)
    endpoints = stack.endpoints(settings)
    os.environ.update(endpoints.environment())
    import dagster as dg

    from flight_assets.commands.demo import build_and_tell
    from flight_assets.warehouse.references import has_references

    with dg.DagsterInstance.get() as instance:
        instance.upgrade()
        typer.echo("Dagster's own tables are of its version.")
        if not has_references(endpoints.conninfo()):
            build_and_tell(instance)


def refuse_weak_secrets(settings: "Settings") -> None:
    """Raise ``FlightAssetsError`` naming each password that is missing, short or a default."""
    import time

    from flight_assets.secret_files import KAFKA, POSTGRES, SUPERUSER, problems_of

    names = [*POSTGRES]
    if (settings.secrets_dir / SUPERUSER).exists():  # a server of one's own may keep it elsewhere
        names.append(SUPERUSER)
    if settings.kafka_security_protocol != "PLAINTEXT":
        names += KAFKA
    found = problems_of(settings.secrets_dir, now_s=time.time(), names=names)
    if found:
        raise FlightAssetsError(f"nothing was started: {'; '.join(found)}")


def settings_with_servers() -> "Settings":
    """Return the settings; raises ``FlightAssetsError`` unless they name both servers."""
    from flight_assets.settings import load_settings

    settings = load_settings()
    if settings.postgres_host is None or settings.kafka_bootstrap_servers is None:
        raise FlightAssetsError(
            "POSTGRES_HOST and KAFKA_BOOTSTRAP_SERVERS are needed: `flight-assets up` starts and "
            "migrates local servers"
        )
    return settings
