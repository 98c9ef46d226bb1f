"""Why an answer is what it is: from its number to flights, observations, messages, slices, runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import psycopg
from psycopg.rows import class_row

from flight_assets.errors import FlightAssetsError
from flight_assets.warehouse.answers import Answer

# By hour and question, so that the view reads the one branch and the one hour.
FLIGHTS = """
select
    flight_id, value, callsign, flight_number, registration, airline_icao, type_code, origin_iata,
    destination_iata, observed_at, topic, kafka_partition, kafka_offset
from gold.evidence
where
    as_of_hour = %(as_of_hour)s
    and question = %(question)s
    and scope is not distinct from %(scope)s
    and subject is not distinct from %(subject)s
order by abs(value) desc, value desc, flight_id
"""
# As bronze has them now: a replay gives rows and slice a newer id together.
OBSERVATIONS = """
select
    positions.observed_at, positions.lat_deg, positions.lon_deg, positions.altitude_ft,
    positions.ground_speed_kt, positions.is_on_ground, positions.poll_id, slices.topic,
    positions.kafka_partition, positions.kafka_offset, positions.slice_id,
    slices.start_offset as slice_start_offset, slices.end_offset as slice_end_offset,
    slices.landed_at, slices.run_id
from silver.flight_positions as positions
inner join bronze.landed_slices as slices
    on positions.slice_id = slices.slice_id
where
    positions.flight_id = %(flight_id)s
    and positions.observed_at between %(as_of_at)s - interval '15 minutes' and %(as_of_at)s
order by positions.observed_at
"""
AS_OF_AT = "select as_of_at from silver.as_of_hours where as_of_hour = %s"


@dataclass(frozen=True, kw_only=True)
class CountedFlight:
    """A flight behind an answer: what it adds, and the message that its last state is from.

    ``value`` is 1 or -1 flights, km or kt, as the answer's unit says.
    """

    flight_id: str
    value: Decimal
    callsign: str | None
    flight_number: str | None
    registration: str | None
    airline_icao: str | None
    type_code: str | None
    origin_iata: str | None
    destination_iata: str | None
    observed_at: datetime
    topic: str
    kafka_partition: int
    kafka_offset: int


@dataclass(frozen=True, kw_only=True)
class SeenMessage:
    """An observation, the message that brought it, the slice that landed it, and the run."""

    observed_at: datetime
    lat_deg: float
    lon_deg: float
    altitude_ft: int | None
    ground_speed_kt: int | None
    is_on_ground: bool
    poll_id: str
    topic: str
    kafka_partition: int
    kafka_offset: int
    slice_id: int
    slice_start_offset: int
    slice_end_offset: int
    landed_at: datetime
    run_id: str | None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """An answer and the flights behind it, which must add up to it."""

    answer: Answer
    flights: Sequence[CountedFlight]

    @property
    def flight_count(self) -> int:
        """Return how many flights there are, each once."""
        return len({flight.flight_id for flight in self.flights})

    @property
    def value(self) -> Decimal:
        """Return what the flights add up to: their sum, their mean where nothing is ranked."""
        total = sum((flight.value for flight in self.flights), Decimal(0))
        if self.answer.rank is not None or not self.flights:
            return total
        return (total / self.flight_count).quantize(Decimal("0.001"), ROUND_HALF_UP)

    @property
    def adds_up(self) -> bool:
        """Return whether the answer is what its flights say."""
        return (self.value, self.flight_count) == (self.answer.value, self.answer.flight_count)


def chosen_answers(
    answers: Sequence[Answer], *, scope: str | None, subject: str | None
) -> list[Answer]:
    """Return the rows of a question that a person means.

    Raises ``FlightAssetsError`` where there is none, and names what there is.
    """
    in_scope = [row for row in answers if scope is None or row.scope == scope]
    if not in_scope:
        scopes = sorted({row.scope for row in answers if row.scope is not None})
        there_is = f"its scopes are {', '.join(scopes)}" if scopes else "it is over the world"
        raise FlightAssetsError(f"the answer has no scope '{scope}': {there_is}.")
    chosen = [row for row in in_scope if subject is None or row.subject == subject]
    if not chosen:
        subjects = sorted({row.subject for row in in_scope if row.subject is not None})
        there_is = f"it names {', '.join(subjects)}" if subjects else "leave --subject out"
        raise FlightAssetsError(f"'{subject}' is not in the answer: {there_is}.")
    return chosen


def evidence(connection: psycopg.Connection, answer: Answer) -> Evidence:
    """Return an answer with the flights behind it, those that add most first."""
    wanted = {
        "as_of_hour": answer.as_of_hour,
        "question": answer.question,
        "scope": answer.scope,
        "subject": answer.subject,
    }
    with connection.cursor(row_factory=class_row(CountedFlight)) as cursor:
        return Evidence(answer=answer, flights=cursor.execute(FLIGHTS, wanted).fetchall())


def observations(
    connection: psycopg.Connection, found: Evidence, flight_id: str
) -> list[SeenMessage]:
    """Return a flight's observations in the minutes that the answer looked at, oldest first.

    Those that bronze still holds: none where they were pruned. Raises ``FlightAssetsError`` where
    the flight is not behind the answer.
    """
    ids = list(dict.fromkeys(flight.flight_id for flight in found.flights))
    if flight_id not in ids:
        some = ", ".join(ids[:5]) + (" …" if len(ids) > 5 else "")
        raise FlightAssetsError(f"flight {flight_id} is not behind this answer; there are {some}.")
    hour = found.answer.as_of_hour
    as_of_at: Any = connection.execute(AS_OF_AT, [hour]).fetchone()
    wanted = {"flight_id": flight_id, "as_of_at": as_of_at and as_of_at[0]}
    with connection.cursor(row_factory=class_row(SeenMessage)) as cursor:
        return cursor.execute(OBSERVATIONS, wanted).fetchall()


def holds_what_counts(found: Evidence, flight_id: str, seen: Sequence[SeenMessage]) -> bool:
    """Return whether the observations have the one that the answer counts."""
    counted = {
        (flight.topic, flight.kafka_partition, flight.kafka_offset)
        for flight in found.flights
        if flight.flight_id == flight_id
    }
    return any((each.topic, each.kafka_partition, each.kafka_offset) in counted for each in seen)
