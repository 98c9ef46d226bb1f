"""What a person reads of an answer's evidence, and when it does not add up."""

import io
import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rich.console import Console

from flight_assets.commands.show_why import (
    as_json,
    command_for,
    print_choice,
    print_evidence,
    print_observations,
    sum_line,
)
from flight_assets.errors import FlightAssetsError
from flight_assets.warehouse.answers import Answer
from flight_assets.warehouse.why import CountedFlight, Evidence, SeenMessage, chosen_answers

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
        "flight-assets why top_airlines --as-of 2025-07-20T08 --scope AS --subject SIA"
    )


HOSTILE = "[/] $(reboot) \x1b[2J"
SHOWN = "[/] $(reboot) \\x1b[2J"


def test_a_command_to_copy_holds_nothing_that_a_shell_would_run():
    command = command_for(answer(scope="AS", subject="'; reboot #"))
    assert shlex.split(command)[-1] == "'; reboot #"


def test_words_of_the_feed_are_shown_and_neither_markup_nor_obeyed():
    hostile = answer(subject=HOSTILE, sentence=HOSTILE)
    found = Evidence(answer=hostile, flights=[flight(HOSTILE), flight("b")])
    console = Console(width=400, record=True, file=io.StringIO())
    print_choice(console, [hostile], as_json=False)
    print_evidence(console, found, most=None)
    print_observations(console, found, HOSTILE, [])
    text = console.export_text()
    assert "\x1b" not in text
    assert text.count(SHOWN) >= 6


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


def test_observations_that_were_pruned_are_told_from_those_that_are_there():
    found = Evidence(answer=answer(), flights=[flight("a")])
    message = SeenMessage(
        observed_at=AT, lat_deg=1.0, lon_deg=1.0, altitude_ft=0, ground_speed_kt=0,
        is_on_ground=False, poll_id="p", topic="flights.positions", kafka_partition=3,
        kafka_offset=17, slice_id=1, slice_start_offset=0, slice_end_offset=20, landed_at=AT,
        run_id="r",
    )  # fmt: skip

    def printed(*seen: SeenMessage) -> str:
        console = Console(width=200, record=True, file=io.StringIO())
        print_observations(console, found, "a", seen)
        return console.export_text()

    assert "The last one counts" in printed(message)
    assert "no longer holds" not in printed(message)
    for seen in [[], [replace(message, kafka_offset=16)]]:
        assert "Bronze no longer holds the observation that counts" in printed(*seen)
        assert "The last one counts" not in printed(*seen)
