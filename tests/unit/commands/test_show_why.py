"""What a person reads of an answer's evidence, and when it does not add up."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from flight_assets.commands.show_why import as_json, command_for, sum_line
from flight_assets.errors import FlightAssetsError
from flight_assets.warehouse.answers import Answer
from flight_assets.warehouse.why import CountedFlight, Evidence, chosen_answers

AT = datetime(2025, 7, 20, 8, tzinfo=UTC)


def answer(**fields: object) -> Answer:
    usual = {
        "as_of_hour": AT, "question": "top_airlines", "scope": None, "rank": 1, "subject": "SIA",
        "label": "Singapore Airlines", "value": Decimal(2), "unit": "flights", "flight_count": 2,
        "usable_ratio": Decimal(1), "scope_name": None, "sentence": "…", "value_24h_before": None,
        "rank_24h_before": None, "is_answered_24h_before": False,
    }  # fmt: skip
    return Answer(**{**usual, **fields})  # type: ignore[arg-type]


def flight(flight_id: str, value: str = "1") -> CountedFlight:
    return CountedFlight(
        flight_id=flight_id, value=Decimal(value), callsign=None, flight_number=None,
        registration=None, airline_icao="SIA", type_code=None, origin_iata=None,
        destination_iata=None, observed_at=AT, topic="flights.positions", kafka_partition=3,
        kafka_offset=17,
    )  # fmt: skip


def test_flights_that_add_up_say_so():
    found = Evidence(answer=answer(), flights=[flight("a"), flight("b")])
    assert found.adds_up
    assert sum_line(found) == "2 flights, sum 2.000 = the answer: 2 flights of 2"


def test_a_flight_too_few_is_not_the_answer():
    found = Evidence(answer=answer(), flights=[flight("a")])
    assert not found.adds_up
    assert "is NOT the answer" in sum_line(found)


def test_the_same_sum_of_other_flights_is_not_the_answer():
    found = Evidence(answer=answer(), flights=[flight("a"), flight("a")])
    assert found.value == 2
    assert not found.adds_up


def test_what_is_not_ranked_is_a_mean_rounded_half_up():
    mean = answer(rank=None, subject=None, scope="AS", value=Decimal("0.001"), flight_count=2)
    found = Evidence(answer=mean, flights=[flight("a", "0.001"), flight("b", "0")])
    assert found.adds_up
    assert not replace(found, flights=[flight("a", "0.001")]).adds_up


def test_the_command_names_what_the_answer_needs():
    assert command_for(answer(scope="AS")) == (
        'flight-assets why top_airlines --as-of 2025-07-20T08 --scope AS --subject "SIA"'
    )


def test_an_unknown_scope_or_subject_names_those_that_there_are():
    rows = [answer(scope="AS"), answer(scope="EU", subject="DLH")]
    assert chosen_answers(rows, scope=None, subject="DLH") == rows[1:]
    assert chosen_answers(rows, scope="AS", subject=None) == rows[:1]
    with pytest.raises(FlightAssetsError, match="no scope 'XX': its scopes are AS, EU"):
        chosen_answers(rows, scope="XX", subject=None)
    with pytest.raises(FlightAssetsError, match="'DLH' is not in the answer: it names SIA"):
        chosen_answers(rows, scope="AS", subject="DLH")


def test_json_has_the_flights_and_whether_they_add_up():
    body = json.loads(as_json(Evidence(answer=answer(), flights=[flight("a")]), None, []))
    assert body["adds_up"] is False
    assert body["flights"][0]["kafka_offset"] == 17
    assert body["flights"][0]["observed_at"] == "2025-07-20T08:00:00Z"
    assert "observations" not in body
