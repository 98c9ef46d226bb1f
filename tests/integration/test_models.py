"""The hourly models on a real Postgres: the same answers every time, and only what is new read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dbt.cli.main import dbtRunner, dbtRunnerResult
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_assets.core.questions import QUESTIONS
from flight_assets.settings import PROJECT_ROOT
from flight_assets.warehouse.answers import answers
from flight_assets.warehouse.connection import connect
from flight_assets.warehouse.migrate import create_database_if_missing, migrate

from .modelled import Modelled, flight

pytestmark = pytest.mark.integration

EIGHT = datetime(2025, 7, 20, 8, tzinfo=UTC)
NINE = EIGHT + timedelta(hours=1)
ADDS_UP = "test.flight_assets.evidence_adds_up_to_the_answers"
# of flights a SIN-JFK, b FRA-JFK and d FRA-LHR: scope, rank, subject, label, value, unit, flights
ANSWERS_AT_NINE = {
    "top_airlines": [
        ("None", "1", "DLH", "Lufthansa", "2.000", "flights", "2"),
        ("None", "2", "SIA", "Singapore Airlines", "1.000", "flights", "1"),
    ],
    "top_regional_airlines_by_continent": [
        ("EU", "1", "DLH", "Lufthansa", "1.000", "flights", "1")
    ],
    "longest_active_flights": [
        ("None", "1", "a", "SIN-JFK", "15340.580", "km", "1"),
        ("None", "2", "b", "FRA-JFK", "6187.980", "km", "1"),
        ("None", "3", "d", "FRA-LHR", "653.127", "km", "1"),
    ],
    "mean_route_distance_by_continent": [
        ("AS", "None", "None", "Asia", "15340.580", "km", "1"),
        ("EU", "None", "None", "Europe", "3420.554", "km", "2"),
    ],
    "top_aircraft_manufacturers": [("None", "1", "Airbus", "Airbus", "3.000", "flights", "3")],
    "top_aircraft_models_by_continent": [
        ("AS", "1", "A359", "Airbus A350-900", "1.000", "flights", "1"),
        ("EU", "1", "A20N", "Airbus A320neo", "2.000", "flights", "2"),
    ],
    "top_aircraft_models_by_airline_country": [
        ("DE", "1", "A20N", "Airbus A320neo", "2.000", "flights", "2"),
        ("SG", "1", "A359", "Airbus A350-900", "1.000", "flights", "1"),
    ],
    "top_destination_airports_by_continent": [
        ("EU", "1", "EGLL", "London Heathrow", "1.000", "flights", "1"),
        ("NA", "1", "KJFK", "New York JFK", "2.000", "flights", "2"),
    ],
    "airport_traffic_imbalance": [
        ("None", "1", "EDDF", "Frankfurt", "2.000", "flights", "2"),
        ("None", "1", "KJFK", "New York JFK", "-2.000", "flights", "2"),
        ("None", "3", "EGLL", "London Heathrow", "-1.000", "flights", "1"),
        ("None", "3", "WSSS", "Singapore Changi", "1.000", "flights", "1"),
    ],
    "mean_ground_speed_by_continent": [
        ("AS", "None", "None", "Asia", "480.000", "kt", "1"),
        ("EU", "None", "None", "Europe", "440.500", "kt", "2"),
    ],
}
# answered_at, through_slice_id and run_id say who answered and when: they differ, answers do not
TABLES = {
    "silver.as_of_hours": "*",
    "silver.flight_states": "*",
    "gold.evidence": "*",
    "gold.usable_flights": "*",
    **{f"gold.{question}": "*" for question in ANSWERS_AT_NINE},
    "gold.answers": "*",
    "gold.answered_hours": "as_of_hour, as_of_at",
}


@pytest.fixture(scope="module")
def _parsed(server_conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Modelled]:
    """One database for the module: dbt's manifest names it, and parsing takes seconds."""
    conninfo = make_conninfo(server_conninfo, dbname="models")
    create_database_if_missing(conninfo)
    migrate(conninfo)
    target = tmp_path_factory.mktemp("dbt")
    with pytest.MonkeyPatch.context() as patch, connect(conninfo, autocommit=True) as connection:
        for name, value in conninfo_to_dict(conninfo).items():
            patch.setenv(
                {"dbname": "POSTGRES_DB"}.get(name, f"POSTGRES_{name.upper()}"), str(value)
            )
        project = str(PROJECT_ROOT / "dbt_project")
        places = ["--project-dir", project, "--profiles-dir", project, "--target-path", str(target)]
        parsed = dbtRunner().invoke(["parse", *places, "--log-path", str(target), "--quiet"])
        assert parsed.success, parsed.exception
        yield Modelled(connection, parsed.result, target)  # type: ignore[arg-type]


@pytest.fixture
def modelled(_parsed: Modelled) -> Modelled:
    _parsed.reset()
    return _parsed


def land_two_hours(modelled: Modelled) -> None:
    """Land a poll at the end of hour 8 and one of hour 9, four flights each, one on the ground."""
    for hour in (EIGHT, NINE):
        seen = hour + timedelta(minutes=59)
        modelled.land(
            [
                flight("a", seen),
                flight("a", seen),  # the feed repeats itself
                flight("b", seen, airline_icao="DLH", type_code="A20N", origin_iata="FRA"),
                flight("c", seen, is_on_ground=True),
                flight(
                    "d",
                    seen,
                    airline_icao="DLH",
                    type_code="A20N",
                    origin_iata="FRA",
                    destination_iata="LHR",
                    ground_speed_kt=401,
                ),
            ]
        )
        modelled.land_poll(seen, seen + timedelta(seconds=20))


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


def test_the_models_answer_and_their_unit_tests_hold(modelled: Modelled) -> None:
    land_two_hours(modelled)
    assert modelled.build(EIGHT, 2).success
    hours = {"from_hour": "2025-07-20T08:00:00Z", "to_hour": "2025-07-20T09:00:00Z"}
    units = modelled.dbt("test", "--select", "tag:hourly,test_type:unit", **hours)
    assert units.success
    assert len(units.result.results) >= 22  # type: ignore[union-attr]
    answered = modelled.rows(
        "select question, scope, rank, subject, label, value, unit, flight_count, usable_ratio"
        " from gold.answers where as_of_hour = '2025-07-20T09:00:00Z'"
    )
    assert {tuple(map(str, row)) for row in answered} == {
        (question, *rest, "1.000000") for question, rows in ANSWERS_AT_NINE.items() for rest in rows
    }


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
        "insert into silver.airports select * from silver.airports where airport_iata = 'SIN'"
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
    # 900 rows of history are in the window of 90,000; blocks are read in ranges of 32
    assert 900 < read < 15_000


def test_a_question_reads_its_hour_of_the_states_and_nothing_of_the_ledger(
    modelled: Modelled,
) -> None:
    land_two_hours(modelled)
    assert modelled.build(EIGHT).success
    columns = ", ".join(
        row[0]
        for row in modelled.rows(
            "select column_name from information_schema.columns where table_schema = 'silver'"
            " and table_name = 'flight_states' and column_name not in ('as_of_hour', 'flight_id')"
        )
    )
    modelled.connection.execute(
        f"""
        insert into silver.flight_states (as_of_hour, flight_id, {columns})
        select as_of_hour - hours * interval '1 hour', concat(flight_id, copies), {columns}
        from silver.flight_states, generate_series(1, 50) as hours,
            generate_series(1, 100) as copies
        """.encode()
    )
    modelled.connection.execute("analyze silver.flight_states")
    built = modelled.build(EIGHT)
    assert built.success
    for question in ANSWERS_AT_NINE:
        nodes = list(walk(plan_of(modelled, built, question)))
        read = [node for node in nodes if node.get("Relation Name") == "flight_states"]
        # the other questions are not in the plan; two branches count what goes out and comes in
        assert len(read) == (2 if question == "airport_traffic_imbalance" else 1), question
        assert "Seq Scan" not in {node["Node Type"] for node in read}, question
        conditions = [node["Index Cond"] for node in nodes if "Index Cond" in node]
        assert len([told for told in conditions if "as_of_hour" in told]) >= len(read), question
        assert not [node for node in nodes if node.get("Relation Name") == "landed_slices"]


def test_the_trend_is_against_the_same_hour_of_the_day_before(modelled: Modelled) -> None:
    land_two_hours(modelled)
    day_before = EIGHT - timedelta(days=1)
    seen = day_before + timedelta(minutes=10)
    modelled.land([flight("e", seen, ground_speed_kt=470), flight("f", seen, ground_speed_kt=480)])
    modelled.land_poll(seen, seen)
    assert modelled.build(day_before).success
    assert modelled.build(EIGHT, 2).success
    answered = {
        (answer.question, answer.scope, answer.subject): answer
        for answer in answers(modelled.connection, EIGHT)
    }
    assert list(dict.fromkeys(question for question, _, _ in answered)) == list(QUESTIONS)
    assert all(answer.is_answered_24h_before for answer in answered.values())
    known = answered["top_airlines", None, "SIA"]
    assert (known.value_24h_before, known.rank_24h_before, known.change) == (2, 1, -1)
    assert known.sentence == (
        "Singapore Airlines (SIA) had 1 active flight as of 2025-07-20 08:59 UTC: "
        "rank 2 among airlines."
    )
    new = answered["top_airlines", None, "DLH"]
    assert (new.value_24h_before, new.rank_24h_before, new.change) == (None, None, None)
    mean = answered["mean_ground_speed_by_continent", "AS", None]
    assert (mean.value_24h_before, mean.change) == (475, 5)
    only = answers(modelled.connection, NINE, "top_airlines")
    assert {answer.question for answer in only} == {"top_airlines"}
    assert not any(answer.is_answered_24h_before for answer in only)


def test_an_answer_that_its_flights_do_not_add_up_to_is_found(modelled: Modelled) -> None:
    land_two_hours(modelled)
    assert modelled.build(EIGHT).success
    for wrong in (
        "update gold.top_airlines set value = value + 1, flight_count = flight_count + 1",
        "update gold.mean_ground_speed_by_continent set value = value + 0.001",
        "delete from gold.airport_traffic_imbalance where subject = 'WSSS'",
        "update gold.top_destination_airports_by_continent set subject = 'EDDF'",
    ):
        hours = {"from_hour": "2025-07-20T08:00:00Z", "to_hour": "2025-07-20T09:00:00Z"}
        with modelled.connection.transaction(force_rollback=True):
            modelled.connection.execute(wrong.encode())
            test = modelled.manifest.nodes[ADDS_UP]
            compiled = modelled.dbt("compile", "--select", test.name, **hours)
            node = compiled.result.results[0].node  # type: ignore[union-attr]
            assert modelled.rows(node.compiled_code), wrong
    assert modelled.rows(node.compiled_code) == []


def plan_of(modelled: Modelled, built: dbtRunnerResult, model: str) -> dict[str, Any]:
    """Return the plan of a model as it ran: its SQL under the settings of its pre-hooks."""
    results = built.result.results  # type: ignore[union-attr]
    node = next(result.node for result in results if result.node.name == model)
    settings = [hook.sql for hook in node.config.pre_hook if hook.sql.startswith("set local")]
    with modelled.connection.transaction():
        for setting in settings:
            modelled.connection.execute(setting)
        explained = modelled.rows(f"explain (analyze, format json) {node.compiled_code}")
    return explained[0][0][0]["Plan"]


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the node of a plan and all nodes under it."""
    yield node
    for child in node.get("Plans", []):
        yield from walk(child)


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
