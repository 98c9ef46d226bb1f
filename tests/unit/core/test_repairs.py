from datetime import UTC, datetime, timedelta

from flight_assets.core.repairs import (
    FIRST_DELAY,
    LONGEST_DELAY,
    Attempt,
    HourRange,
    contiguous_ranges,
    hours_due,
    retry_at,
)

NOON = datetime(2025, 7, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def attempt(hour: datetime, *, ended_at: datetime, is_success: bool) -> Attempt:
    return Attempt(hours=HourRange(first=hour, last=hour), ended_at=ended_at, is_success=is_success)


def test_a_range_is_cut_at_the_longest_run():
    hours = [NOON + n * HOUR for n in range(25)]
    ranges = contiguous_ranges(hours, longest=24)
    assert [(r.first, r.last) for r in ranges] == [
        (NOON, NOON + 23 * HOUR),
        (NOON + 24 * HOUR, NOON + 24 * HOUR),
    ]


def test_hours_that_are_no_neighbours_are_asked_for_apart():
    assert len(contiguous_ranges([NOON, NOON + 2 * HOUR])) == 2


def test_an_hour_without_a_failure_is_due_at_once():
    assert retry_at(NOON, []) is None


def test_the_delay_doubles_with_each_failure_and_is_bounded():
    failures = [
        attempt(NOON, ended_at=NOON + n * timedelta(minutes=1), is_success=False) for n in range(20)
    ]
    assert retry_at(NOON, failures[:1]) == failures[0].ended_at + FIRST_DELAY
    assert retry_at(NOON, failures[:3]) == failures[2].ended_at + 4 * FIRST_DELAY
    assert retry_at(NOON, failures) == failures[-1].ended_at + LONGEST_DELAY


def test_a_success_forgets_the_failures_before_it():
    tries = [
        attempt(NOON, ended_at=NOON, is_success=False),
        attempt(NOON, ended_at=NOON + HOUR, is_success=True),
    ]
    assert retry_at(NOON, tries) is None


def test_an_hour_that_a_run_works_on_is_left_to_it():
    busy = [HourRange(first=NOON, last=NOON)]
    stale = [NOON, NOON + HOUR]
    assert hours_due(stale, now=NOON, in_progress=busy, attempts=[]) == [NOON + HOUR]


def test_an_hour_waits_until_its_delay_is_over():
    tries = [attempt(NOON, ended_at=NOON, is_success=False)]
    just_before = NOON + FIRST_DELAY - timedelta(seconds=1)
    assert hours_due([NOON], now=just_before, in_progress=[], attempts=tries) == []
    assert hours_due([NOON], now=NOON + FIRST_DELAY, in_progress=[], attempts=tries) == [NOON]
