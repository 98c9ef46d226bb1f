"""The seeds are facts: they are whole, agree with each other, and know what really flies."""

import csv
import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_assets.settings import PROJECT_ROOT
from flight_assets.simulator.aircraft import TYPES
from flight_assets.simulator.countries import COUNTRY_NAMES
from flight_assets.simulator.fleets import AIRLINES

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"
REAL = PROJECT_ROOT.parent / "shared" / "data" / "real"

# Not in OurAirports, which counts them with Finland and Norway or leaves them out; and what it has
# beside ISO 3166-1: Kosovo, the Paracel Islands, and a code for "unknown".
NOT_IN_OURAIRPORTS = {"AX", "BV", "SJ"}
NOT_IN_ISO_3166 = {"XK", "XP", "ZZ"}

# Airlines whose captured aircraft mostly wear the marks of another country, each looked at by hand.
FLY_UNDER_OTHER_MARKS = {
    "AMX": "Mexican fleet, half of it leased with American marks",
    "AVA": "Colombian fleet, leased with American marks",
    "DHK": "the feed's code for DHL, whose fleets are many countries'",
    "ITY": "Italian fleet, leased with Irish marks",
    "KZR": "Kazakh fleet, leased with Irish marks",
    "LCO": "Chilean fleet, leased with American marks",
    "TUI": "the feed's code for the whole group of a German airline",
}


def rows_of(path: Path, **options: str) -> list[dict[str, str]]:
    """Return the rows of a CSV file, gzipped or not; skip where a test input is absent."""
    if not path.exists():
        pytest.skip(f"{path.name} is not there")
    open_text = gzip.open if path.suffix == ".gz" else open
    with open_text(path, "rt", encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines, **options))  # type: ignore[arg-type]


def seed(name: str) -> list[dict[str, str]]:
    """Return the rows of a seed."""
    return rows_of(SEEDS / f"{name}.csv")


def captured() -> Iterator[dict[str, str]]:
    """Yield the rows of the captured feed; skip where it is absent."""
    files = sorted((REAL / "fr24_live").glob("salemhaddadbecha__flights_*.csv.gz"))
    if not files:
        pytest.skip("no captures are there")
    for file in files:
        yield from rows_of(file)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("countries", "country_code"),
        ("country_aliases", "country_name"),
        ("airline_countries", "airline_icao"),
        ("aircraft_type_corrections", "type_code"),
        ("aircraft_manufacturers", "doc8643_name"),
    ],
)
def test_a_seed_has_each_key_once(name: str, key: str) -> None:
    keys = [row[key] for row in seed(name)]
    assert [key for key, count in Counter(keys).items() if count > 1] == []


def test_countries_are_those_of_iso_3166_on_the_continents_of_ourairports() -> None:
    ours = {row["country_code"]: row["continent_code"] for row in seed("countries")}
    assert len(ours) == 249
    theirs = {
        r["code"]: r["continent"] for r in rows_of(REAL / "ref/ourairports__countries.csv.gz")
    }
    assert ours.keys() - theirs.keys() == NOT_IN_OURAIRPORTS
    assert theirs.keys() - ours.keys() == NOT_IN_ISO_3166
    assert {code: ours[code] for code in ours.keys() & theirs.keys()} == {
        code: theirs[code] for code in ours.keys() & theirs.keys()
    }


def test_a_name_means_one_country() -> None:
    names = [row["country_name"].lower() for row in seed("countries") + seed("country_aliases")]
    assert len(names) == len(set(names))


def test_every_country_name_of_the_feed_is_known() -> None:
    known = {row["country_name"].lower() for row in seed("countries") + seed("country_aliases")}
    assert {name for name in COUNTRY_NAMES.values() if name.lower() not in known} == set()
    airports = rows_of(REAL / "fr24_ref/Filpill__airport_2024-04.csv.gz")
    assert {row["country"] for row in airports if row["country"].lower() not in known} == set()


def test_airlines_are_of_known_countries() -> None:
    countries = {row["country_code"] for row in seed("countries")}
    airlines = seed("airline_countries")
    assert {
        row["airline_icao"] for row in airlines if row["country_code"] not in countries
    } == set()
    malformed = [row for row in airlines if not re.fullmatch("[A-Z]{3}", row["airline_icao"])]
    assert malformed == []


def test_the_captured_airlines_are_known() -> None:
    known = {row["airline_icao"] for row in seed("airline_countries")}
    traffic = Counter(row["airline_icao"] for row in captured() if row["airline_icao"])
    unknown = Counter({code: count for code, count in traffic.items() if code not in known})
    assert unknown.total() / traffic.total() < 0.01, unknown.most_common(10)


def test_airlines_fly_under_the_marks_of_their_country() -> None:
    """Compare the airline's country with the marks that most of its captured aircraft wear."""
    marks = {
        row["Prefix"]: row["CountryISO2"] for row in rows_of(REAL / "ref/vrs__reg_prefixes.csv.gz")
    }
    # one mark for China, Hong Kong, Macao and Taiwan; one for France and its territories
    alike = {"CN": "CN HK MO TW", "FR": "FR RE GP GF PF NC BL MQ YT", "DK": "DK FO GL"}
    group = {code: lead for lead, codes in alike.items() for code in codes.split()}
    marks |= {"B": "CN", "F": "FR", "SU": "EG", "C": "CA", "UP": "KZ", "EI": "IE"}

    fleets: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in {(r["airline_icao"], r["registration"]): r for r in captured()}.values():
        mark = row["registration"]
        prefixes = [mark.split("-")[0]] if "-" in mark else [mark[:2], mark[:1]]
        country = next((marks[prefix] for prefix in prefixes if prefix in marks), None)
        if country is not None:
            fleets[row["airline_icao"]][group.get(country, country)] += 1
    country_of = {row["airline_icao"]: row["country_code"] for row in seed("airline_countries")}
    others = {
        airline: (country_of[airline], fleet.most_common(2))
        for airline, fleet in fleets.items()
        if airline in country_of and fleet.total() >= 5
        if fleet.most_common(1)[0][0] != group.get(country_of[airline], country_of[airline])
    }
    assert set(others) == set(FLY_UNDER_OTHER_MARKS), others


def test_a_prefix_and_length_name_one_country() -> None:
    keys = [(row["prefix"], row["registration_length"]) for row in seed("registration_prefixes")]
    assert len(keys) == len(set(keys))
    open_registries = {
        row["country_code"]
        for row in seed("registration_prefixes")
        if row["is_open_registry"] == "true"
    }
    assert open_registries == {"AW", "BM", "GG", "IE", "IM", "KY", "SM"}


def test_every_airliner_type_has_one_spelling_of_its_manufacturer() -> None:
    types = seed("aircraft_type_corrections")
    spellings = defaultdict(set)
    for row in types + seed("aircraft_manufacturers"):
        spellings[row["manufacturer"].lower()].add(row["manufacturer"])
    assert {name: found for name, found in spellings.items() if len(found) > 1} == {}
    makers = {row["type_code"]: row["manufacturer"] for row in types}
    assert [makers[code] for code in ("BCS3", "CRJ9", "DH8D", "MD11", "B38M", "GLID")] == [
        "Airbus",
        "Bombardier",
        "De Havilland Canada",
        "McDonnell Douglas",
        "Boeing",
        "",
    ]


def test_the_simulated_world_flies_what_the_seeds_know() -> None:
    country_of = {row["airline_icao"]: row["country_code"] for row in seed("airline_countries")}
    assert {a.icao: a.country for a in AIRLINES if country_of.get(a.icao) != a.country} == {}
    types = {row["type_code"] for row in seed("aircraft_type_corrections")}
    assert {kind.code for kind in TYPES} - types == set()


def test_no_two_models_of_a_manufacturer_differ_in_case_space_or_hyphen_alone() -> None:
    def key(name: str) -> str:
        return re.sub("[ -]", "", name).lower()

    spellings = defaultdict(set)
    for row in seed("aircraft_type_corrections"):
        spelling = (row["manufacturer"], row["model"])
        spellings[tuple(map(key, spelling))].add(spelling)
    assert [found for found in spellings.values() if len(found) > 1] == []
