"""`flight-assets why`: from a number to the flights, observations and messages behind it."""

from typing import Annotated

import typer

from flight_assets.errors import FlightAssetsError


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(why)


def why(
    question: Annotated[str, typer.Argument(help="The question, by the name of its gold model.")],
    as_of: Annotated[
        str | None,
        typer.Option(help="The hour, UTC, such as 2025-07-20T08; the newest without it."),
    ] = None,
    scope: Annotated[
        str | None, typer.Option(help="Code of the continent or country that it is within.")
    ] = None,
    subject: Annotated[
        str | None, typer.Option(help="Code of what is ranked, as `flight-assets answers` has it.")
    ] = None,
    flight: Annotated[
        str | None, typer.Option(help="Id of one of the flights: shows its messages.")
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Every flight, not the first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what an answer is made of; starts the local Postgres if it sleeps.

    Ends with 1 where the flights do not add up to the answer.
    """
    from rich.console import Console

    from flight_assets.commands import show_why
    from flight_assets.commands.stack import say
    from flight_assets.local.stack import up_postgres
    from flight_assets.settings import load_settings
    from flight_assets.warehouse.answers import answers, chosen_hour, known_question
    from flight_assets.warehouse.connection import connect
    from flight_assets.warehouse.why import chosen_answers, evidence, observations

    asked = known_question(question)
    with connect(up_postgres(load_settings(), say=say), read_only=True) as connection:
        rows = answers(connection, chosen_hour(connection, as_of), asked)
        chosen = chosen_answers(rows, scope=scope, subject=subject)
        if len(chosen) > 1:
            if flight is not None:
                raise FlightAssetsError("choose the answer first: --scope and --subject.")
            show_why.print_choice(Console(), chosen, as_json=as_json)
            return
        found = evidence(connection, chosen[0])
        only = found.flights[0].flight_id if found.flight_count == 1 else None
        flight_id = flight or only
        seen = [] if flight_id is None else observations(connection, found, flight_id)
    if as_json:
        typer.echo(show_why.as_json(found, flight_id, seen))
    else:
        show_why.print_evidence(Console(), found, most=None if show_all else show_why.MOST_FLIGHTS)
        if flight_id is not None:
            show_why.print_observations(Console(), found, flight_id, seen)
    if not found.adds_up:
        raise FlightAssetsError(
            f"{found.flight_count} flights add up to {found.value}, and the answer says "
            f"{found.answer.flight_count} flights and {found.answer.value}: the hour is being "
            "built again, or was changed by hand; materialise it."
        )
