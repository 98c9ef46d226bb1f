"""Which days may go: old ones of which nothing is still to be made."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_assets.core.retention import LogDay, Modelled, is_old, plan, stale_hours_of, why_kept

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
MIDNIGHT = datetime(2025, 7, 20, tzinfo=UTC)
DONE = Modelled(stale_hours=frozenset(), flights_through_slice_id=100)


def day(
    number: int = 0,
    *,
    hours: frozenset[datetime] | None = None,
    landed_at: datetime | None = None,
    newest_slice_id: int = 100,
) -> LogDay:
    """Return a day of the log that has what happened on it, as told otherwise."""
    midnight = MIDNIGHT + number * DAY
    return LogDay(
        day=midnight.date(),
        landed_at=landed_at or midnight + DAY,
        newest_slice_id=newest_slice_id,
        event_hours=frozenset(midnight + n * HOUR for n in range(24)) if hours is None else hours,
    )


def test_a_day_is_old_by_its_end_to_the_second():
    second = timedelta(seconds=1)
    assert is_old(day(), now=MIDNIGHT + 8 * DAY, age_days=7)
    assert not is_old(day(), now=MIDNIGHT + 8 * DAY - second, age_days=7)


def test_a_capture_of_long_ago_is_as_old_as_it_landed():
    landed = day(landed_at=MIDNIGHT + 300 * DAY)
    assert not is_old(landed, now=MIDNIGHT + 306 * DAY, age_days=7)
    assert is_old(landed, now=MIDNIGHT + 307 * DAY, age_days=7)


def test_a_day_that_never_landed_anything_is_as_old_as_it_is():
    empty = LogDay(day=MIDNIGHT.date(), landed_at=None, newest_slice_id=0, event_hours=frozenset())
    assert is_old(empty, now=MIDNIGHT + 8 * DAY, age_days=7)
    assert why_kept(empty, DONE) is None


def test_nothing_is_old_where_the_age_is_0():
    assert not is_old(day(), now=MIDNIGHT + 9_000 * DAY, age_days=0)


@pytest.mark.parametrize(
    ("stale", "keeps"),
    [
        (MIDNIGHT - 2 * HOUR, False),
        (MIDNIGHT - HOUR, True),  # its last poll may have ended in the day
        (MIDNIGHT, True),
        (MIDNIGHT + 23 * HOUR, True),
        (MIDNIGHT + 24 * HOUR, True),  # looks back over midnight
        (MIDNIGHT + 25 * HOUR, False),
    ],
)
def test_a_stale_hour_keeps_the_days_it_may_look_at(stale: datetime, keeps: bool):
    modelled = Modelled(stale_hours=frozenset([stale]), flights_through_slice_id=100)
    reason = why_kept(day(), modelled)
    assert (reason is not None) == keeps
    assert reason is None or f"{stale:%Y-%m-%dT%H}" in reason


def test_a_late_observation_in_a_day_ties_it_to_the_hour_it_is_of():
    late = day(hours=frozenset([MIDNIGHT - 5 * DAY]))
    modelled = Modelled(stale_hours=frozenset([MIDNIGHT - 5 * DAY]), flights_through_slice_id=100)
    assert why_kept(late, modelled) is not None
    assert why_kept(day(), modelled) is None, "the day itself has none of it"


def test_a_slice_that_flights_do_not_have_keeps_its_day():
    assert why_kept(day(newest_slice_id=100), DONE) is None
    assert "slice 101" in (why_kept(day(newest_slice_id=101), DONE) or "")


def test_a_reason_names_a_few_hours_and_counts_the_rest():
    stale = frozenset(MIDNIGHT + n * HOUR for n in range(10))
    reason = why_kept(day(), Modelled(stale_hours=stale, flights_through_slice_id=100))
    assert reason is not None
    assert "2025-07-20T00, 2025-07-20T01, 2025-07-20T02 and 7 more" in reason


hours = st.integers(-48, 120).map(lambda n: MIDNIGHT + n * HOUR)
log_days = st.builds(
    lambda number, of, slice_id: day(number, hours=of, newest_slice_id=slice_id),
    st.integers(0, 4),
    st.frozensets(hours, max_size=30),
    st.integers(0, 20),
)


@given(
    st.lists(log_days, max_size=5, unique_by=lambda each: each.day),
    st.frozensets(hours, max_size=5),
    st.integers(0, 20),
    st.integers(-1, 12),
)
def test_nothing_that_is_not_modelled_ever_goes(
    days: list[LogDay], stale: frozenset[datetime], through: int, now_day: int
):
    modelled = Modelled(stale_hours=stale, flights_through_slice_id=through)
    now = MIDNIGHT + now_day * DAY
    planned = plan(days, modelled, now=now, age_days=3)
    for each in days:
        looked_at = stale_hours_of(each, stale)
        if each.day in planned.may_go:
            assert not looked_at
            assert each.newest_slice_id <= through
            assert now - each.ends_at >= 3 * DAY
        elif each.day in planned.kept:
            assert looked_at or each.newest_slice_id > through
        else:
            assert now - each.ends_at < 3 * DAY
    assert list(planned.may_go) == sorted(planned.may_go)
