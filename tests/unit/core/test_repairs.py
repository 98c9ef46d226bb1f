from datetime import UTC, datetime, timedelta
from functools import partial

from flight_assets.core.repairs import (
    FIRST_DELAY,
    LONGEST_DELAY,
    Failure,
    HourRange,
    contiguous_ranges,
    hours_due,
    next_runs,
    retry_at,
)

NOON = datetime(2025, 7, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def failure(hour: datetime, *, ended_at: datetime) -> Failure:
    return Failure(hours=HourRange(first=hour, last=hour), ended_at=ended_at)


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
    assert retry_at(NOON, [], answered_at=None) is None
    assert retry_at(NOON, [failure(NOON + HOUR, ended_at=NOON)], answered_at=None) is None


def test_the_delay_doubles_with_each_failure_and_is_bounded():
    failed = [failure(NOON, ended_at=NOON + n * timedelta(minutes=1)) for n in range(20)]
    # in whatever order the runs are told
    assert retry_at(NOON, failed[:1], answered_at=None) == failed[0].ended_at + FIRST_DELAY
    assert retry_at(NOON, failed[2::-1], answered_at=None) == failed[2].ended_at + 4 * FIRST_DELAY
    assert retry_at(NOON, failed, answered_at=None) == failed[-1].ended_at + LONGEST_DELAY


def test_an_answer_forgets_the_failures_before_it():
    failed = [failure(NOON, ended_at=NOON), failure(NOON, ended_at=NOON + 2 * HOUR)]
    assert retry_at(NOON, failed[:1], answered_at=NOON) is None
    assert retry_at(NOON, failed, answered_at=NOON + HOUR) == NOON + 2 * HOUR + FIRST_DELAY


def test_an_hour_that_a_run_works_on_is_left_to_it():
    busy = [HourRange(first=NOON, last=NOON)]
    stale = {NOON: None, NOON + HOUR: None}
    assert hours_due(stale, now=NOON, in_progress=busy, failures=[]) == [NOON + HOUR]


def test_an_hour_waits_until_its_delay_is_over():
    failed = [failure(NOON, ended_at=NOON)]
    just_before = NOON + FIRST_DELAY - timedelta(seconds=1)
    due = partial(hours_due, {NOON: None}, in_progress=[], failures=failed)
    assert due(now=just_before) == []
    assert due(now=NOON + FIRST_DELAY) == [NOON]


def test_the_newest_hours_are_asked_for_first_and_no_more_than_there_is_room_for():
    scattered = [NOON + n * 2 * HOUR for n in range(30)]
    asked = next_runs(scattered)
    assert [hours.first for hours in asked] == scattered[:-25:-1]
    assert next_runs(scattered, room=0) == []


def test_a_run_that_does_not_fit_waits_and_nothing_older_overtakes_it():
    neighbours = [NOON + n * HOUR for n in range(3)]
    due = [NOON - 5 * HOUR, *neighbours, NOON + 9 * HOUR]
    newest = HourRange(first=NOON + 9 * HOUR, last=NOON + 9 * HOUR)
    assert next_runs(due, room=3) == [newest]
    assert next_runs(due, room=4) == [newest, HourRange(first=NOON, last=NOON + 2 * HOUR)]
