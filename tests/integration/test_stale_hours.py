"""Promise 6 at its full width: exactly the hours that late data touches are asked for, once."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import Random

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from flight_assets.automation import answer_hours_job, stale_hours_sensor
from flight_assets.core.repairs import MAX_HOURS_A_RUN, HourRange
from flight_assets.partitions import hours_of_run, tags_for
from flight_assets.resources import resources

from .modelled import EIGHT, NINE, Modelled, flight

pytestmark = pytest.mark.integration

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
DAYS = 22
HOURS = [EIGHT + n * HOUR for n in range(24 * DAYS)]
STARTED = dg.DagsterRunStatus.STARTED
NO_HOUR = {"from_hour": "2025-07-01T00:00:00Z", "to_hour": "2025-07-01T01:00:00Z"}
ANSWERED = "insert into gold.answered_hours values (%s, %s, %s, now(), 'test')"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def as_of(hour: datetime) -> datetime:
    """Return when the hour's only poll ended: in some hours soon after their beginning."""
    return hour + (hour.day % 4 * 19 + 2) * MINUTE


@pytest.fixture
def answered(modelled: Modelled) -> Modelled:
    """22 days, of which every hour has a poll and is answered."""
    through = 0
    for hour in HOURS:
        through = modelled.land_poll(as_of(hour) - MINUTE, as_of(hour))
    tables = ("as_of_hours", "answered_hours", "stale_hours")
    assert modelled.dbt("run", "--select", *tables, **NO_HOUR).success
    for hour in HOURS:
        answer(modelled, hour, through=through)
    assert stale(modelled) == []
    return modelled


def answer(modelled: Modelled, hour: datetime, *, through: int) -> None:
    """Say that the hour is answered, as the last model does."""
    modelled.connection.execute("delete from gold.answered_hours where as_of_hour = %s", [hour])
    modelled.connection.execute(ANSWERED, [hour, as_of(hour), through])


def stale(modelled: Modelled) -> list[datetime]:
    return [row[0] for row in modelled.rows("select as_of_hour from gold.stale_hours order by 1")]


def looked_at(instants: Sequence[datetime]) -> list[datetime]:
    """Return the hours whose answers look at one of the instants."""
    return [
        hour
        for hour in HOURS
        if any(as_of(hour) - 15 * MINUTE <= at <= as_of(hour) for at in instants)
    ]


def late_slices(count: int) -> list[list[datetime]]:
    """Return the times of late observations, by slice: each brings some of three days."""
    random = Random(7)
    last_s = int((HOURS[-1] - HOURS[0]).total_seconds())
    return [
        [HOURS[0] + timedelta(seconds=random.randint(0, last_s)) for _ in range(3)]
        for _ in range(count)
    ]


def ask(instance: dg.DagsterInstance) -> list[HourRange]:
    """Return the hours of the runs that a tick asks for, which are running from then on."""
    context = dg.build_sensor_context(
        instance=instance, resources={"postgres": resources()["postgres"]}
    )
    asked = []
    for request in stale_hours_sensor.evaluate_tick(context).run_requests or []:
        run_for(instance, dict(request.tags), STARTED)
        hours = hours_of_run(request.tags)
        assert hours is not None
        asked.append(hours)
    return asked


def run_for(
    instance: dg.DagsterInstance, tags: dict[str, str], status: dg.DagsterRunStatus
) -> dg.DagsterRun:
    return create_run_for_test(instance, answer_hours_job.name, tags=tags, status=status)


def finish(instance: dg.DagsterInstance) -> None:
    """End the runs as they do that succeed: nothing of them is in progress any more."""
    for run in instance.get_runs(dg.RunsFilter(statuses=[STARTED])):
        instance.delete_run(run.run_id)


def test_hundreds_of_late_slices_over_weeks_make_exactly_their_hours_stale(
    answered: Modelled, instance: dg.DagsterInstance
) -> None:
    slices = late_slices(300)
    for times in slices:
        answered.land([flight("late", at) for at in times], log_hour=HOURS[-1])
    expected = looked_at([at for times in slices for at in times])
    assert len(expected) > 150
    assert stale(answered) == expected
    [(through,)] = answered.rows("select max(slice_id) from bronze.landed_slices")
    asked: list[datetime] = []
    while runs := ask(instance):
        assert ask(instance) == [], "a run works on them"
        hours = [run.first + n * HOUR for run in runs for n in range(run.count)]
        assert len(hours) <= MAX_HOURS_A_RUN
        for hour in hours:
            answer(answered, hour, through=through)
        finish(instance)
        asked += hours
    assert sorted(asked) == expected, "each hour once, and no other"
    assert asked[0] == expected[-1], "the newest first"
    assert stale(answered) == []


def test_late_data_on_both_sides_of_what_an_answer_looks_at_leaves_it_alone(
    answered: Modelled,
) -> None:
    hour = next(hour for hour in HOURS if as_of(hour) == hour + 40 * MINUTE)
    first, last = as_of(hour) - 15 * MINUTE, as_of(hour)
    second = timedelta(seconds=1)
    answered.land([flight("late", at) for at in (first - second, last + second)], log_hour=NINE)
    assert stale(answered) == []
    answered.land([flight("late", at) for at in (first, hour)], log_hour=NINE)
    assert stale(answered) == [hour]
    answered.land([flight("late", at) for at in (last + HOUR, hour)], log_hour=NINE)
    assert stale(answered) == [hour, hour + HOUR]


def test_an_hour_that_failed_waits_however_many_runs_there_were_since(
    answered: Modelled, instance: dg.DagsterInstance
) -> None:
    hours = HOURS[:120]
    answered.land([flight("late", as_of(hour)) for hour in hours], log_hour=HOURS[-1])
    for hour in hours:
        tags = tags_for(HourRange(first=hour, last=hour))
        instance.report_run_failed(run_for(instance, tags, STARTED))
    assert stale(answered) == hours
    assert ask(instance) == []


def test_an_hour_that_a_person_builds_is_left_to_that_run(
    answered: Modelled, instance: dg.DagsterInstance
) -> None:
    answered.land([flight("late", as_of(hour)) for hour in HOURS[:3]], log_hour=HOURS[-1])
    create_run_for_test(
        instance,
        "__ASSET_JOB",
        tags=tags_for(HourRange(first=HOURS[0], last=HOURS[1])),
        status=STARTED,
        asset_selection=frozenset([dg.AssetKey(["gold", "answered_hours"])]),
    )
    assert ask(instance) == [HourRange(first=HOURS[2], last=HOURS[2])]
