"""Which rows are left out when Postgres refuses some, and how often it is asked."""

from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg import errors

from kafka_sensors.tables import refused_rows

CONNECTION: Any = SimpleNamespace(transaction=nullcontext)
TOO_LARGE = 2**31


class Table:
    """Takes rows of a text and a number as Postgres does: all of a COPY, or none."""

    def __init__(self, rows: Sequence[tuple[str, int]]) -> None:
        self.rows = rows
        self.stored: list[int] = []
        self.copies = 0

    def append(self, at: Sequence[int]) -> None:
        self.copies += 1
        for index in at:
            text, number = self.rows[index]
            if "\0" in text:
                raise errors.CharacterNotInRepertoire("invalid byte sequence")
            if number >= TOO_LARGE:
                raise errors.NumericValueOutOfRange("out of range")
        self.stored += at

    def refused(self) -> dict[int, str]:
        return refused_rows(CONNECTION, self.append, self.rows, range(len(self.rows)))


def test_rows_that_are_fine_are_copied_once():
    table = Table([("a", 1)] * 1000)
    assert table.refused() == {}
    assert table.copies == 1


def test_texts_with_nul_are_left_out_at_once_however_many_there_are():
    table = Table([("a\0", 1), ("b", 2)] * 1000)
    assert table.refused() == dict.fromkeys(range(0, 2000, 2), "invalid byte sequence")
    assert table.stored == list(range(1, 2000, 2))
    assert table.copies == 2


@pytest.mark.parametrize("bad", [[], [0], [999], [3, 4, 700]])
def test_what_else_is_wrong_is_found_by_halving_beside_texts_with_nul(bad: list[int]):
    rows = [("a\0" if index == 500 else "a", index) for index in range(1000)]
    for index in bad:
        rows[index] = ("a", TOO_LARGE)
    table = Table(rows)
    refused = table.refused()
    assert sorted(refused) == sorted([*bad, 500])
    assert sorted([*table.stored, *refused]) == list(range(1000))
    assert all(refused[index] == "out of range" for index in bad)
