"""What a test of dbt's is said to claim."""

from typing import Any

import pytest

from flight_assets.assets.guidance import HOURLY, REFERENCE, SEED, describe_test

HOURS = {"resource_type": "model", "name": "top_airlines", "tags": ["hourly"]}


def generic(name: str, kind: str, **asked: Any) -> dict[str, Any]:
    return {"name": name, "test_metadata": {"name": kind, "kwargs": asked}}


@pytest.mark.parametrize(
    "test, claim",
    [
        (
            generic("an_airline_is_ranked_once", "is_key", columns=["as_of_hour", "subject"]),
            "An airline is ranked once. One row for each `as_of_hour`, `subject`.",
        ),
        (generic("not_null_a_b", "not_null", column_name="b"), "Every row gives `b`."),
        (
            generic(
                "relationships_a_b", "relationships", column_name="b", to="ref('c')", field="d"
            ),
            "Every `b` is there as `d` in `c`.",
        ),
        (
            generic("no_speed_is_odd", "holds", claim="speed\n > 0"),
            "No speed is odd. Of every row: ",
        ),
        ({"name": "ranks_start_at_1"}, "Ranks start at 1."),
    ],
)
def test_a_test_is_described_by_its_claim(test: dict[str, Any], claim: str):
    said = describe_test(test, HOURS)
    assert said.startswith(claim)
    assert said.endswith(HOURLY)


def test_its_own_description_comes_after_the_claim():
    test = {"name": "ranks_start_at_1", "description": "See why.\n"}
    assert describe_test(test, HOURS).startswith("Ranks start at 1. See why. When it fails")


def test_what_to_do_depends_on_what_is_tested():
    test = generic("unique_c", "unique", column_name="c")
    seed = {"resource_type": "seed", "name": "countries", "tags": ["reference"]}
    assert describe_test(test, seed).endswith(SEED.format(name="countries"))
    assert describe_test(test, {**HOURS, "tags": ["reference"]}).endswith(REFERENCE)


def test_a_kind_without_words_is_an_error():
    with pytest.raises(KeyError, match="at_most"):
        describe_test(generic("at_most_1", "at_most"), HOURS)
