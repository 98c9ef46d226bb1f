"""One instant of a world as the feed shows it: 19 columns, cut by bounds and filters."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# Instants that a world can have: 2000 to 2100, Unix seconds.
FIRST_S, LAST_S = 946_684_800, 4_102_444_800
# The slots of a feed row; those without a name in FlightRadarAPI are the receiver and a zero.
SLOTS = (
    "icao_24bit", "latitude", "longitude", "heading", "altitude", "ground_speed", "squawk",
    "receiver", "aircraft_code", "registration", "time", "origin_airport_iata",
    "destination_airport_iata", "number", "on_ground", "vertical_speed", "callsign",
    "unused", "airline_icao",
)  # fmt: skip
# How the receiver's name tells the way a position was found; any other is ADS-B.
_SOURCES = {"T-MLAT": "mlat", "T-FLRM": "flarm"}
SOURCES = ("ads-b", "mlat", "faa", "flarm", "estimated", "satellite")
_SOURCE_FLAGS = {"adsb": "ads-b", "mlat": "mlat", "flarm": "flarm"}


class Bounds(NamedTuple):
    """A box in degrees, its edges included. West may lie beyond east: across the antimeridian."""

    north: float
    south: float
    west: float
    east: float

    @classmethod
    def parse(cls, text: str) -> "Bounds":
        """Return the bounds in ``north,south,west,east``.

        Raises ``ValueError`` for anything else.

        >>> Bounds.parse("60.5,50,-10,5")
        Bounds(north=60.5, south=50.0, west=-10.0, east=5.0)
        """
        try:
            bounds = cls(*(float(part) for part in text.split(",")))
        except (TypeError, ValueError):
            raise ValueError(f"bounds {text!r} are not north,south,west,east in degrees") from None
        if not np.isfinite(bounds).all():
            raise ValueError(f"bounds {text!r} are not finite")
        return bounds

    def contain(self, lat: NDArray[np.float64], lon: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return for each position whether it lies inside.

        Longitudes beyond 180 count on around the globe, as maps that were dragged send them.
        """
        inside = np.zeros(len(lon), dtype=np.bool_)
        east = self.east if self.west <= self.east else self.east + 360
        for turn in (0, 360, -360):
            inside |= (lon + turn >= self.west) & (lon + turn <= east)
        return inside & (lat >= self.south) & (lat <= self.north)


@dataclass(frozen=True)
class Snapshot:
    """The rows of one instant in ascending order of their flight ids, as 19 columns."""

    instant_s: int
    flight_ids: NDArray[np.object_]
    columns: tuple[NDArray[Any], ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.flight_ids)

    def column(self, name: str) -> NDArray[Any]:
        """Return a column by the name that FlightRadarAPI gives it."""
        return self.columns[SLOTS.index(name)]

    def inside(self, bounds: Bounds) -> NDArray[np.bool_]:
        """Return for each row whether it lies inside the bounds."""
        lat = self.column("latitude").astype(np.float64)
        return bounds.contain(lat, self.column("longitude").astype(np.float64))

    @cached_property
    def sources(self) -> NDArray[np.str_]:
        """Return for each row how its position was found, one of ``SOURCES``."""
        prefixes = [str(receiver)[:6] for receiver in self.column("receiver").tolist()]
        return np.array([_SOURCES.get(prefix, "ads-b") for prefix in prefixes], dtype=np.str_)

    def wanted(self, query: dict[str, str]) -> NDArray[np.bool_]:
        """Return for each row whether the filters of a request, other than bounds, let it through.

        ``airline``, ``reg`` and ``type`` are lists with commas; ``gnd``, ``air``, ``vehicles``,
        ``gliders`` and the ways of finding a position are switched off by ``0``.
        """
        wanted = np.ones(len(self), dtype=np.bool_)
        for parameter, name in (
            ("airline", "airline_icao"), ("reg", "registration"), ("type", "aircraft_code")
        ):  # fmt: skip
            if query.get(parameter):
                wanted &= np.isin(self.column(name).astype(str), query[parameter].split(","))
        grounded = self.column("on_ground") == 1
        code = self.column("aircraft_code")
        for flag, rows in (
            ("gnd", grounded), ("air", ~grounded), ("vehicles", code == "GRND"),
            ("gliders", code == "GLID"),
        ):  # fmt: skip
            if query.get(flag) == "0":
                wanted &= ~rows
        for flag, source in _SOURCE_FLAGS.items():
            if query.get(flag) == "0":
                wanted &= self.sources != source
        return wanted

    def rows(self, chosen: NDArray[np.int64]) -> dict[str, list[Any]]:
        """Return chosen rows, 19 slots each by flight id, as they go to the wire."""
        slots: Sequence[list[Any]] = [column[chosen].tolist() for column in self.columns]
        ids = self.flight_ids[chosen].tolist()
        return {
            flight_id: list(row)
            for flight_id, row in zip(ids, zip(*slots, strict=True), strict=True)
        }
