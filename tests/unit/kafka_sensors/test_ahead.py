import threading
from collections.abc import Generator

import pytest

from kafka_sensors.ahead import ahead


def numbers(
    upto: int, closed: list[bool], *, fails_at: int | None = None
) -> Generator[int, None, None]:
    try:
        for number in range(upto):
            if number == fails_at:
                raise LookupError(number)
            yield number
    finally:
        closed.append(True)


def test_items_come_in_order_from_another_thread() -> None:
    closed: list[bool] = []
    assert list(ahead(numbers(100, closed))) == list(range(100))
    assert closed == [True]


def test_a_failure_comes_in_its_turn() -> None:
    items = ahead(numbers(5, [], fails_at=2))
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(LookupError):
        next(items)


def test_closing_early_ends_the_thread_and_the_generator() -> None:
    closed: list[bool] = []
    before = threading.active_count()
    items = ahead(numbers(100, closed))
    assert next(items) == 0
    items.close()
    assert closed == [True]
    assert threading.active_count() == before
