"""`flight-assets sql`: ask the warehouse anything, read-only."""

import csv
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flight_assets.errors import FlightAssetsError

if TYPE_CHECKING:
    import psycopg

Rows = list[tuple[Any, ...]]


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(sql)


def sql(
    statement: Annotated[str, typer.Argument(help="One SQL statement.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV with a header.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON list of objects.")] = False,
) -> None:
    """Ask the warehouse, read-only; starts the local Postgres if it sleeps."""
    from flight_assets.commands.stack import say
    from flight_assets.local.stack import up_postgres
    from flight_assets.settings import load_settings
    from flight_assets.warehouse.connection import connect

    if as_csv and as_json:
        raise typer.BadParameter("choose one of --csv and --json")
    conninfo = up_postgres(load_settings(), say=say)
    with connect(conninfo, read_only=True) as connection:
        columns, rows = ask(connection, statement)
    if as_csv:
        print_csv(columns, rows)
    elif as_json:
        print_json(columns, rows)
    else:
        print_table(columns, rows)


def ask(connection: "psycopg.Connection[Any]", statement: str) -> tuple[list[str], Rows]:
    """Return the columns and rows of one statement; raises ``FlightAssetsError`` when it fails."""
    import psycopg

    if not statement.strip(" \n\t;"):
        raise FlightAssetsError('there is no statement: write it in quotes, "select …"')
    try:
        # prepared: the server then takes one statement, so that none ends the transaction first
        cursor = connection.execute(statement.strip().rstrip(";").encode(), prepare=True)
    except psycopg.Error as error:
        connection.close()  # it may be in the middle of a copy
        where = ""
        if error.diag.statement_position is not None:
            where = f" at character {error.diag.statement_position}"
        message = error.diag.message_primary or str(error).strip()
        raise FlightAssetsError(f"{message}{where}, in: {statement}") from error
    if cursor.description is None:
        return [], []
    return [column.name for column in cursor.description], cursor.fetchall()


def print_csv(columns: Sequence[str], rows: Rows) -> None:
    """Print CSV with a header; null is empty."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)


def print_json(columns: Sequence[str], rows: Rows) -> None:
    """Print a list of objects: numbers exact, times in ISO 8601, bytes in base64."""
    import msgspec

    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise FlightAssetsError(f"two columns are named {twice[0]}: give each a name with `as`")
    objects = [dict(zip(columns, row, strict=True)) for row in rows]
    encoded = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode(objects)
    print(msgspec.json.format(encoded, indent=2).decode())


def print_table(columns: Sequence[str], rows: Rows) -> None:
    """Print a table, as wide as it needs to be where no terminal limits it; null is dim."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from flight_assets.commands.words import cell

    console = Console()
    if not console.is_terminal:
        console = Console(width=100_000)
    table = Table()
    for position, name in enumerate(columns):
        is_number = any(isinstance(row[position], int | float | Decimal) for row in rows)
        table.add_column(cell(name), justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(Text("null", style="dim") if v is None else cell(str(v)) for v in row))
    console.print(table)
    console.print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")
