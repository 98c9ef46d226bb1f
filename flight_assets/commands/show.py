"""Answers in the terminal: tables for people, JSON and CSV for programs."""

import csv
import io
import json
from collections.abc import Sequence
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

from rich.console import Console
from rich.table import Table

from flight_assets.commands.words import cell
from flight_assets.core.questions import QUESTIONS, Question
from flight_assets.warehouse.answers import IN_JSON, Answer, iso_hour

PLURALS = {"continent": "continents", "country": "countries"}


def number(answer: Answer) -> str:
    """Return the value with its unit, as a person reads it."""
    unit = "flight" if abs(answer.value) == 1 and answer.unit == "flights" else answer.unit
    sign = "+" if answer.question == "airport_traffic_imbalance" and answer.value else ""
    return f"{_digits(answer.value, answer.unit, sign)} {unit}"


def trend(answer: Answer) -> str:
    """Return how the value has changed in 24 hours; nothing where that hour has no answer."""
    if not answer.is_answered_24h_before:
        return ""
    change = answer.change
    if change is None:
        return "new"
    if change == 0:
        return "="
    return f"{'▲' if change > 0 else '▼'} {_digits(change, answer.unit, sign='+')}"


def _digits(value: Decimal, unit: str, sign: str = "") -> str:
    return f"{value:{sign},.{0 if unit == 'flights' else 3}f}"


def answers_as_json(answers: Sequence[Answer]) -> str:
    """Return the answers as a JSON list."""
    return json.dumps([answer.as_json() for answer in answers], indent=2, ensure_ascii=False)


def answers_as_csv(answers: Sequence[Answer]) -> str:
    """Return the answers as CSV under the names that JSON has; null is empty."""
    out = io.StringIO()
    writer = csv.DictWriter(out, IN_JSON, lineterminator="\n")
    writer.writeheader()
    writer.writerows(answer.as_json() for answer in answers)
    return out.getvalue().rstrip("\n")


def print_answers(
    console: Console,
    answers: Sequence[Answer],
    *,
    most_scopes: int | None = None,
    most_ranks: int | None = None,
) -> None:
    """Print the hour and one table per question, in the order that the answers come in.

    ``most_scopes`` keeps the scopes with the most flights, ``most_ranks`` the first ranks.
    """
    if answers:
        console.rule(f"Answers as of {iso_hour(answers[0].as_of_hour)}", align="left")
    for name, of_question in groupby(answers, key=attrgetter("question")):
        question, rows = QUESTIONS[name], list(of_question)
        scopes = _largest_scopes(rows)[:most_scopes]
        shown = [
            row
            for scope in scopes
            for row in rows
            if row.scope == scope and (most_ranks is None or (row.rank or 0) <= most_ranks)
        ]
        console.print(f"[bold]{question.title}[/]")
        console.print(_table(question, shown))
        console.print(f"[dim]{_caption(question, rows, shown)}[/]", highlight=False)


def _largest_scopes(rows: Sequence[Answer]) -> list[str | None]:
    flights: dict[str | None, int] = {}
    for row in rows:
        flights[row.scope] = flights.get(row.scope, 0) + row.flight_count
    return sorted(flights, key=lambda scope: -flights[scope])


def _table(question: Question, rows: Sequence[Answer]) -> Table:
    """Return a table of the columns in which the rows of the question have something to say."""
    columns = {
        question.scope_kind: ([_scope(row) for row in rows], question.scope_kind != "world"),
        "rank": ([str(row.rank) for row in rows], any(row.rank for row in rows)),
        "code": (
            [row.subject or "" for row in rows],
            any(row.subject not in (None, row.label) for row in rows),
        ),
        "name": ([row.label for row in rows], any(row.subject for row in rows)),
        "value": ([number(row) for row in rows], True),
        "flights": (
            [f"{row.flight_count:,}" for row in rows],
            any(row.value != row.flight_count for row in rows)
            and any(r.flight_count > 1 for r in rows),
        ),
        "24 h": (
            [trend(row) for row in rows],
            any(row.is_answered_24h_before for row in rows)
            and not question.is_about_single_flights,
        ),
    }
    table = Table()
    shown = {name: cells for name, (cells, is_shown) in columns.items() if is_shown}
    for name in shown:
        is_number = name in ("rank", "value", "flights", "24 h")
        table.add_column(name, justify="right" if is_number else "left")
    for cells in zip(*shown.values(), strict=True):
        table.add_row(*map(cell, cells))
    return table


def _scope(answer: Answer) -> str:
    """Return a continent by its name, a country by name and code."""
    if QUESTIONS[answer.question].scope_kind == "continent" or answer.scope_name == answer.scope:
        return answer.scope_name or ""
    return f"{answer.scope_name} ({answer.scope})"


def _caption(question: Question, rows: Sequence[Answer], shown: Sequence[Answer]) -> str:
    """Return where the answer is, how many flights it could use, and what of it is not shown."""
    parts = [f"gold.{question.name}"]
    if rows[0].usable_ratio is not None:
        parts.append(f"{100 * rows[0].usable_ratio:.2f} % of active flights usable")
    left_out = len({row.scope for row in rows}) - len({row.scope for row in shown})
    if left_out:
        kind = question.scope_kind
        parts.append(f"{left_out} more {kind if left_out == 1 else PLURALS[kind]} in it")
    last_rank = max((row.rank or 0 for row in rows), default=0)
    if last_rank > max((row.rank or 0 for row in shown), default=0):
        parts.append(f"ranks to {last_rank} in it")
    return "; ".join(parts)
