"""`flight-assets run -- COMMAND`: a program in the environment of the stack, secrets included."""

from typing import Annotated

import typer

from flight_assets.errors import FlightAssetsError


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(run)


def run(
    command: Annotated[list[str], typer.Argument(help="The program and its arguments, after --.")],
) -> None:
    """Run a program in the environment of the stack, in the place of this one.

    What `flight-assets env` prints is in its environment and nowhere else: Dagster and dbt read
    their passwords there, also where the settings have them from files. The stack must be up.
    """
    import os

    from flight_assets.local import stack
    from flight_assets.local.endpoints import prepare_dagster_home
    from flight_assets.settings import load_settings

    settings = load_settings()
    endpoints = stack.endpoints(settings)
    prepare_dagster_home(settings.home)
    try:
        os.execvpe(command[0], command, {**os.environ, **endpoints.environment()})
    except OSError as error:
        raise FlightAssetsError(f"{command[0]} cannot be run: {error.strerror}") from error
