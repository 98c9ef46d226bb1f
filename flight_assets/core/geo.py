"""Positions and bounds on the globe, in degrees; distances in kilometres."""

from dataclasses import dataclass
from math import asin, cos, radians, sin, sqrt


@dataclass(frozen=True)
class Position:
    """A point on the globe: latitude -90 to 90, longitude -180 to 180."""

    lat_deg: float
    lon_deg: float


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """A rectangle of latitudes and longitudes; its edges belong to it."""

    south_deg: float
    west_deg: float
    north_deg: float
    east_deg: float

    def contains(self, position: Position) -> bool:
        """Return whether a position lies inside or on an edge."""
        return (
            self.south_deg <= position.lat_deg <= self.north_deg
            and self.west_deg <= position.lon_deg <= self.east_deg
        )

    def quadrants(self) -> tuple["Bounds", "Bounds", "Bounds", "Bounds"]:
        """Return the north-western, north-eastern, south-western and south-eastern quarter."""
        mid_lat = (self.south_deg + self.north_deg) / 2
        mid_lon = (self.west_deg + self.east_deg) / 2
        north = {"south_deg": mid_lat, "north_deg": self.north_deg}
        south = {"south_deg": self.south_deg, "north_deg": mid_lat}
        west = {"west_deg": self.west_deg, "east_deg": mid_lon}
        east = {"west_deg": mid_lon, "east_deg": self.east_deg}
        return (
            Bounds(**north, **west),
            Bounds(**north, **east),
            Bounds(**south, **west),
            Bounds(**south, **east),
        )


EARTH_RADIUS_KM = 6371.0088  # mean radius R1, IUGG


def distance_km(a: Position, b: Position) -> float:
    """Return the great-circle distance between two positions (haversine).

    >>> round(distance_km(Position(51.4706, -0.4619), Position(49.0097, 2.5479)))
    347
    """
    lat_a, lat_b = radians(a.lat_deg), radians(b.lat_deg)
    d_lat, d_lon = lat_b - lat_a, radians(b.lon_deg - a.lon_deg)
    h = sin(d_lat / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin(d_lon / 2) ** 2
    # rounding takes h past 1 for some antipodes, where the arc sine ends
    return 2 * EARTH_RADIUS_KM * asin(min(1.0, sqrt(h)))
