import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rich.console import Console

from flight_assets.commands.show import answers_as_csv, answers_as_json, print_answers
from flight_assets.warehouse.answers import IN_JSON, Answer

EIGHT = datetime(2025, 7, 20, 8, tzinfo=UTC)
MODELS = "top_aircraft_models_by_airline_country"


def answer(question: str, **fields: object) -> Answer:
    usual = Answer(
        as_of_hour=EIGHT,
        question=question,
        scope=None,
        rank=1,
        subject="SIA",
        label="Singapore Airlines",
        value=Decimal("134.000"),
        unit="flights",
        flight_count=134,
        usable_ratio=Decimal("0.830400"),
        scope_name=None,
        sentence="Singapore Airlines (SIA) had 134 active flights.",
        value_24h_before=None,
        rank_24h_before=None,
        is_answered_24h_before=False,
    )
    return replace(usual, **fields)  # type: ignore[arg-type]


def model(code: str, country: str, name: str, flights: int, rank: int = 1) -> Answer:
    return answer(
        MODELS,
        scope=country,
        scope_name=name,
        rank=rank,
        subject=code,
        label=f"model {code}",
        value=Decimal(flights),
        flight_count=flights,
    )


FLIGHT = answer(
    "longest_active_flights",
    subject="3b55ef74",
    label="SIN-JFK (SQ24)",
    value=Decimal("15340.580"),
    unit="km",
    flight_count=1,
)
COUNTRIES = [
    model("B77W", "AE", "United Arab Emirates", 5),
    model("B738", "US", "United States", 9),
    model("A20N", "unknown", "unknown", 1, rank=3),
]
MEAN = answer(
    "mean_ground_speed_by_continent",
    scope="NA",
    scope_name="North America",
    rank=None,
    subject=None,
    label="North America",
    value=Decimal("396.021"),
    unit="kt",
    flight_count=3430,
)
IMBALANCES = [
    answer("airport_traffic_imbalance", subject="EGLL", value=Decimal(-12), flight_count=90),
    answer("airport_traffic_imbalance", subject="EDDF", value=Decimal(1), flight_count=91),
]
AIRLINES = [answer("top_airlines", subject="UAL"), answer("top_airlines", subject="DAL")]


def printed(*answers: Answer, **options: int) -> str:
    out = io.StringIO()
    print_answers(Console(file=out, width=160), answers, **options)
    return out.getvalue()


def cells(text: str, word: str) -> list[str]:
    """Return the cells of the first line of a table that has the word."""
    line = next(line for line in text.splitlines() if word in line)
    return [cell.strip() for cell in line.replace("┃", "│").strip("│ ").split("│")]


def test_a_question_has_its_title_its_table_and_its_share_of_usable_flights():
    text = printed(*AIRLINES, FLIGHT)
    assert "2025-07-20T08:00:00Z" in text
    assert text.index("Airlines with the most active flights") < text.index("3b55ef74")
    assert "gold.top_airlines; 83.04 % of active flights usable" in text


def test_ties_are_shown_and_distances_keep_their_metres():
    text = printed(*AIRLINES, FLIGHT)
    assert cells(text, "DAL") == ["1", "DAL", "Singapore Airlines", "134 flights"]
    assert "15,340.580 km" in text


def test_a_country_is_named_with_its_code():
    text = printed(*COUNTRIES)
    assert cells(text, "rank")[0] == "country"
    assert cells(text, "B738") == ["United States (US)", "1", "B738", "model B738", "9 flights"]
    assert cells(text, "A20N")[0] == "unknown"
    assert cells(text, "A20N")[-1] == "1 flight"


def test_words_of_the_feed_are_shown_and_neither_markup_nor_obeyed():
    text = printed(answer("top_airlines", subject="[/]", label="[red]tide\x1b[2J"))
    assert cells(text, "tide")[1:3] == ["[/]", "[red]tide\\x1b[2J"]
    assert "\x1b" not in text


def test_a_mean_has_a_continent_and_no_rank():
    text = printed(MEAN)
    assert cells(text, "value") == ["continent", "value", "flights"]
    assert cells(text, "396.021") == ["North America", "396.021 kt", "3,430"]


def test_a_difference_has_its_sign_and_the_flights_behind_it():
    text = printed(*IMBALANCES)
    assert cells(text, "EGLL")[-2:] == ["-12 flights", "90"]
    assert cells(text, "EDDF")[-2:] == ["+1 flight", "91"]


@pytest.mark.parametrize(
    ("before", "shown"),
    [("122", "▲ +12"), ("1137", "▼ -1,003"), ("134", "="), (None, "new")],
)
def test_the_trend_is_against_24_hours_before(before: str | None, shown: str):
    known = answer(
        "top_airlines",
        value_24h_before=None if before is None else Decimal(before),
        is_answered_24h_before=True,
    )
    assert cells(printed(known), "SIA")[-1] == shown


def test_where_that_hour_has_no_answer_or_a_flight_is_no_other_there_is_no_trend():
    assert "24 h" not in printed(*AIRLINES)
    assert "24 h" not in printed(replace(FLIGHT, is_answered_24h_before=True))


def test_the_countries_with_the_most_flights_are_kept_and_the_others_counted():
    text = printed(*COUNTRIES, most_scopes=1)
    assert "B738" in text
    assert "B77W" not in text
    assert "2 more countries in it" in text


def test_the_first_ranks_are_kept_and_the_last_is_named():
    text = printed(*COUNTRIES, most_ranks=2)
    assert "B77W" in text
    assert "A20N" not in text
    assert "ranks to 3 in it" in text
    assert "396.021" in printed(MEAN, most_ranks=2)


def test_json_is_a_list_of_all_rows_under_names_in_their_order():
    rows = json.loads(answers_as_json([*AIRLINES, FLIGHT, MEAN]))
    assert len(rows) == 4
    assert list(rows[0]) == [
        "as_of_hour",
        "question",
        "scope",
        "rank",
        "subject",
        "label",
        "value",
        "unit",
        "flight_count",
        "usable_ratio",
        "sentence",
        "value_24h_before",
        "rank_24h_before",
    ]
    assert rows[0]["scope"] is None
    assert rows[0]["usable_ratio"] == 0.8304
    assert rows[3]["rank"] is None


def test_csv_has_what_json_has_and_null_is_empty():
    read = list(csv.DictReader(io.StringIO(answers_as_csv([FLIGHT, MEAN]))))
    assert tuple(read[0]) == IN_JSON
    assert read[0]["as_of_hour"] == "2025-07-20T08:00:00Z"
    assert (read[0]["value"], read[0]["scope"]) == ("15340.58", "")
    assert (read[1]["rank"], read[1]["scope"]) == ("", "NA")
