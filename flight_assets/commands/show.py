"""Answers in the terminal: tables for people, JSON for programs."""

import json
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from rich.console import Console
from rich.table import Table

from flight_assets.warehouse.answers import Answer, iso_hour

TITLES = {
    "top_airlines": "Airlines with the most active flights",
    "longest_active_flights": "Active flights over the longest routes",
    "top_aircraft_models_by_airline_country": "Aircraft models flown most, by airline country",
}


def number(answer: Answer) -> str:
    """Return the value with its unit, as a person reads it."""
    value = f"{answer.value:,.0f}" if answer.unit == "flights" else f"{answer.value:,.3f}"
    return f"{value} {answer.unit}"


def answers_as_json(answers: Sequence[Answer]) -> str:
    """Return the answers as a JSON list."""
    return json.dumps([answer.as_json() for answer in answers], indent=2, ensure_ascii=False)


def print_answers(
    console: Console, answers: Sequence[Answer], *, most_scopes: int | None = None
) -> None:
    """Print the hour and one table per question.

    ``most_scopes`` keeps the scopes with the most flights.
    """
    if answers:
        console.rule(f"Answers as of {iso_hour(answers[0].as_of_hour)}", align="left")
    in_order = sorted(answers, key=lambda answer: _place(answer.question))
    for question, of_question in groupby(in_order, key=attrgetter("question")):
        rows = list(of_question)
        kept = _largest_scopes(rows, most_scopes)
        table = Table()
        has_scope = any(row.scope is not None for row in rows)
        if has_scope:
            table.add_column("country")
        table.add_column("rank", justify="right")
        table.add_column("code")
        table.add_column("name")
        table.add_column("value", justify="right")
        for scope in kept:
            for row in (row for row in rows if row.scope == scope):
                cells = [str(row.rank), str(row.subject), row.label, number(row)]
                table.add_row(*([str(scope), *cells] if has_scope else cells))
        console.print(f"[bold]{TITLES.get(question, question)}[/]")
        console.print(table)
        console.print(f"[dim]{_caption(question, rows, kept)}[/]")


def _place(question: str) -> int:
    known = list(TITLES)
    return known.index(question) if question in known else len(known)


def _largest_scopes(rows: Sequence[Answer], most: int | None) -> list[str | None]:
    flights: dict[str | None, int] = {}
    for row in rows:
        flights[row.scope] = flights.get(row.scope, 0) + row.flight_count
    return sorted(flights, key=lambda scope: -flights[scope])[:most]


def _caption(question: str, rows: Sequence[Answer], kept: Sequence[str | None]) -> str:
    left_out = len({row.scope for row in rows}) - len(kept)
    table = f"gold.{question}"
    return f"{table}; {left_out} more countries in it" if left_out else table
