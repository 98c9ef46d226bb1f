"""The answers computed a second time, in plain pandas over the captured files.

Shares no code and no SQL with the project: only the published lookup tables (airportsdata, and the
airline countries as data) are the same.
"""

import csv
import gzip
from math import asin, cos, radians, sin, sqrt
from pathlib import Path

import airportsdata
import pandas as pd

MISSING = {"", "N/A"}
ACTIVE_MAX_AGE_S = 15 * 60
AnswerRow = tuple[str, str, str | None, int, str, float, int]


def read_capture(files: list[Path]) -> pd.DataFrame:
    """Return one row per captured row, with the instant of its file: the newest time in it."""
    frames = []
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
            frame = pd.DataFrame(list(csv.DictReader(lines)))
        frame["time"] = frame["time"].astype(int)
        frame["instant"] = frame["time"].max()
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def answers(files: list[Path], *, airline_countries: Path) -> set[AnswerRow]:
    """Return (hour, question, scope, rank, subject, value, flights) of every hour captured."""
    capture = read_capture(files)
    capture["hour"] = capture["instant"] // 3600 * 3600
    countries = pd.read_csv(airline_countries, keep_default_na=False, dtype=str)
    country_of = dict(zip(countries["airline_icao"], countries["country_code"], strict=True))
    rows: set[AnswerRow] = set()
    for hour, instant in capture.groupby("hour")["instant"].max().items():
        active = active_flights(capture, instant)
        name = pd.Timestamp(hour, unit="s").strftime("%Y-%m-%dT%H:%M:%SZ")
        rows |= {(name, *row) for row in top_airlines(active)}
        rows |= {(name, *row) for row in longest_flights(active)}
        rows |= {(name, *row) for row in top_models_by_country(active, country_of)}
    return rows


def active_flights(capture: pd.DataFrame, instant: int) -> pd.DataFrame:
    """Return each flight's last row at the instant, airborne and at most 15 minutes old."""
    seen = capture[(capture["time"] <= instant) & (capture["time"] >= instant - ACTIVE_MAX_AGE_S)]
    last = seen.sort_values("time", kind="stable").groupby("id").tail(1)
    first_with_that_time = seen.merge(last[["id", "time"]], on=["id", "time"])
    last = first_with_that_time.drop_duplicates("id", keep="first")
    return last[last["on_ground"] == "0"]


def _ranked(counts: pd.Series, most: int) -> pd.Series:
    ranks = counts.rank(method="min", ascending=False).astype(int)
    return ranks[ranks <= most]


def top_airlines(active: pd.DataFrame) -> set[tuple[str, None, int, str, float, int]]:
    """Return the airlines with the most active flights, ranks 1 to 10, ties shown."""
    counts = active[~active["airline_icao"].isin(MISSING)].groupby("airline_icao").size()
    return {
        ("top_airlines", None, int(rank), str(code), float(counts[code]), int(counts[code]))
        for code, rank in _ranked(counts, 10).items()
    }


def longest_flights(active: pd.DataFrame) -> set[tuple[str, None, int, str, float, int]]:
    """Return the flights with the longest great-circle routes, in km to the metre."""
    places = airportsdata.load("IATA")
    km = {
        row.id: _km(places[row.origin_airport_iata], places[row.destination_airport_iata])
        for row in active.itertuples()
        if row.origin_airport_iata in places and row.destination_airport_iata in places
    }
    distances = pd.Series(km, dtype=float)
    return {
        ("longest_active_flights", None, int(rank), str(flight), float(distances[flight]), 1)
        for flight, rank in _ranked(distances, 10).items()
    }


def _km(origin: dict, destination: dict) -> float:
    lat_a, lat_b = radians(origin["lat"]), radians(destination["lat"])
    half_lat = (lat_b - lat_a) / 2
    half_lon = radians(destination["lon"] - origin["lon"]) / 2
    chord = sin(half_lat) ** 2 + cos(lat_a) * cos(lat_b) * sin(half_lon) ** 2
    return round(2 * 6371.0088 * asin(sqrt(chord)), 3)


def top_models_by_country(
    active: pd.DataFrame, country_of: dict[str, str]
) -> set[tuple[str, str, int, str, float, int]]:
    """Return each airline country's most flown type designators, ranks 1 to 3, ties shown."""
    known = active[~active["airline_icao"].isin(MISSING) & ~active["aircraft_code"].isin(MISSING)]
    country = known["airline_icao"].map(country_of).fillna("unknown")
    rows = set()
    for code, flights in known.groupby(country):
        counts = flights.groupby("aircraft_code").size()
        for model, rank in _ranked(counts, 3).items():
            count = int(counts[model])
            question = "top_aircraft_models_by_airline_country"
            rows.add((question, str(code), int(rank), str(model), float(count), count))
    return rows
