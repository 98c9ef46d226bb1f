"""The whole line over real captures, from files to answers, beside an independent computation."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from flight_assets.settings import PROJECT_ROOT
from tests import captures, oracle
from tests.command import flight_assets, processes_of

pytestmark = pytest.mark.integration

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"
OF_2025 = ("2025-07-20T08", "2025-07-20T10", "2025-07-20T13")
OF_2022 = ("2022-09-20T19", "2022-10-25T12", "2022-10-27T12", "2022-10-31T12")
WITHOUT_SPEED = "2022-09-20T19"
ANSWER = ("as_of_hour", "question", "scope", "rank", "subject", "value", "unit", "flight_count")
EARLY = {"FLIGHT_ASSETS_FIRST_HOUR": "2022-09-01-00:00"}


class Demo:
    """A demo over captures: its home, what it printed, and the same answers by the oracle."""

    def __init__(self, home: Path, rows: list[captures.Rows], files: list[Path], **env: str):
        self.home, self.env, self.rows = home, env, rows
        self.files = [str(file) for file in files]
        self.printed = self.call("demo", "--recorded", *self.files)
        self.left_running = processes_of(home)
        makers = json.loads(
            self.call("sql", "select type_code, manufacturer from silver.aircraft_types", "--json")
        )
        maker_of_type = {
            row["type_code"]: row["manufacturer"] for row in makers if row["manufacturer"]
        }
        self.expected = oracle.of_captures(rows, oracle.published(SEEDS, maker_of_type))

    def call(self, *arguments: str) -> str:
        return flight_assets(self.home, *arguments, **self.env)

    def answers(self, hour: str) -> list[dict[str, Any]]:
        printed = self.call("answers", "--as-of", hour, "--json")
        return json.loads(printed, parse_float=Decimal)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place for homes, whose servers are stopped."""
    place = tmp_path_factory.mktemp("recorded-demo")
    for folder in (place, *place.parents[:2]):
        folder.chmod(0o755)
    try:
        yield place
    finally:
        for home in place.iterdir():
            if home.name.startswith("of-"):
                flight_assets(home, "down")


@pytest.fixture(scope="module")
def of_2025(homes: Path) -> Demo:
    files = list(captures.files("salemhaddadbecha__flights_20250720_*.csv.gz"))
    return Demo(homes / "of-2025", [oracle.read_csv_capture(file) for file in files], files)


@pytest.fixture(scope="module")
def of_2022(homes: Path) -> Demo:
    """Captures of other shapes, as bodies of the feed."""
    rows = [captures.expanded_feed(file) for file in captures.files("Anghille__*.json.gz")]
    rows += [captures.flights_of_airlines(file) for file in captures.files("Alaiitoc__*.parquet")]
    files = [
        captures.write_feed(of_file, homes / f"capture-{number}.json")
        for number, of_file in enumerate(rows)
    ]
    return Demo(homes / "of-2022", rows, files, **EARLY)


def expect_equal(demo: Demo, hour: str) -> None:
    got = {
        (
            *(row[name] for name in ANSWER[:5]),
            Decimal(row["value"]).quantize(oracle.THOUSANDTH),
            row["unit"],
            row["flight_count"],
            Decimal(row["usable_ratio"]).quantize(oracle.MILLIONTH),
        )
        for row in demo.answers(hour)
    }
    expected = {row for row in demo.expected if row[0].startswith(hour)}
    # a capture that gives no speed has no answer to the one question about it
    unanswered = {"mean_ground_speed_by_continent"} if hour == WITHOUT_SPEED else set()
    assert {row[1] for row in expected} == set(oracle.QUESTIONS) - unanswered
    assert got == expected


def test_the_demo_leaves_no_process(of_2025: Demo):
    assert of_2025.left_running == []


@pytest.mark.parametrize("hour", OF_2025)
def test_ten_answers_equal_the_independent_ones(of_2025: Demo, hour: str):
    expect_equal(of_2025, hour)


@pytest.mark.parametrize("hour", OF_2022)
def test_ten_answers_of_2022_equal_the_independent_ones(of_2022: Demo, hour: str):
    expect_equal(of_2022, hour)


def test_every_captured_row_landed_with_its_oddities(of_2025: Demo):
    rows = [row for of_file in of_2025.rows for row in of_file]
    counted = json.loads(
        of_2025.call(
            "sql",
            "select count(*) as rows, count(*) filter (where origin_iata is null) as no_origin, "
            "count(*) filter (where airline_icao is null) as no_airline, "
            "count(*) filter (where type_code is null) as no_type, "
            "count(*) filter (where is_on_ground) as on_ground, "
            "count(*) filter (where length(icao24) = 8) as long_icao24, "
            "(select count(*) from bronze.rejected_messages) as rejected from bronze.raw_flights",
            "--json",
        )
    )[0]
    assert counted == {
        "rows": len(rows),
        "no_origin": sum(row["origin_airport_iata"] in oracle.MISSING for row in rows),
        "no_airline": sum(row["airline_icao"] in oracle.MISSING for row in rows),
        "no_type": sum(row["aircraft_code"] in oracle.MISSING for row in rows),
        "on_ground": sum(row["on_ground"] == 1 for row in rows),
        "long_icao24": sum(len(row["icao_24bit"]) == 8 for row in rows),
        "rejected": 0,
    }


def test_a_second_demo_works_and_answers_the_same(of_2025: Demo):
    before = {hour: of_2025.answers(hour) for hour in OF_2025}
    of_2025.call("demo", "--recorded", *of_2025.files)
    assert {hour: of_2025.answers(hour) for hour in OF_2025} == before
