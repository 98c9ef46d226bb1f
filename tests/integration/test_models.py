"""The hourly models on a real Postgres: the same answers every time, and only what is new read."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from flight_assets.core.questions import QUESTIONS

from .modelled import EIGHT, NINE, Modelled, flight, land_two_hours, plan_of, walk

pytestmark = pytest.mark.integration

# answered_at, through_slice_id and run_id say who answered and when: they differ, answers do not
TABLES = {
    "silver.as_of_hours": "*",
    "silver.observed_fleets": "*",
    "silver.flight_states": "*",
    "gold.evidence": "*",
    "gold.usable_flights": "*",
    **{f"gold.{question}": "*" for question in QUESTIONS},
    "gold.answers": "*",
    "gold.answered_hours": "as_of_hour, as_of_at",
}


def everything(modelled: Modelled, hour: datetime) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of the hour, by table."""
    return {
        table: sorted(
            modelled.rows(f"select {columns} from {table} where as_of_hour = '{hour.isoformat()}'"),
            key=str,
        )
        for table, columns in TABLES.items()
    }


def stale(modelled: Modelled) -> list[datetime]:
    return [row[0] for row in modelled.rows("select as_of_hour from gold.stale_hours order by 1")]


def test_the_models_build_and_their_unit_tests_hold(modelled: Modelled) -> None:
    land_two_hours(modelled)
    assert modelled.build(EIGHT, 2).success
    hours = {"from_hour": "2025-07-20T08:00:00Z", "to_hour": "2025-07-20T09:00:00Z"}
    units = modelled.dbt("test", "--select", "tag:hourly,test_type:unit", **hours)
    assert units.success
    assert len(units.result.results) >= 25  # type: ignore[union-attr]


def test_a_rerun_gives_the_same_rows_in_any_time_zone(modelled: Modelled) -> None:
    land_two_hours(modelled)
    assert modelled.build(EIGHT, 2).success
    first = [everything(modelled, hour) for hour in (EIGHT, NINE)]
    assert all(first[0].values())
    modelled.connection.execute("alter database models set timezone to 'Asia/Kolkata'")
    try:
        assert modelled.build(EIGHT, 2).success
    finally:
        modelled.connection.execute("alter database models reset timezone")
    assert [everything(modelled, hour) for hour in (EIGHT, NINE)] == first


def test_an_hour_that_has_become_empty_is_empty(modelled: Modelled) -> None:
    land_two_hours(modelled)
    assert modelled.build(EIGHT, 2).success
    nine = everything(modelled, NINE)
    modelled.connection.execute("delete from bronze.raw_polls where started_at < %s", [NINE])
    assert modelled.build(EIGHT).success
    assert not any(everything(modelled, EIGHT).values())
    assert everything(modelled, NINE) == nine


def test_a_full_refresh_keeps_the_hours_that_nobody_asked_for(modelled: Modelled) -> None:
    land_two_hours(modelled)
    assert modelled.build(EIGHT, 2).success
    eight = everything(modelled, EIGHT)
    assert modelled.build(NINE, 1, "--full-refresh").success
    assert everything(modelled, EIGHT) == eight


def test_late_data_makes_its_hour_stale_and_no_other(modelled: Modelled) -> None:
    land_two_hours(modelled)
    assert modelled.build(EIGHT, 2).success
    assert stale(modelled) == []
    # before the minutes that an answer looks at
    modelled.land([flight("e", EIGHT + timedelta(minutes=30))], log_hour=NINE)
    assert stale(modelled) == []
    late = modelled.land([flight("e", EIGHT + timedelta(minutes=50))], log_hour=NINE)
    assert stale(modelled) == [EIGHT]
    assert modelled.rows("select newest_slice_id from gold.stale_hours") == [(late,)]
    assert modelled.build(EIGHT).success
    assert stale(modelled) == []
    assert len(everything(modelled, EIGHT)["gold.longest_active_flights"]) == 4


def test_a_new_poll_makes_its_hour_stale(modelled: Modelled) -> None:
    land_two_hours(modelled)
    assert modelled.build(EIGHT, 2).success
    ten = NINE + timedelta(hours=1)
    modelled.land_poll(ten, ten + timedelta(seconds=20))
    modelled.land_poll(
        EIGHT + timedelta(minutes=59, seconds=30), EIGHT + timedelta(minutes=59, seconds=50)
    )
    assert stale(modelled) == [EIGHT, ten]


def test_a_model_that_fails_leaves_the_answers_as_they_were_and_the_hour_stale(
    modelled: Modelled,
) -> None:
    land_two_hours(modelled)
    assert modelled.build(EIGHT).success
    before = everything(modelled, EIGHT)
    modelled.land([flight("e", EIGHT + timedelta(minutes=50))], log_hour=NINE)
    # an airport that is there twice would count its flights twice
    modelled.connection.execute(
        "insert into silver.airports_history "
        "select * from silver.airports_history where airport_iata = 'SIN'"
    )
    failed = modelled.build(EIGHT)
    assert not failed.success
    assert everything(modelled, EIGHT) == before
    assert EIGHT in stale(modelled)


def test_an_hour_costs_its_window_and_not_the_history(modelled: Modelled) -> None:
    history = """
        insert into bronze.raw_flights (
            log_hour, observed_at, slice_id, kafka_offset, kafka_partition, lat_deg, lon_deg,
            is_on_ground, flight_id, poll_id, tile_id)
        select date_trunc('hour', at, 'UTC'), at, 1, row_number() over (order by at), 1, 1, 1,
            false, 'history', 'p', 't'
        from generate_series(%s::timestamptz, %s::timestamptz, interval '1 second') as at
    """
    for day in (0, 1):
        modelled.create_partition("raw_flights", EIGHT - timedelta(days=day))
    modelled.connection.execute(history, [EIGHT - timedelta(days=1), NINE])
    for partition in modelled.rows(
        "select inhrelid::regclass::text || '_observed_at_idx' from "
        "pg_inherits where inhparent = 'bronze.raw_flights'::regclass"
    ):
        modelled.connection.execute("select brin_summarize_new_values(%s::regclass)", partition)
    land_two_hours(modelled)
    plan = plan_of(modelled, modelled.build(EIGHT), "flight_states")
    scans = [node for node in walk(plan) if "raw_flights" in str(node.get("Relation Name"))]
    assert scans
    assert {scan["Node Type"] for scan in scans} == {"Bitmap Heap Scan"}
    read = sum(scan["Actual Rows"] + scan.get("Rows Removed by Index Recheck", 0) for scan in scans)
    # each state meets its references by hash, never one by one
    assert {node["Node Type"] for node in walk(plan) if "Join Type" in node} == {"Hash Join"}
    # 900 rows of history are in the window of 90,000; blocks are read in ranges of 32
    assert 900 < read < 15_000


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ({}, "from_hour and to_hour are not set"),
        ({"from_hour": "2025-07-20T08:00:00Z"}, "to_hour is 'None', not a UTC hour"),
        (
            {"from_hour": "2025-07-20T08:30:00Z", "to_hour": "2025-07-20T09:00:00Z"},
            "from_hour is '2025-07-20T08:30:00Z', not a UTC hour",
        ),
        (
            {"from_hour": "2025-07-20T09:00:00Z", "to_hour": "2025-07-20T09:00:00Z"},
            "is not before to_hour",
        ),
    ],
)
def test_hours_that_are_missing_or_wrong_are_named(
    modelled: Modelled, hours: dict[str, str], words: str
) -> None:
    built = modelled.dbt("run", "--select", "as_of_hours", **hours)
    assert not built.success
    assert words in str(built.result.results[0].message)  # type: ignore[union-attr]
