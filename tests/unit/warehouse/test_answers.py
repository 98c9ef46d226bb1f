from datetime import UTC, datetime
from decimal import Decimal

import pytest

from flight_assets.errors import FlightAssetsError
from flight_assets.warehouse.answers import Answer, known_question, parse_hour

EIGHT = datetime(2025, 7, 20, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["2025-07-20T08", "2025-07-20T08:59", "2025-07-20T08:00:00Z", "2025-07-20T10:00+02:00"],
)
def test_an_hour_is_read_in_utc(text: str):
    assert parse_hour(text) == EIGHT


def test_what_is_no_hour_is_named():
    with pytest.raises(FlightAssetsError, match="'yesterday' is no hour"):
        parse_hour("yesterday")


def test_an_unknown_question_is_told_the_ten():
    assert known_question("top_airlines") == "top_airlines"
    with pytest.raises(FlightAssetsError, match=r"'top_planes' is no question; .*top_airlines, "):
        known_question("top_planes")


@pytest.mark.parametrize(
    ("value", "number"), [(Decimal("41"), 41), (Decimal("15349.123"), 15349.123)]
)
def test_json_has_the_hour_in_utc_and_the_value_as_a_number(value: Decimal, number: float):
    answer = Answer(
        as_of_hour=EIGHT,
        question="top_airlines",
        scope=None,
        rank=1,
        subject="DAL",
        label="Delta Air Lines",
        value=value,
        unit="flights",
        flight_count=41,
        usable_ratio=None,
        scope_name=None,
        sentence="",
        value_24h_before=Decimal("38"),
        rank_24h_before=2,
        is_answered_24h_before=True,
    )
    assert answer.change == value - 38
    assert answer.as_json()["as_of_hour"] == "2025-07-20T08:00:00Z"
    assert answer.as_json()["value"] == number
    assert type(answer.as_json()["value"]) is type(number)
