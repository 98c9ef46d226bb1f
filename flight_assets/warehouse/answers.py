"""Reading gold: the answers of an hour, in the shape that people and programs get them in."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row

from flight_assets.core.questions import QUESTIONS
from flight_assets.errors import FlightAssetsError

ANSWERS = """
with

answers as (

    select * from gold.answers
    where
        as_of_hour = %(as_of_hour)s
        and (%(question)s::text is null or question = %(question)s)

),

day_before as (

    select * from gold.answers
    where as_of_hour = %(as_of_hour)s - interval '24 hours'

),

answered_before as (

    select question from gold.usable_flights
    where as_of_hour = %(as_of_hour)s - interval '24 hours'

)

select
    answers.as_of_hour,
    answers.question,
    answers.scope,
    answers.rank,
    answers.subject,
    answers.label,
    answers.value,
    answers.unit,
    answers.flight_count,
    answers.usable_ratio,
    answers.scope_name,
    answers.sentence,
    day_before.value as value_24h_before,
    day_before.rank as rank_24h_before,
    answered_before.question is not null as is_answered_24h_before
from answers
left join answered_before
    on answers.question = answered_before.question
left join day_before
    on
        answers.question = day_before.question
        and coalesce(answers.scope, '') = coalesce(day_before.scope, '')
        and coalesce(answers.subject, '') = coalesce(day_before.subject, '')
order by answers.scope nulls first, answers.rank, answers.subject
"""
HOURS = "select as_of_hour from gold.answered_hours order by as_of_hour"
IN_JSON = (
    "as_of_hour",
    "question",
    "scope",
    "rank",
    "subject",
    "label",
    "value",
    "unit",
    "flight_count",
    "usable_ratio",
    "sentence",
    "value_24h_before",
    "rank_24h_before",
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One row of an answer. ``scope`` is ``None`` for the world, ``rank`` for what has none.

    ``value_24h_before`` is ``None`` where the subject was not in the answer of that hour, or the
    question was not answered then; ``is_answered_24h_before`` tells which. ``usable_ratio`` is
    ``None`` in hours that were answered before there was one.
    """

    as_of_hour: datetime
    question: str
    scope: str | None
    rank: int | None
    subject: str | None
    label: str
    value: Decimal
    unit: str
    flight_count: int
    usable_ratio: Decimal | None
    scope_name: str | None
    sentence: str
    value_24h_before: Decimal | None
    rank_24h_before: int | None
    is_answered_24h_before: bool

    @property
    def change(self) -> Decimal | None:
        """Return by how much the value has grown in 24 hours; ``None`` where it was not shown."""
        return None if self.value_24h_before is None else self.value - self.value_24h_before

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON takes it: the hour in ISO 8601, UTC; exact values as numbers."""
        fields = {name: getattr(self, name) for name in IN_JSON}
        return {
            name: _number(field) if isinstance(field, Decimal) else field
            for name, field in fields.items()
        } | {"as_of_hour": iso_hour(self.as_of_hour)}


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


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


def known_question(name: str) -> str:
    """Return the name; raises ``FlightAssetsError`` where no question has it, and names all."""
    if name not in QUESTIONS:
        raise FlightAssetsError(f"'{name}' is no question; they are {', '.join(QUESTIONS)}.")
    return name


def answers(
    connection: psycopg.Connection, as_of_hour: datetime, question: str | None = None
) -> list[Answer]:
    """Return the answers of one hour in the order of the questions, by scope and rank.

    Only those of ``question`` where one is named. Raises ``FlightAssetsError`` where gold is of an
    earlier version.
    """
    wanted = {"as_of_hour": as_of_hour, "question": question}
    try:
        with connection.cursor(row_factory=class_row(Answer)) as cursor:
            found = cursor.execute(ANSWERS, wanted).fetchall()
    except (psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedTable) as error:
        raise FlightAssetsError(
            "gold is of an earlier version; the next run of the line builds it anew (`make dev`)."
        ) from error
    order = list(QUESTIONS)
    return sorted(found, key=lambda answer: order.index(answer.question))


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
