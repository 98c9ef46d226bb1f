"""`flight-assets migrate`: what has to be there before any part of the line starts on servers."""

import typer

from flight_assets.errors import FlightAssetsError


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(migrate)


def migrate() -> None:
    """Make and migrate the databases, the topics and the first references; starts no server.

    For a deployment: it runs once before the other parts start, and again with each new version.
    """
    import os

    from flight_assets.local import stack
    from flight_assets.settings import load_settings

    settings = load_settings()
    if settings.postgres_host is None or settings.kafka_bootstrap_servers is None:
        raise FlightAssetsError(
            "POSTGRES_HOST and KAFKA_BOOTSTRAP_SERVERS are needed: `flight-assets up` starts and "
            "migrates local servers"
        )
    endpoints = stack.up(settings, say=typer.echo)
    os.environ.update(endpoints.environment())
    typer.echo(f"The database {endpoints.postgres_db} is migrated.")
    _topics(endpoints.kafka_bootstrap_servers)
    _dagster(endpoints.conninfo())


def _topics(bootstrap_servers: str) -> None:
    from flight_assets.feed.topics import PARTITION_COUNTS, ensure_topics

    ensure_topics(bootstrap_servers)
    typer.echo(f"The topics {', '.join(PARTITION_COUNTS)} are there.")


def _dagster(conninfo: str) -> None:
    """Bring Dagster's own tables to its version, and build the references that answers need."""
    import dagster as dg

    from flight_assets.warehouse.references import has_references

    with dg.DagsterInstance.get() as instance:
        instance.upgrade()
        typer.echo("Dagster's database is migrated.")
        if has_references(conninfo):
            return
        from flight_assets.commands.line import build_references

        done = build_references(instance)
        passed = sum(check.is_passed for check in done.checks)
        typer.echo(f"References are built: {passed} of {len(done.checks)} checks passed.")
