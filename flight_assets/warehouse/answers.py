"""Reading gold: the answers of an hour, in the shape that people and programs get them in."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row

from flight_assets.errors import FlightAssetsError

ANSWERS = """
select as_of_hour, question, scope, rank, subject, label, value, unit, flight_count
from gold.answers
where as_of_hour = %(as_of_hour)s
order by question, scope nulls first, rank, subject
"""
HOURS = "select as_of_hour from gold.answered_hours order by as_of_hour"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One row of an answer. ``scope`` is ``None`` for the world, ``rank`` for what has none."""

    as_of_hour: datetime
    question: str
    scope: str | None
    rank: int | None
    subject: str | None
    label: str
    value: Decimal
    unit: str
    flight_count: int

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON takes it: the hour in ISO 8601, UTC; the value as a number."""
        whole = self.value == self.value.to_integral_value()
        return asdict(self) | {
            "as_of_hour": iso_hour(self.as_of_hour),
            "value": int(self.value) if whole else float(self.value),
        }


def iso_hour(hour: datetime) -> str:
    """Return an hour as people and programs read it, ``2025-07-20T08:00:00Z``."""
    return hour.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_hour(text: str) -> datetime:
    """Return the hour in ``2025-07-20T08``, with or without minutes and zone; UTC without one.

    Raises ``FlightAssetsError`` for what is no hour.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise FlightAssetsError(f"'{text}' is no hour; write it as 2025-07-20T08 (UTC).") from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(minute=0, second=0, microsecond=0)


def answered_hours(connection: psycopg.Connection) -> list[datetime]:
    """Return the hours that have answers, oldest first.

    Raises ``FlightAssetsError`` where gold has not been built yet.
    """
    try:
        return [row[0] for row in connection.execute(HOURS)]
    except psycopg.errors.UndefinedTable as error:
        raise FlightAssetsError(
            "There are no answers yet: gold is not built. Run `make demo`, or `make dev` and "
            "wait for the first poll to land."
        ) from error


def answers(connection: psycopg.Connection, as_of_hour: datetime) -> list[Answer]:
    """Return the answers of one hour by question, scope and rank."""
    with connection.cursor(row_factory=class_row(Answer)) as cursor:
        return cursor.execute(ANSWERS, {"as_of_hour": as_of_hour}).fetchall()


def chosen_hour(connection: psycopg.Connection, as_of: str | None) -> datetime:
    """Return the hour asked for, the newest answered one without a wish.

    Raises ``FlightAssetsError`` where that hour has no answer, and names those that have.
    """
    hours = answered_hours(connection)
    if not hours:
        raise FlightAssetsError("There are no answers yet: no hour with a poll has been built.")
    if as_of is None:
        return hours[-1]
    hour = parse_hour(as_of)
    if hour not in hours:
        nearby = ", ".join(iso_hour(h) for h in hours[-5:])
        raise FlightAssetsError(
            f"{iso_hour(hour)} has no answer: no poll of that hour has landed and been built. "
            f"The newest hours that have one: {nearby}."
        )
    return hour
