"""What is pruned of bronze, what stays, and that no answer and no flight changes by it."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from flight_assets.warehouse import retention
from flight_assets.warehouse.retention import RAW_TABLES, Pruned, prune_bronze

from .modelled import EIGHT, POLLS, Modelled, flight

pytestmark = pytest.mark.integration

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
MIDNIGHT = EIGHT - 8 * HOUR
AGE_DAYS = 7
KEPT = ("gold.answers", "gold.evidence", "gold.answered_hours", "silver.flight_states")
OF_FLIGHTS = ("silver.flight_quarters", "silver.flight_sessions", "silver.quality_quarters")
HASHES = """
select '{table}', count(*), md5(string_agg(row::text, e'\n' order by row::text))
from (
    select to_jsonb(t) - '{{answered_at,run_id,through_slice_id}}'::text[] as row from {table} as t
) as rows
"""


@pytest.fixture
def history(modelled: Modelled, monkeypatch: pytest.MonkeyPatch) -> Modelled:
    """The empty warehouse without the partitions that other tests made, and little patience."""
    monkeypatch.setattr(retention, "TRIES", 3)
    monkeypatch.setattr(retention, "PAUSE_S", 0.1)
    for partition in retention.partitions(modelled.connection, [*RAW_TABLES, retention.REJECTED]):
        modelled.connection.execute(f"drop table {partition.name}".encode())
    return modelled


def land_day(history: Modelled, midnight: datetime) -> None:
    """Land a day: a poll soon after midnight, whose answer looks back over it, and one at 8:59.

    All of it in the past: it landed when it was.
    """
    day = f"{midnight:%m%d}"
    before, after = midnight - 4 * MINUTE, midnight + 3 * MINUTE
    # the poll of before midnight ran into the new day: its observations are in the log of that
    history.land([flight(f"n{day}", before)], log_hour=midnight - HOUR)
    history.land([flight(f"n{day}", after), flight(f"m{day}", midnight + MINUTE)])
    history.land_poll(after, after + MINUTE)
    seen = midnight + 8 * HOUR + 59 * MINUTE
    history.land(
        [
            flight(f"a{day}", seen - 20 * MINUTE, lat_deg=2.0),
            flight(f"a{day}", seen),
            flight(f"b{day}", seen, airline_icao="DLH", type_code="A20N", origin_iata="FRA"),
        ]
    )
    history.land_poll(seen, seen + MINUTE // 2)
    history.connection.execute(
        "update bronze.landed_slices set landed_at = log_hour + interval '1 hour' "
        "where landed_at > now() - interval '1 hour'"
    )


def build(history: Modelled, first: datetime, days: int, **dbt_vars: Any) -> None:
    """Run the hourly models over days, as a landing run does where nothing else is said."""
    [(newest,)] = history.rows("select coalesce(max(slice_id), 0) from bronze.landed_slices")
    done = history.dbt(
        *("run", "--select", "tag:hourly"),
        **{
            "from_hour": f"{first:%Y-%m-%dT%H}:00:00Z",
            "to_hour": f"{first + days * DAY:%Y-%m-%dT%H}:00:00Z",
            "through_slice_id": newest,
            "run_id": "test",
            "rebuild": False,
            **dbt_vars,
        },
    )
    assert done.success, done.exception or [
        (node.node.name, node.message) for node in done.result if node.status != "success"
    ]


def land_days(history: Modelled, days: int, *, first: datetime = MIDNIGHT) -> None:
    for number in range(days):
        land_day(history, first + number * DAY)


def hashes(history: Modelled, tables: tuple[str, ...] = KEPT + OF_FLIGHTS) -> list[Any]:
    return [history.rows(HASHES.format(table=table))[0] for table in tables]


def prune(history: Modelled, now: datetime, age_days: int = AGE_DAYS) -> Pruned:
    return prune_bronze(history.connection, now=now, age_days=age_days, run_id="test")


def days_of(history: Modelled, table: str = "bronze.raw_flights") -> list[date]:
    return [each.day for each in retention.partitions(history.connection, [table])]


def pruned_to(history: Modelled, days: int) -> None:
    """Land and build days, and prune all but the last of them."""
    land_days(history, days)
    build(history, MIDNIGHT, days)
    found = prune(history, MIDNIGHT + days * DAY, age_days=1)
    assert found.kept == {}
    assert len(days_of(history)) == 1


def stale(history: Modelled) -> list[datetime]:
    return [hour for (hour,) in history.rows("select as_of_hour from gold.stale_hours order by 1")]


def closed(history: Modelled) -> list[datetime]:
    return [hour for (hour,) in history.rows("select as_of_hour from gold.closed_hours order by 1")]


def test_a_day_that_is_old_and_modelled_goes_and_takes_no_answer_along(history: Modelled) -> None:
    land_days(history, 3)
    build(history, MIDNIGHT, 3)
    before = hashes(history)
    assert all(count for _, count, _ in before)
    found = prune(history, MIDNIGHT + 2 * DAY + AGE_DAYS * DAY)
    first = (MIDNIGHT - DAY).date()  # of the observations before midnight
    assert [day.day for day in found.days] == [first, first + DAY, first + 2 * DAY]
    assert days_of(history) == days_of(history, "bronze.raw_polls") == [first + 3 * DAY]
    assert hashes(history) == before
    assert stale(history) == []
    assert history.rows(
        "select table_name, log_date, row_count from bronze.pruned_days order by 2, 1"
    ) == [
        ("bronze.raw_flights", first, 1),
        ("bronze.raw_polls", first, 0),
        ("bronze.raw_flights", first + DAY, 6),
        ("bronze.raw_polls", first + DAY, 2),
        ("bronze.raw_flights", first + 2 * DAY, 6),
        ("bronze.raw_polls", first + 2 * DAY, 2),
    ]
    assert found.byte_count > 0
    assert prune(history, MIDNIGHT + 2 * DAY + AGE_DAYS * DAY).days == ()


def test_late_rows_and_a_rebuild_leave_what_was_pruned_as_it_is(history: Modelled) -> None:
    pruned_to(history, 4)
    hours = closed(history)
    # the day that is there begins with an hour that looks back over midnight
    assert hours[-1] == MIDNIGHT + 3 * DAY
    before = hashes(history)
    eight = MIDNIGHT + DAY + 8 * HOUR
    late = [flight("a0721", eight + 50 * MINUTE), flight("late", eight + 58 * MINUTE)]
    history.land(late, log_hour=MIDNIGHT + 3 * DAY + 9 * HOUR)
    history.land([flight("n0723", MIDNIGHT + 3 * DAY + MINUTE)])
    at = eight + 30 * MINUTE
    poll = {"poll_id": "late", "started_at": at, "ended_at": at + MINUTE}
    history._land("flights.polls", POLLS, [poll], [at], MIDNIGHT + 3 * DAY + 9 * HOUR)
    assert stale(history) == [], "nobody is asked for what cannot be built"
    build(history, MIDNIGHT, 4)
    assert hashes(history) == before, "as a landing run that goes over them"
    build(history, MIDNIGHT, 4, rebuild=True)
    assert hashes(history) == before, "as dbt by hand, which knows no guard"
    build(history, MIDNIGHT, 4, rebuild=True, closed_hours=[hour.isoformat() for hour in hours])
    assert hashes(history) == before, "as a run that was told"


def test_what_lands_beside_a_pruned_hour_is_still_modelled(history: Modelled) -> None:
    pruned_to(history, 2)
    seen = MIDNIGHT + DAY + 59 * MINUTE
    open_hour = seen + HOUR
    history.land([flight("new", open_hour - 2 * MINUTE)], log_hour=open_hour)
    history.land_poll(open_hour, open_hour + MINUTE // 2)
    assert len(stale(history)) == 1
    build(history, MIDNIGHT + DAY, 1)
    assert stale(history) == []
    assert history.rows("select flight_id from silver.flight_sessions where flight_id = 'new'")
    late = [flight("a0721", seen + 7 * HOUR + 55 * MINUTE)]
    history.land(late, log_hour=MIDNIGHT + DAY + 9 * HOUR)
    assert stale(history) == [MIDNIGHT + DAY + 8 * HOUR], "late, and nothing of it was pruned"


def test_a_day_that_is_landed_again_can_be_built_again(history: Modelled) -> None:
    pruned_to(history, 2)
    before = hashes(history, KEPT[:1])
    day = MIDNIGHT.date()
    assert MIDNIGHT + 8 * HOUR in closed(history)
    # as `kafka_sensors.replay` does: the ledger's rows are replaced by newer ones
    of_the_day = "delete from bronze.landed_slices where log_hour < %s"
    history.connection.execute(of_the_day, [MIDNIGHT + DAY])
    land_day(history, MIDNIGHT)
    assert closed(history) == []
    build(history, MIDNIGHT, 1, rebuild=True)
    assert hashes(history, KEPT[:1]) == before
    again = prune(history, datetime.now(EIGHT.tzinfo) + 9 * DAY, age_days=1)
    assert day in [each.day for each in again.days]
    assert MIDNIGHT + 8 * HOUR in closed(history)
