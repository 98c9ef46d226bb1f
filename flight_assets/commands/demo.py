"""`flight-assets demo` and `references`: the line once, in this process."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flight_assets.commands.feed import files_of
from flight_assets.errors import FlightAssetsError

if TYPE_CHECKING:
    import dagster as dg


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (demo, references):
        app.command()(command)


def demo(
    files: Annotated[list[Path] | None, typer.Argument(help="Captures to play.")] = None,
    recorded: Annotated[bool, typer.Option("--recorded", help="Play FILES.")] = False,
    live: Annotated[bool, typer.Option("--live", help="FlightRadar24 itself, one sweep.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running.")] = False,
) -> None:
    """Go from nothing to answers: stack, feed, polls, Dagster, checks, answers."""
    captures = files_of(recorded, files)
    if live and recorded:
        raise FlightAssetsError("choose one of --live and --recorded.")
    import sys

    from rich.console import Console

    from flight_assets.commands.demonstration import demonstrate
    from flight_assets.settings import load_settings

    demonstrate(Console(file=sys.stdout), load_settings(), recorded=captures, live=live, keep=keep)


def references() -> None:
    """Fetch airports, airlines and aircraft types and build their silver tables."""
    import os

    from flight_assets.local import stack
    from flight_assets.settings import load_settings

    os.environ.update(stack.endpoints(load_settings()).environment())
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        build_and_tell(instance)


def build_and_tell(instance: "dg.DagsterInstance") -> None:
    """Build the references and say how their checks went."""
    from flight_assets.commands.line import build_references

    done = build_references(instance)
    passed = sum(check.is_passed for check in done.checks)
    typer.echo(f"References are built: {passed} of {len(done.checks)} checks passed.")
