"""Whether the references are there: every answer needs them."""

from flight_assets.warehouse.connection import connect

TABLES = ("silver.airports_history", "silver.airlines_history", "silver.aircraft_types_history")


def has_references(conninfo: str) -> bool:
    """Return whether airports, airlines and aircraft types have ever been built."""
    with connect(conninfo, read_only=True) as connection:
        row = connection.execute(
            "select bool_and(to_regclass(name) is not null) from unnest(%s::text[]) as name",
            [list(TABLES)],
        ).fetchone()
        return bool(row and row[0])
