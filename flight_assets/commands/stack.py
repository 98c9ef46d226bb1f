"""`flight-assets up`, `down`, `status` and `env`."""

import json
import shlex
from dataclasses import asdict
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
    """Show what runs, where, and how much memory it takes."""
    from flight_assets.local.status import status as status_of
    from flight_assets.settings import load_settings

    servers = status_of(load_settings())
    if as_json:
        typer.echo(json.dumps([asdict(server) for server in servers], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("server", "state", "address", "pid", "memory")
    for server in servers:
        memory = "" if server.memory_mb is None else f"{server.memory_mb} MB"
        table.add_row(
            server.name, server.state, server.address or "", str(server.pid or ""), memory
        )
    Console().print(table)


def env() -> None:
    """Print the environment of the stack as `export` lines for a shell; it holds the password."""
    from flight_assets.local import stack
    from flight_assets.settings import load_settings

    for name, value in stack.endpoints(load_settings()).environment().items():
        typer.echo(f"export {name}={shlex.quote(value)}")
