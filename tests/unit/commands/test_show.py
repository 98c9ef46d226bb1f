import io
import json
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Console

from flight_assets.commands.show import answers_as_json, print_answers
from flight_assets.warehouse.answers import Answer

EIGHT = datetime(2025, 7, 20, 8, tzinfo=UTC)


def answer(question: str, *, scope: str | None, rank: int, subject: str, value: str) -> Answer:
    return Answer(
        as_of_hour=EIGHT,
        question=question,
        scope=scope,
        rank=rank,
        subject=subject,
        label=f"name of {subject}",
        value=Decimal(value),
        unit="km" if question == "longest_active_flights" else "flights",
        flight_count=int(Decimal(value)),
    )


ANSWERS = [
    answer("longest_active_flights", scope=None, rank=1, subject="3b55ef74", value="15340.565"),
    answer("top_aircraft_models_by_airline_country", scope="AE", rank=1, subject="B77W", value="5"),
    answer("top_aircraft_models_by_airline_country", scope="US", rank=1, subject="B738", value="9"),
    answer("top_airlines", scope=None, rank=1, subject="UAL", value="77"),
    answer("top_airlines", scope=None, rank=1, subject="DAL", value="77"),
]


def printed(**options: int) -> str:
    out = io.StringIO()
    print_answers(Console(file=out, width=120), ANSWERS, **options)
    return out.getvalue()


def test_the_questions_come_in_their_order_with_their_hour():
    text = printed()
    assert "2025-07-20T08:00:00Z" in text
    places = [text.index(name) for name in ("UAL", "3b55ef74", "B738")]
    assert places == sorted(places)


def test_ties_are_shown_and_distances_keep_their_metres():
    text = printed()
    assert "DAL" in text
    assert "15,340.565 km" in text


def test_the_countries_with_the_most_flights_are_kept_and_the_others_counted():
    text = printed(most_scopes=1)
    assert "B738" in text
    assert "B77W" not in text
    assert "1 more countries in it" in text


def test_json_is_a_list_of_all_rows():
    rows = json.loads(answers_as_json(ANSWERS))
    assert len(rows) == len(ANSWERS)
    assert rows[0]["scope"] is None
