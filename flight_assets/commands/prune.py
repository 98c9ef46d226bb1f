"""`flight-assets prune`: what the daily job prunes of the warehouse, now."""

from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(prune)


def prune(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")
    ] = False,
) -> None:
    """Drop the days of bronze that are old and modelled; starts the local Postgres if it sleeps.

    Rejected messages, fleets and Dagster's runs are left to the daily job.
    """
    from datetime import UTC, datetime

    from flight_assets.commands.stack import say
    from flight_assets.local.stack import up_postgres
    from flight_assets.settings import load_settings
    from flight_assets.warehouse.connection import connect
    from flight_assets.warehouse.retention import bronze_plan, prune_bronze

    settings, now = load_settings(), datetime.now(UTC)
    asked: dict[str, Any] = {"now": now, "age_days": settings.retention_bronze_days}
    of_bronze = up_postgres(settings, say=say, writes_bronze=True)
    with (
        connect(of_bronze, read_only=dry_run) as connection,
        connect(up_postgres(settings), read_only=True) as models,
    ):
        asked["models"] = models
        if dry_run:
            planned = bronze_plan(connection, **asked)
            went, kept = [f"{day} would go" for day in planned.may_go], planned.kept
        else:
            pruned = prune_bronze(connection, **asked)
            kept = pruned.kept
            went = [f"{d.day}: {d.row_count:,} rows, {d.byte_count:,} bytes" for d in pruned.days]
    for line in went:
        typer.echo(line)
    for day, reason in kept.items():
        typer.echo(f"{day} stays: {reason}")
    if not went and not kept:
        typer.echo(f"no day is older than RETENTION_BRONZE_DAYS={settings.retention_bronze_days}")
