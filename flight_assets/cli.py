"""The ``flight-assets`` command: its parts, and how its errors reach a person."""

import sys

import typer

from flight_assets.commands import (
    answers,
    backup,
    demo,
    dev,
    docs,
    feed,
    holes,
    migrate,
    prune,
    rejected,
    roles,
    run,
    secrets,
    sql,
    stack,
    why,
)
from flight_assets.errors import FlightAssetsError
from kafka_sensors.errors import KafkaSensorsError

app = typer.Typer(
    name="flight-assets",
    help="Live flights as Dagster assets: through Kafka into Postgres, modelled by dbt.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # what reaches a person is one line, or a plain traceback
)
PARTS = (
    demo,
    dev,
    answers,
    why,
    rejected,
    holes,
    docs,
    sql,
    prune,
    backup,
    stack,
    migrate,
    run,
    feed,
    secrets,
    roles,
)
for part in PARTS:
    part.register(app)


def main() -> None:
    """Run the command: an error that a user can cause is one line on stderr and exit code 1."""
    from flight_assets.local.processes import heed_interrupts

    heed_interrupts()
    try:
        app()
    except (FlightAssetsError, KafkaSensorsError) as error:
        print(f"flight-assets: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
