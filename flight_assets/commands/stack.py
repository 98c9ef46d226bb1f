"""`flight-assets up`, `down`, `status` and `env`."""

import shlex
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add these commands to the app."""
    for command in (up, down, status, env):
        app.command()(command)


def say(text: str) -> None:
    """Tell a person what happens, apart from what the command returns."""
    typer.echo(text, err=True)


def up() -> None:
    """Start Postgres and Kafka where they do not run, and migrate the warehouse."""
    from flight_assets.local import stack
    from flight_assets.settings import load_settings

    endpoints = stack.up(load_settings(), say=say)
    where = "local" if endpoints.is_postgres_local else "external"
    typer.echo(f"Postgres  {endpoints.postgres_host}:{endpoints.postgres_port}  {where}")
    typer.echo(f"Kafka     {endpoints.kafka_bootstrap_servers}  {endpoints.kafka_kind}")
    say('Next: eval "$(flight-assets env)" in a shell of your own, or `flight-assets demo`.')


def down() -> None:
    """Stop every process of the stack; the data stays."""
    from flight_assets.local import stack
    from flight_assets.settings import load_settings

    stopped = stack.down(load_settings(), say=say)
    typer.echo(f"Stopped {', '.join(stopped)}." if stopped else "Nothing was running.")


def status(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what runs and how the line is; exit code 1 where something needs a person.

    Asks Kafka, the warehouse and Dagster's database and starts nothing: what does not answer within
    a few seconds is named as not known. Warnings alone leave the exit code 0.
    """
    from rich.console import Console

    from flight_assets.commands import show_status
    from flight_assets.core.health import has_trouble, problems
    from flight_assets.health.here import report_here
    from flight_assets.local.status import status as status_of
    from flight_assets.settings import load_settings

    settings = load_settings()
    servers, report = status_of(settings), report_here(settings)
    found = problems(report)
    if as_json:
        typer.echo(show_status.as_json(servers, report, found))
    else:
        show_status.print_status(Console(), servers, report, found)
    if has_trouble(found):
        raise typer.Exit(1)


def env() -> None:
    """Print the environment of the stack as `export` lines for a shell; it holds the password."""
    from flight_assets.local import stack
    from flight_assets.settings import load_settings

    for name, value in stack.endpoints(load_settings()).environment().items():
        typer.echo(f"export {name}={shlex.quote(value)}")
