from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kafka_sensors.backlog import Backlog, hours_to_ask_for, newest_hours
from kafka_sensors.offsets import HourRule, OffsetRange

EARLIEST = datetime(2022, 1, 1, tzinfo=UTC)
NOW = datetime(2025, 7, 20, 9, 40, tzinfo=UTC)
EIGHT = datetime(2025, 7, 20, 8, tzinfo=UTC)
NINE = datetime(2025, 7, 20, 9, tzinfo=UTC)


def ask(*backlogs: Backlog, max_hours: int = 24) -> tuple[datetime, datetime] | None:
    return hours_to_ask_for(
        backlogs,
        now=NOW,
        earliest=EARLIEST,
        reach_back=timedelta(minutes=15),
        max_hours=max_hours,
    )


def waits(oldest_at: datetime, newest_hour: datetime) -> Backlog:
    return Backlog("readings", 5, 1, oldest_at, newest_hour)


NOTHING = Backlog("polls", 0, 0, None, None)


def test_nothing_is_asked_for_where_nothing_waits() -> None:
    assert ask(NOTHING, NOTHING) is None


@pytest.mark.parametrize(
    ("minute", "first"), [(14, EIGHT), (15, NINE)], ids=["within reach", "beyond reach"]
)
def test_the_hour_before_is_taken_along_while_its_answers_may_change(
    minute: int, first: datetime
) -> None:
    assert ask(NOTHING, waits(NINE + timedelta(minutes=minute), NINE)) == (first, NINE)


def test_the_oldest_and_the_newest_of_all_topics_span_the_run() -> None:
    early, late = EIGHT + timedelta(minutes=20), NINE + timedelta(minutes=30)
    assert ask(waits(late, NINE), waits(early, EIGHT)) == (EIGHT, NINE)


def test_a_run_is_limited_in_hours_from_the_oldest_on() -> None:
    oldest = EIGHT - timedelta(hours=50) + timedelta(minutes=30)
    first = EIGHT - timedelta(hours=50)
    assert ask(waits(oldest, NINE), max_hours=24) == (first, first + timedelta(hours=23))


def test_a_run_stays_within_the_partitions_there_are() -> None:
    assert ask(waits(EARLIEST, EARLIEST)) == (EARLIEST, EARLIEST)
    ahead = NINE + timedelta(hours=3)
    assert ask(waits(NINE + timedelta(minutes=30), ahead)) == (NINE, NINE)
    assert ask(waits(ahead, ahead)) is None


class Timestamps:
    """A topic whose messages are all of one instant, and what was asked of it."""

    def __init__(self, at: datetime) -> None:
        self.at_ms = int(at.timestamp() * 1000)
        self.asked: dict[int, int] = {}

    def timestamps_ms(self, positions: Mapping[int, int]) -> dict[int, int]:
        self.asked |= positions
        return dict.fromkeys(positions, self.at_ms)


def test_the_last_message_is_read_only_where_the_first_is_of_an_earlier_hour() -> None:
    waiting = {0: OffsetRange(10, 20), 1: OffsetRange(30, 50)}
    rule = HourRule(earliest=EARLIEST, now=NOW)
    reader: Any = Timestamps(NINE + timedelta(minutes=5))
    newest = newest_hours(waiting, reader, rule, {0: NINE, 1: EIGHT}, now=NOW)
    assert sorted(newest) == [NINE, NINE]
    assert reader.asked == {1: 49}
