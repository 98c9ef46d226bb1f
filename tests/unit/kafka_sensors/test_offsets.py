from datetime import UTC, datetime, timedelta

import pytest

from kafka_sensors.offsets import (
    EPOCH,
    HourRule,
    OffsetRange,
    Watermarks,
    breaks,
    hours_between,
    lost,
    message_at,
    waiting,
)

EIGHT = datetime(2025, 7, 20, 8, tzinfo=UTC)
NINE = datetime(2025, 7, 20, 9, tzinfo=UTC)
RULE = HourRule(earliest=datetime(2022, 1, 1, tzinfo=UTC), now=NINE + timedelta(minutes=40))


def ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("low", "high", "landed_end", "expected"),
    [
        (0, 10, 7, OffsetRange(7, 10)),
        (0, 10, 10, OffsetRange(10, 10)),
        (4, 10, None, OffsetRange(4, 10)),
        (7, 10, 7, OffsetRange(7, 10)),
        (8, 10, 7, OffsetRange(8, 10)),
        (0, 0, None, OffsetRange(0, 0)),
        (0, 3, 7, OffsetRange(7, 7)),
    ],
)
def test_what_waits_is_what_the_ledger_has_not(
    low: int, high: int, landed_end: int | None, expected: OffsetRange
) -> None:
    assert waiting(Watermarks(low, high), landed_end=landed_end) == expected


@pytest.mark.parametrize(
    ("low", "landed_end", "expected"),
    [(7, 7, None), (8, 7, OffsetRange(7, 8)), (8, None, None), (0, 7, None)],
)
def test_lost_is_what_the_broker_deleted_before_it_landed(
    low: int, landed_end: int | None, expected: OffsetRange | None
) -> None:
    assert lost(Watermarks(low, 10), landed_end=landed_end) == expected


def test_a_range_cannot_end_before_it_starts() -> None:
    with pytest.raises(ValueError, match="4 to 3"):
        OffsetRange(4, 3)
    with pytest.raises(ValueError, match="-1 to 3"):
        OffsetRange(-1, 3)
    assert not OffsetRange(4, 4)


def test_gaps_and_overlaps_break_a_chain() -> None:
    a, b, c, d = OffsetRange(0, 5), OffsetRange(5, 9), OffsetRange(10, 12), OffsetRange(11, 13)
    assert list(breaks([b, a])) == []
    assert list(breaks([d, b, c, a])) == [(b, c), (c, d)]


@pytest.mark.parametrize(
    ("timestamp_ms", "previous", "expected"),
    [
        (ms(NINE) - 1, None, EIGHT),
        (ms(NINE), None, NINE),
        (ms(NINE) - 1, NINE, NINE),  # never back
        (ms(NINE), EIGHT, NINE),
        (ms(NINE + timedelta(hours=5)), EIGHT, NINE),  # never beyond the current hour
        (-1, None, RULE.earliest),  # no timestamp
        (ms(RULE.earliest) - 1, None, RULE.earliest),
        (2**62, EIGHT, NINE),
    ],
)
def test_the_log_hour_follows_the_clock_within_limits(
    timestamp_ms: int, previous: datetime | None, expected: datetime
) -> None:
    assert RULE.log_hour(timestamp_ms, previous=previous) == expected


def test_an_hour_ends_before_the_first_message_of_the_next() -> None:
    times = [ms(EIGHT), ms(NINE) - 1, ms(NINE), ms(EIGHT)]
    assert RULE.first_after(EIGHT, times) == 2
    assert RULE.first_after(EIGHT, times[:2]) == 2
    assert RULE.first_after(EIGHT, []) == 0


def test_the_current_hour_has_no_end() -> None:
    assert RULE.first_after(NINE, [ms(NINE), ms(NINE + timedelta(hours=5))]) == 2


def test_an_impossible_timestamp_becomes_the_end_of_the_calendar() -> None:
    assert message_at(-5) == EPOCH
    assert message_at(2**62).year == 9999


def test_both_ends_count_as_hours() -> None:
    assert hours_between(EIGHT, NINE) == 2
    assert hours_between(EIGHT, EIGHT) == 1
