"""`flight-assets answers`: the answers of an hour, again."""

from typing import Annotated

import typer

from flight_assets.errors import FlightAssetsError


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(answers)


def answers(
    as_of: Annotated[
        str | None,
        typer.Option(help="The hour, UTC, such as 2025-07-20T08; the newest without it."),
    ] = None,
    question: Annotated[
        str | None,
        typer.Option(help="One question, by the name of its gold model; all without it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON list.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV with a header.")] = False,
) -> None:
    """Print the answers of an hour; starts the local Postgres if it sleeps."""
    if as_csv and as_json:
        raise FlightAssetsError("choose one of --csv and --json.")
    from rich.console import Console

    from flight_assets.commands.show import answers_as_csv, answers_as_json, print_answers
    from flight_assets.commands.stack import say
    from flight_assets.local.stack import up_postgres
    from flight_assets.settings import load_settings
    from flight_assets.warehouse.answers import answers as answers_of
    from flight_assets.warehouse.answers import chosen_hour, known_question
    from flight_assets.warehouse.connection import connect

    asked = known_question(question) if question is not None else None
    with connect(up_postgres(load_settings(), say=say), read_only=True) as connection:
        found = answers_of(connection, chosen_hour(connection, as_of), asked)
    if as_json:
        typer.echo(answers_as_json(found))
    elif as_csv:
        typer.echo(answers_as_csv(found))
    else:
        print_answers(Console(), found)
