"""The ten answers computed a second time, in plain pandas over what the source said.

Shares no code and no SQL with the project. What it takes as given are the published lookup tables:
airportsdata, the seeds of airline countries and of countries, and for the makers of aircraft the
table of aircraft types, which has tests of its own.
"""

import csv
import gzip
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from math import asin, cos, radians, sin, sqrt
from pathlib import Path
from typing import Any

import airportsdata
import pandas as pd

MISSING = ("", "N/A")
ACTIVE_MAX_AGE_S = 15 * 60
THOUSANDTH, MILLIONTH = Decimal("0.001"), Decimal("0.000001")
# hour, question, scope, rank, subject, value, unit, flights, usable share
AnswerRow = tuple[str, str, str | None, int | None, str | None, Decimal, str, int, Decimal]


@dataclass(frozen=True)
class Airport:
    """Where an airport is."""

    icao: str
    lat: float
    lon: float
    continent: str | None


@dataclass(frozen=True)
class References:
    """What codes mean: airports by IATA code, countries by airline, makers by type code."""

    airports: Mapping[str, Airport]
    country_of_airline: Mapping[str, str]
    maker_of_type: Mapping[str, str]


@cache
def published_airports(countries: Path) -> dict[str, Airport]:
    """Return the airports of airportsdata that have both codes, by IATA code."""
    table = pd.read_csv(countries, keep_default_na=False, dtype=str)
    continent_of = dict(zip(table["country_code"], table["continent_code"], strict=True))
    continent_of["XK"] = "EU"
    return {
        iata: Airport(row["icao"], row["lat"], row["lon"], continent_of.get(row["country"]))
        for iata, row in airportsdata.load("IATA").items()
        if row["icao"]
    }


def published(seeds: Path, maker_of_type: Mapping[str, str]) -> References:
    """Return the references in the seeds and packages."""
    table = pd.read_csv(seeds / "airline_countries.csv", keep_default_na=False, dtype=str)
    return References(
        airports=published_airports(seeds / "countries.csv"),
        country_of_airline=dict(zip(table["airline_icao"], table["country_code"], strict=True)),
        maker_of_type=maker_of_type,
    )


def read_csv_capture(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a capture in FlightRadarAPI's names, numbers as numbers."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return [
        {**row, "time": int(row["time"]), "on_ground": int(row["on_ground"])}
        | {"ground_speed": int(row["ground_speed"])}
        for row in rows
    ]


def of_captures(captures: Iterable[list[dict[str, Any]]], references: References) -> set[AnswerRow]:
    """Return the answers over captures, each of them one poll whose instant is its newest row's."""
    log: list[dict[str, Any]] = []
    instants: dict[int, int] = {}
    for rows in sorted(captures, key=lambda rows: max(row["time"] for row in rows)):
        instant = max(row["time"] for row in rows)
        instants[instant // 3600 * 3600] = instant
        log += rows
    return answers(log, instants, references)


def answers(
    log: Iterable[dict[str, Any]], instants: Mapping[int, int], references: References
) -> set[AnswerRow]:
    """Return the ten answers of each hour, given its as-of instant and all rows in log order.

    Times are Unix seconds. A row has FlightRadarAPI's names: id, time, on_ground, airline_icao,
    aircraft_code, origin_airport_iata, destination_airport_iata, ground_speed.
    """
    frame = pd.DataFrame(list(log))
    found: set[AnswerRow] = set()
    for hour, instant in instants.items():
        name = pd.Timestamp(hour, unit="s").strftime("%Y-%m-%dT%H:%M:%SZ")
        active = [_Flight(row, references) for row in active_flights(frame, instant)]
        for question, answer in QUESTIONS.items():
            found |= {(name, question, *row) for row in answer(active)}
    return found


def active_flights(frame: pd.DataFrame, instant: int) -> list[dict[str, Any]]:
    """Return each flight's last row at the instant, airborne and at most 15 minutes old."""
    if frame.empty:
        return []
    seen = frame[(frame["time"] <= instant) & (frame["time"] >= instant - ACTIVE_MAX_AGE_S)]
    first_sightings = seen.drop_duplicates(["id", "time"], keep="first")
    last = first_sightings.loc[first_sightings.groupby("id")["time"].idxmax()]
    return last[last["on_ground"] == 0].to_dict("records")


class _Flight:
    """One active flight and what the references say about it; ``None`` for what is not known."""

    def __init__(self, row: Mapping[str, Any], references: References) -> None:
        def told(name: str) -> str | None:
            value = row[name]
            return None if value is None or value != value or value in MISSING else str(value)

        self.id = str(row["id"])
        self.airline = told("airline_icao")
        self.type_code = told("aircraft_code")
        self.maker = references.maker_of_type.get(self.type_code or "")
        self.country = references.country_of_airline.get(self.airline or "", "unknown")
        self.origin = references.airports.get(told("origin_airport_iata") or "")
        self.destination = references.airports.get(told("destination_airport_iata") or "")
        self.from_continent = self.origin.continent if self.origin else None
        self.to_continent = self.destination.continent if self.destination else None
        speed = row["ground_speed"]
        self.speed = None if speed is None or speed != speed or speed in MISSING else int(speed)
        self.km = _km(self.origin, self.destination)


def _km(origin: Airport | None, destination: Airport | None) -> Decimal | None:
    if origin is None or destination is None:
        return None
    lat_a, lat_b = radians(origin.lat), radians(destination.lat)
    half_lat = (lat_b - lat_a) / 2
    half_lon = radians(destination.lon - origin.lon) / 2
    chord = sin(half_lat) ** 2 + cos(lat_a) * cos(lat_b) * sin(half_lon) ** 2
    km = 2 * 6371.0088 * asin(min(1.0, sqrt(chord)))
    return Decimal(repr(km)).quantize(THOUSANDTH, ROUND_HALF_UP)


Flights = list[_Flight]
Rows = Iterable[tuple[Any, ...]]


def _places(values: Iterable[Any]) -> dict[Any, int]:
    """Return the rank of each value, the largest first; equal values share the best one."""
    places: dict[Any, int] = {}
    for place, value in enumerate(sorted(values, reverse=True), start=1):
        places.setdefault(value, place)
    return places


def _share(part: Flights, active: Flights) -> Decimal:
    return (Decimal(len(part)) / len(active)).quantize(MILLIONTH, ROUND_HALF_UP)


def _ranking(
    scope: Callable[[_Flight], str | None],
    subject: Callable[[_Flight], str | None],
    *,
    where: Callable[[_Flight], bool] = lambda flight: True,
    most: int = 10,
) -> Callable[[Flights], Rows]:
    """Return the question that counts flights by subject within each scope."""

    def answer(active: Flights) -> Rows:
        usable = [f for f in active if subject(f) is not None and scope(f) != "?"]
        counts: dict[Any, dict[Any, int]] = {}
        for flight in filter(where, usable):
            of_scope = counts.setdefault(scope(flight), {})
            of_scope[subject(flight)] = of_scope.get(subject(flight), 0) + 1
        for name, of_scope in counts.items():
            places = _places(of_scope.values())
            for code, count in of_scope.items():
                rank = places[count]
                if rank <= most:
                    value = Decimal(count).quantize(THOUSANDTH)
                    yield name, rank, code, value, "flights", count, _share(usable, active)

    return answer


def _longest(active: Flights) -> Rows:
    usable = [f for f in active if f.km is not None]
    places = _places(f.km for f in usable)
    for flight in usable:
        rank = places[flight.km]
        if rank <= 10:
            yield None, rank, flight.id, flight.km, "km", 1, _share(usable, active)


def _mean(
    measure: Callable[[_Flight], Decimal | int | None], unit: str
) -> Callable[[Flights], Rows]:
    """Return the question for the mean of a measure by continent of origin."""

    def answer(active: Flights) -> Rows:
        usable = [f for f in active if f.from_continent and measure(f) is not None]
        for continent in {f.from_continent for f in usable}:
            values = [Decimal(measure(f)) for f in usable if f.from_continent == continent]  # type: ignore[arg-type]
            mean = (sum(values, Decimal(0)) / len(values)).quantize(THOUSANDTH, ROUND_HALF_UP)
            yield continent, None, None, mean, unit, len(values), _share(usable, active)

    return answer


def _imbalance(active: Flights) -> Rows:
    usable = [f for f in active if f.origin or f.destination]
    net: dict[str, int] = {}
    behind: dict[str, set[str]] = {}
    for flight in usable:
        for airport, sign in ((flight.origin, 1), (flight.destination, -1)):
            if airport is not None:
                net[airport.icao] = net.get(airport.icao, 0) + sign
                behind.setdefault(airport.icao, set()).add(flight.id)
    places = _places(abs(value) for value in net.values())
    for icao, value in net.items():
        rank = places[abs(value)]
        if rank <= 10:
            exact = Decimal(value).quantize(THOUSANDTH)
            yield None, rank, icao, exact, "flights", len(behind[icao]), _share(usable, active)


def _from(flight: _Flight) -> str:
    return flight.from_continent or "?"


QUESTIONS: dict[str, Callable[[Flights], Rows]] = {
    "top_airlines": _ranking(lambda f: None, lambda f: f.airline),
    "top_regional_airlines_by_continent": _ranking(
        lambda f: f.from_continent if f.from_continent and f.to_continent else "?",
        lambda f: f.airline,
        where=lambda f: f.from_continent == f.to_continent,
    ),
    "longest_active_flights": _longest,
    "mean_route_distance_by_continent": _mean(lambda f: f.km, "km"),
    "top_aircraft_manufacturers": _ranking(lambda f: None, lambda f: f.maker),
    "top_aircraft_models_by_continent": _ranking(_from, lambda f: f.type_code),
    "top_aircraft_models_by_airline_country": _ranking(
        lambda f: f.country if f.airline else "?", lambda f: f.type_code, most=3
    ),
    "top_destination_airports_by_continent": _ranking(
        lambda f: f.to_continent or "?", lambda f: f.destination.icao if f.destination else None
    ),
    "airport_traffic_imbalance": _imbalance,
    "mean_ground_speed_by_continent": _mean(lambda f: f.speed, "kt"),
}
