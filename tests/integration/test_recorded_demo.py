"""The whole line over real captures, from files to answers, beside an independent computation."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_assets.settings import PROJECT_ROOT
from tests import oracle
from tests.command import flight_assets, processes_of

pytestmark = pytest.mark.integration

CAPTURES = PROJECT_ROOT.parent / "shared" / "data" / "real" / "fr24_live"
FILES = sorted(CAPTURES.glob("salemhaddadbecha__flights_20250720_*.csv.gz"))
HOURS = ("2025-07-20T08", "2025-07-20T10", "2025-07-20T13")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not FILES:
        pytest.skip(f"needs the captures in {CAPTURES.parent}")
    place = tmp_path_factory.mktemp("recorded-demo")
    for folder in (place, *place.parents[:2]):
        folder.chmod(0o755)
    try:
        yield place
    finally:
        flight_assets(place, "down")


@pytest.fixture(scope="module")
def printed(home: Path) -> str:
    return flight_assets(home, "demo", "--recorded", *map(str, FILES))


def test_the_demo_leaves_no_process(home: Path, printed: str):
    assert processes_of(home) == []


@pytest.mark.parametrize("hour", HOURS)
def test_answers_equal_the_independent_ones(home: Path, printed: str, hour: str):
    answered = json.loads(flight_assets(home, "answers", "--as-of", hour, "--json"))
    got = {
        (
            row["as_of_hour"],
            row["question"],
            row["scope"],
            row["rank"],
            row["subject"],
            float(row["value"]),
            row["flight_count"],
        )
        for row in answered
    }
    seeds = PROJECT_ROOT / "dbt_project" / "seeds"
    expected = oracle.answers(FILES, airline_countries=seeds / "airline_countries.csv")
    assert got == {row for row in expected if row[0].startswith(hour)}


def test_every_captured_row_landed_with_its_oddities(home: Path, printed: str):
    capture = oracle.read_capture(FILES)
    counted = json.loads(
        flight_assets(
            home,
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
        "rows": len(capture),
        "no_origin": int(capture["origin_airport_iata"].isin(oracle.MISSING).sum()),
        "no_airline": int(capture["airline_icao"].isin(oracle.MISSING).sum()),
        "no_type": int(capture["aircraft_code"].isin(oracle.MISSING).sum()),
        "on_ground": int((capture["on_ground"] == "1").sum()),
        "long_icao24": int((capture["icao_24bit"].str.len() == 8).sum()),
        "rejected": 0,
    }


def test_a_second_demo_works_and_answers_the_same(home: Path, printed: str):
    before = {h: flight_assets(home, "answers", "--as-of", h, "--json") for h in HOURS}
    flight_assets(home, "demo", "--recorded", *map(str, FILES))
    assert {h: flight_assets(home, "answers", "--as-of", h, "--json") for h in HOURS} == before
