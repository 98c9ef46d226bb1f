"""The answers of hand-made flights: what gold says, what it is made of, and how it has changed."""

from datetime import timedelta

import pytest

from flight_assets.core.questions import QUESTIONS
from flight_assets.warehouse.answers import answers

from .modelled import EIGHT, NINE, Modelled, flight, land_two_hours, plan_of, walk

pytestmark = pytest.mark.integration

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


def test_every_question_is_answered(modelled: Modelled) -> None:
    land_two_hours(modelled)
    assert modelled.build(EIGHT, 2).success
    answered = modelled.rows(
        "select question, scope, rank, subject, label, value, unit, flight_count, usable_ratio"
        " from gold.answers where as_of_hour = '2025-07-20T09:00:00Z'"
    )
    assert {tuple(map(str, row)) for row in answered} == {
        (question, *rest, "1.000000") for question, rows in ANSWERS_AT_NINE.items() for rest in rows
    }


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
