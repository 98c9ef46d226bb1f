"""Seeds of our own writing, compared with the tables that others publish; nothing is copied."""

import csv
import gzip
import re
from collections import Counter, defaultdict
from datetime import date

import pytest

from flight_assets.settings import PROJECT_ROOT

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"
TABLES = PROJECT_ROOT.parent / "shared" / "data" / "real" / "ref"

# Names of countries in OpenFlights' airlines that neither its countries nor our seeds have.
OTHER_NAMES = {
    "burma": "MM",
    "congo (kinshasa)": "CD",
    "democratic people's republic of korea": "KP",
    "democratic republic of congo": "CD",
    "hong kong sar of china": "HK",
    "ivory coast": "CI",
    "lao peoples democratic republic": "LA",
    "netherland": "NL",
    "republic of korea": "KR",
    "republic of the congo": "CG",
    "russian federation": "RU",
    "somali republic": "SO",
    "swaziland": "SZ",
    "syrian arab republic": "SY",
}
# The same airline in both tables: here its territory, or a country that OpenFlights has wrong or
# that the airline has moved to since.
TERRITORIES = {"ACI", "AUR", "BCI", "FWI", "GRL", "REU", "SBU", "THT", "VES", "WAF"}
MOVED_OR_WRONG_THERE = {"BCS", "GFA", "TCV"}
# Where the tables differ on purpose. 4U and PJ are shared marks; F stands for French territories
# too, SU for Palestine, VQ for the Cayman Islands; CNA, JR, ZL and ZM are of balloons and what else
# is no airliner; Kosovo has no ISO code. VRS leaves out Taiwan's B and what two countries had.
ONLY_IN_VRS = {"4U", "CNA", "F", "JR", "PJ", "SU", "VQ", "Z6", "ZL", "ZM"}
ONLY_IN_OURS = {"3D", "9Q", "B", "Z6"}


def seed(name: str) -> list[dict[str, str]]:
    """Return the rows of a seed."""
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def table(name: str) -> list[list[str]]:
    """Return the rows of a published table; skip where it is absent."""
    path = TABLES / name
    if not path.exists():
        pytest.skip(f"{name} is not there")
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as lines:
        return list(csv.reader(lines))


def countries_of_openflights() -> dict[str, set[str]]:
    """Return the countries under which OpenFlights lists each ICAO code of an airline."""
    names = {row[0].lower(): row[1] for row in table("openflights__countries.dat.gz")}
    own = seed("countries") + seed("country_aliases")
    names |= {row["country_name"].lower(): row["country_code"] for row in own} | OTHER_NAMES
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in table("openflights__airlines.dat.gz"):
        icao, country = row[4], names.get(row[6].lower())
        if re.fullmatch("[A-Z]{3}", icao) and country is not None:
            found[icao].add(country)
    return found


def test_the_provenance_of_airlines_says_what_openflights_says() -> None:
    theirs = countries_of_openflights()
    said: dict[str, str] = {}
    for row in seed("airline_countries"):
        code = row["airline_icao"]
        if code not in theirs:
            said[code] = "own; not in OpenFlights"
        elif row["country_code"] in theirs[code]:
            said[code] = "own; OpenFlights agrees"
        elif code in TERRITORIES | MOVED_OR_WRONG_THERE:
            said[code] = "own; OpenFlights differs"
        else:
            said[code] = "own; OpenFlights has another airline"
    print(dict(Counter(said.values())))
    recorded = {row["airline_icao"]: row["provenance"] for row in seed("airline_countries")}
    assert recorded == said
    assert {code for code, word in said.items() if word == "own; OpenFlights differs"} == (
        TERRITORIES | MOVED_OR_WRONG_THERE
    )


def test_every_row_of_airlines_says_when_it_was_checked() -> None:
    days = {date.fromisoformat(row["checked_on"]) for row in seed("airline_countries")}
    assert min(days) >= date(2026, 11, 24)


def test_registration_prefixes_are_the_marks_that_vrs_knows() -> None:
    ours = {(mark(row["prefix"]), row["country_code"]) for row in seed("registration_prefixes")}
    head, *rows = table("vrs__reg_prefixes.csv.gz")
    assert head[:2] == ["Prefix", "CountryISO2"]
    theirs = {(row[0], row[1]) for row in rows}
    assert {prefix for prefix, _ in theirs - ours} == ONLY_IN_VRS
    assert {prefix for prefix, _ in ours - theirs} == ONLY_IN_OURS


def mark(prefix: str) -> str:
    """Return the nationality mark of a prefix: without its hyphen and what tells a territory.

    >>> mark("9V-"), mark("VP-B"), mark("N1")
    ('9V', 'VP', 'N')
    """
    return "N" if re.fullmatch(r"N\d", prefix) else prefix.split("-")[0]
