"""Evidence in the terminal: the choice, the flights of an answer, the messages of a flight."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from flight_assets.commands.show import answers_as_json, number
from flight_assets.commands.words import cell
from flight_assets.warehouse.answers import Answer, iso_hour
from flight_assets.warehouse.why import Evidence, SeenMessage, holds_what_counts

MOST_FLIGHTS = 20


def print_choice(console: Console, answers: Sequence[Answer], *, as_json: bool) -> None:
    """Print the rows of a question and how to ask about one of them."""
    if as_json:
        console.print(answers_as_json(answers), markup=False, highlight=False, soft_wrap=True)
        return
    for answer in answers:
        console.print(cell(answer.sentence), highlight=False)
        command = cell(f"    {command_for(answer)}")
        console.print(command, style="dim", highlight=False, soft_wrap=True)


def command_for(answer: Answer) -> str:
    """Return the command that shows what a row is made of, as a shell takes it safely."""
    scope = f" --scope {shlex.quote(answer.scope)}" if answer.scope is not None else ""
    subject = f" --subject {shlex.quote(answer.subject)}" if answer.subject is not None else ""
    hour = iso_hour(answer.as_of_hour)[:13]
    return f"flight-assets why {answer.question} --as-of {hour}{scope}{subject}"


def print_evidence(console: Console, found: Evidence, *, most: int | None) -> None:
    """Print the flights behind an answer, the first ``most``, and what they add up to."""
    answer = found.answer
    console.print(f"[bold]{answer.question}[/], {iso_hour(answer.as_of_hour)}")
    console.print(cell(answer.sentence), highlight=False)
    table = Table("flight", "adds", "number", "airline", "type", "route", "seen at", "message")
    for flight in found.flights[:most]:
        cells = (
            flight.flight_id,
            f"{flight.value:+,.0f}" if answer.unit == "flights" else f"{flight.value:,.3f}",
            flight.flight_number or flight.callsign or "",
            flight.airline_icao or "",
            flight.type_code or "",
            f"{flight.origin_iata or '?'}-{flight.destination_iata or '?'}",
            f"{flight.observed_at:%H:%M:%S}",
            f"{flight.topic}[{flight.kafka_partition}]@{flight.kafka_offset}",
        )
        table.add_row(*map(cell, cells))
    console.print(table)
    if most is not None and len(found.flights) > most:
        console.print(f"[dim]and {len(found.flights) - most} more: --all[/]")
    console.print(sum_line(found), highlight=False)
    if found.flight_count > 1:
        first = shlex.quote(found.flights[0].flight_id)
        console.print(cell(f"{command_for(answer)} --flight {first}"), style="dim")


def sum_line(found: Evidence) -> str:
    """Return what the flights add up to, beside what the answer says."""
    how = "sum" if found.answer.rank is not None else "mean"
    flights = "flight" if found.flight_count == 1 else "flights"
    equals = "=" if found.adds_up else "is NOT"
    return (
        f"{found.flight_count:,} {flights}, {how} {found.value:,.3f} {equals} the answer: "
        f"{number(found.answer)} of {found.answer.flight_count:,}"
    )


def print_observations(
    console: Console, found: Evidence, flight_id: str, seen: Sequence[SeenMessage]
) -> None:
    """Print the messages of a flight, each with its slice and the run that landed it.

    Where the one that counts was pruned, says so: gold still names it.
    """
    table = Table("observed at", "where", "altitude", "speed", "message", "slice", "run")
    for message in seen:
        cells = (
            f"{message.observed_at:%Y-%m-%d %H:%M:%S}",
            f"{message.lat_deg:.4f}, {message.lon_deg:.4f}",
            "ground" if message.is_on_ground else f"{message.altitude_ft} ft",
            f"{message.ground_speed_kt} kt",
            f"{message.topic}[{message.kafka_partition}]@{message.kafka_offset}",
            f"{message.slice_id} [{message.slice_start_offset}, {message.slice_end_offset})",
            message.run_id or "",
        )
        table.add_row(*map(cell, cells))
    flight = cell(f"flight {flight_id}")
    flight.stylize("bold")
    console.print(flight.append(", in the minutes that the answer looks at"))
    if seen:
        console.print(table)
    if holds_what_counts(found, flight_id, seen):
        console.print("[dim]The last one counts. runs: Dagster's page Runs, by the id[/]")
    else:
        console.print(PRUNED, soft_wrap=True)


PRUNED = (
    "Bronze no longer holds the observation that counts: it is older than RETENTION_BRONZE_DAYS, "
    "or its hour is being landed again. The message that it came from is named above; "
    "while Kafka still has it, materialise bronze/raw_flights of the hour to bring it back."
)


def as_json(found: Evidence, flight_id: str | None, seen: Sequence[SeenMessage]) -> str:
    """Return answer, flights and the messages of the chosen flight as JSON."""
    body: dict[str, Any] = {
        "answer": found.answer.as_json(),
        "adds_up": found.adds_up,
        "flight_count": found.flight_count,
        "value": found.value,
        "flights": [asdict(flight) for flight in found.flights],
    }
    if flight_id is not None:
        body |= {"flight_id": flight_id, "observations": [asdict(message) for message in seen]}
    return json.dumps(body, indent=2, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{value!r} has no JSON")
