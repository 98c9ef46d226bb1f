"""How many of the codes that really fly the references know, by traffic; printed with -s."""

import csv
import gzip
import importlib.util
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import airportsdata
import pytest

from flight_assets.assets.references import doc8643_aircraft_types
from flight_assets.settings import PROJECT_ROOT

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"
REAL = PROJECT_ROOT.parent / "shared" / "data" / "real"
LIVE = REAL / "fr24_live"
MISSING = {None, "", "N/A"}
MIN_SHARE = {"airports": 0.99, "airlines": 0.97, "types of airliners": 0.99}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What one row of a capture names; ``None`` where it names nothing."""

    airports: tuple[str | None, str | None]
    airline: str | None
    type_code: str | None
    is_airliner: bool


def _seen(airports: tuple[Any, Any], airline: Any, type_code: Any, is_airliner: bool) -> Seen:
    def code(value: Any) -> str | None:
        return None if value in MISSING else str(value)

    return Seen(
        airports=(code(airports[0]), code(airports[1])),
        airline=code(airline),
        type_code=code(type_code),
        is_airliner=is_airliner,
    )


def feed_snapshots() -> Iterator[Seen]:
    """Yield the rows of the nine feeds of July 2025; an airliner has an airline and a number."""
    for path in sorted(LIVE.glob("salemhaddadbecha__*.csv.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for row in csv.DictReader(lines):
                yield _seen(
                    (row["origin_airport_iata"], row["destination_airport_iata"]),
                    row["airline_icao"],
                    row["aircraft_code"],
                    bool(row["airline_icao"] and row["number"]),
                )


def expanded_feeds() -> Iterator[Seen]:
    """Yield the rows of September 2022, which name the airline by IATA code and callsign only."""
    for path in sorted(LIVE.glob("Anghille__*.json.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for row in json.load(lines).values():
                ends = [row["origin_airport_iata"], row["destination_airport_iata"]]
                codes = [end["iata"] if isinstance(end, dict) else end for end in ends]
                has_airline = row["airline_iata"] not in MISSING
                callsign = re.fullmatch(r"([A-Z]{3})\d\w*", row["callsign"])
                airline = callsign[1] if has_airline and callsign else None
                yield _seen((codes[0], codes[1]), airline, row["aircraft_code"], has_airline)


def airlines_of_the_world() -> Iterator[Seen]:
    """Yield the rows of October 2022: all flights of every airline that the feed lists."""
    if importlib.util.find_spec("pyarrow") is None:
        pytest.skip("reading parquet needs pyarrow")
    import pyarrow.parquet as parquet

    for path in sorted(LIVE.glob("Alaiitoc__*.parquet")):
        for row in parquet.read_table(path).to_pylist():
            yield _seen((row["org_iata"], row["dest_iata"]), row["company"], row["model"], True)


def paid_positions() -> Iterator[Seen]:
    """Yield the positions of October 2024 from the paid interface."""
    for path in sorted(LIVE.glob("pierrealexandre78__*.json")):
        for row in json.loads(path.read_text())["data"]:
            yield _seen(
                (row["orig_iata"], row["dest_iata"]), row["operating_as"], row["type"], True
            )


@cache
def known_airports() -> frozenset[str]:
    """Return the IATA codes of airportsdata and of the feed's own list."""
    codes = {airport["iata"] for airport in airportsdata.load().values() if airport["iata"]}
    with gzip.open(REAL / "fr24_ref/Filpill__airport_2024-04.csv.gz", "rt") as lines:
        return frozenset(codes | {row["iata"] for row in csv.DictReader(lines)})


@cache
def known_airlines() -> frozenset[str]:
    """Return the airlines whose country the seed knows."""
    with (SEEDS / "airline_countries.csv").open(encoding="utf-8") as lines:
        return frozenset(row["airline_icao"] for row in csv.DictReader(lines))


@cache
def known_types() -> frozenset[str]:
    """Return the type codes of Doc 8643 and of the own seed."""
    with (SEEDS / "aircraft_type_corrections.csv").open(encoding="utf-8") as lines:
        own = {row["type_code"] for row in csv.DictReader(lines)}
    return frozenset(own | {row.type_code for row in doc8643_aircraft_types().rows})


def share(codes: Iterable[str | None], known: frozenset[str]) -> tuple[float, int, str]:
    """Return the share of the codes that is known, how many there are, and the others."""
    traffic = Counter(code for code in codes if code is not None)
    unknown = Counter({code: count for code, count in traffic.items() if code not in known})
    others = ", ".join(f"{code} {count}" for code, count in unknown.most_common(12))
    return 1 - unknown.total() / traffic.total(), traffic.total(), others


@pytest.mark.parametrize(
    "capture", [feed_snapshots, expanded_feeds, airlines_of_the_world, paid_positions]
)
def test_the_references_know_what_really_flies(capture: Any) -> None:
    if not LIVE.exists():
        pytest.skip("no captures are there")
    rows: list[Seen] = list(capture())
    assert rows
    figures = {
        "airports": share((code for row in rows for code in row.airports), known_airports()),
        "airlines": share((row.airline for row in rows), known_airlines()),
        "types of airliners": share(
            (row.type_code for row in rows if row.is_airliner), known_types()
        ),
    }
    for name, (ratio, count, others) in figures.items():
        print(f"{capture.__name__}: {name} {ratio:.3%} of {count}; not known: {others or '-'}")
    poor = {name: figure for name, figure in figures.items() if figure[0] < MIN_SHARE[name]}
    assert poor == {}


def test_every_capture_was_looked_at() -> None:
    """A file that comes to the captures is not passed over in silence."""
    if not LIVE.exists():
        pytest.skip("no captures are there")
    # the ten most tracked flights name no airline and half of them no route
    read = (
        "salemhaddadbecha__",
        "Anghille__",
        "Alaiitoc__",
        "pierrealexandre78__",
        "john-ml-dev__",
    )
    assert [path.name for path in LIVE.iterdir() if not Path(path).name.startswith(read)] == []
