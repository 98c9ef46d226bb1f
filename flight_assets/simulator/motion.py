"""Where the lines of the simulated world are: pure functions of the time since they started.

A route is flown along the great circle: speed grows linearly to cruise while climbing and falls
linearly while descending. What loiters circles about its place.
"""

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from flight_assets.core.geo import EARTH_RADIUS_KM
from flight_assets.simulator.aircraft import LOITERERS
from flight_assets.simulator.hashing import uniform
from flight_assets.simulator.lines import Lines
from flight_assets.simulator.places import Places
from flight_assets.simulator.timetable import KM_PER_NAUTICAL_MILE, Profiles, Timetable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

LANDING_KT = 125.0
KM_PER_DEGREE = EARTH_RADIUS_KM * np.pi / 180


@dataclass(frozen=True)
class States:
    """Where aircraft are and how they move, one element per aircraft."""

    lat_deg: Floats
    lon_deg: Floats
    heading_deg: Floats
    altitude_ft: Floats
    ground_speed_kt: Floats
    vertical_speed_fpm: Floats
    is_on_ground: Bools

    @classmethod
    def empty(cls, count: int) -> Self:
        """Return zeros to be filled."""
        return cls(
            **{field.name: np.zeros(count) for field in fields(cls) if field.type is not Bools},
            is_on_ground=np.zeros(count, dtype=np.bool_),
        )

    def fill(self, where: Bools, states: "States") -> None:
        """Write the states of some aircraft to their places."""
        for own, other in zip(vars(self).values(), vars(states).values(), strict=True):
            own[where] = other


def along_route(
    line: Ints, leg: Ints, elapsed_s: Ints, lines: Lines, times: Timetable, flown: Profiles,
    places: Places, stand: Floats,
) -> States:  # fmt: skip
    """Return the states of flights so many seconds after they left the stand.

    ``stand`` (m, 2) is where the aircraft is parked, degrees from the airport's reference point.
    """
    at = (line, leg)
    origin = np.where(leg == 0, lines.home[line], lines.away[line])
    target = np.where(leg == 0, lines.away[line], lines.home[line])
    taxi_out, airborne = times.taxi_out_s[at], times.airborne_s[at]
    taxi_in = np.maximum(times.seen_s[at] - taxi_out - airborne, 1)
    flying_s = elapsed_s - taxi_out
    done_km, speed = _progress(flying_s, at, flown)
    lat, lon, heading = _great_circle(origin, target, done_km / flown.distance_km[at], places)
    altitude, climb_fpm = _height(flying_s, at, flown)
    done = done_km / flown.distance_km[at]
    elevation = places.elevation_ft[origin] * (1 - done) + places.elevation_ft[target] * done
    # The first half of the way out is spent on the stand, and the second half of the way in.
    before, after = flying_s < 0, flying_s >= airborne
    on_ground = before | after
    rolling = np.where(before, elapsed_s / np.maximum(taxi_out, 1), (flying_s - airborne) / taxi_in)
    parked = np.where(before, np.clip(2 - 2 * rolling, 0, 1), np.clip(2 * rolling, 0, 1))
    parked = np.where(on_ground, parked, 0.0)
    taxi_kt = np.where(parked < 1, 14.0, 0.0)
    return States(
        lat_deg=np.clip(lat + stand[:, 0] * parked, -90, 90),
        lon_deg=lon + stand[:, 1] * parked,
        heading_deg=heading,
        altitude_ft=np.where(on_ground, elevation, np.maximum(altitude, elevation)),
        ground_speed_kt=np.where(on_ground, taxi_kt, speed),
        vertical_speed_fpm=np.where(on_ground, 0.0, climb_fpm),
        is_on_ground=on_ground,
    )


def _progress(flying_s: Ints, at: tuple[Ints, Ints], flown: Profiles) -> tuple[Floats, Floats]:
    """Return the kilometres done and the ground speed in knots."""
    climb, level, descent = flown.climb_s[at], flown.cruise_s[at], flown.descent_s[at]
    first, cruise = flown.takeoff_kt[at], flown.cruise_kt[at]
    last = np.minimum(LANDING_KT, first)
    in_climb = np.clip(flying_s, 0, climb)
    in_level = np.clip(flying_s - climb, 0, level)
    in_descent = np.clip(flying_s - climb - level, 0, descent)
    knot_s = (
        first * in_climb + (cruise - first) * in_climb**2 / (2 * climb)
        + cruise * in_level
        + cruise * in_descent + (last - cruise) * in_descent**2 / (2 * descent)
    )  # fmt: skip
    total = (first + cruise) / 2 * climb + cruise * level + (cruise + last) / 2 * descent
    speed = np.where(in_level + in_descent > 0, cruise, first + (cruise - first) * in_climb / climb)
    speed = speed + (last - cruise) * in_descent / descent
    return flown.distance_km[at] * knot_s / total, speed


def _height(flying_s: Ints, at: tuple[Ints, Ints], flown: Profiles) -> tuple[Floats, Floats]:
    """Return the altitude in feet and the vertical speed in feet per minute."""
    climb, level, descent = flown.climb_s[at], flown.cruise_s[at], flown.descent_s[at]
    height = flown.height_ft[at]
    up = np.clip(flying_s / climb, 0, 1)
    down = np.clip((flying_s - climb - level) / descent, 0, 1)
    # The climb gets weaker with height, the descent is even.
    altitude = height * (2 * up - up**2) * (1 - down)
    rate = np.where(up < 1, height * 2 * (1 - up) / climb, 0.0)
    rate = np.where(down > 0, -height / descent, rate)
    return altitude, rate * 60


def _great_circle(
    origin: Ints, target: Ints, done: Floats, places: Places
) -> tuple[Floats, Floats, Floats]:
    """Return latitude, longitude and heading, degrees, at a fraction of the great circle."""
    a, b = _vectors(places, origin), _vectors(places, target)
    angle = np.arctan2(np.linalg.norm(np.cross(a, b), axis=1), np.sum(a * b, axis=1))
    rest, past = ((1 - done) * angle)[:, None], (done * angle)[:, None]
    point = (np.sin(rest) * a + np.sin(past) * b) / np.sin(angle)[:, None]
    course = np.cos(past) * b - np.cos(rest) * a
    lat, lon = np.arcsin(np.clip(point[:, 2], -1, 1)), np.arctan2(point[:, 1], point[:, 0])
    east = -np.sin(lon) * course[:, 0] + np.cos(lon) * course[:, 1]
    north = np.cos(lat) * course[:, 2] - np.sin(lat) * (
        np.cos(lon) * course[:, 0] + np.sin(lon) * course[:, 1]
    )
    return np.degrees(lat), np.degrees(lon), np.degrees(np.arctan2(east, north)) % 360


def _vectors(places: Places, index: Ints) -> Floats:
    lat, lon = np.radians(places.lat_deg[index]), np.radians(places.lon_deg[index])
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def about_place(
    seed: int, line: Ints, leg: Ints, elapsed_s: Ints, lines: Lines, times: Timetable,
    places: Places,
) -> States:  # fmt: skip
    """Return the states of what circles about its place, by its kind's speeds and altitudes."""
    kinds = [LOITERERS[index] for index in lines.aircraft[line]]
    slow, fast = np.array([kind.speed_kt for kind in kinds], dtype=np.float64).reshape(-1, 2).T
    low, high = np.array([kind.altitude_ft for kind in kinds], dtype=np.float64).reshape(-1, 2).T
    speed = slow + (fast - slow) * uniform(seed, "circling speed", line)
    # A balloon takes hours for its round, a glider minutes.
    lap_s = np.where(low > 50_000, 21_600, 240 + 900 * uniform(seed, "lap", line))
    radius_km = speed * KM_PER_NAUTICAL_MILE * lap_s / 3600 / (2 * np.pi)
    turn = 2 * np.pi * (elapsed_s / lap_s + uniform(seed, "start", line))
    home = lines.home[line]
    offset = uniform(seed, "offset", np.stack([2 * line, 2 * line + 1], axis=1).ravel())
    middle = np.stack([places.lat_deg[home], places.lon_deg[home]]) + (
        (offset.reshape(-1, 2).T - 0.5) * 0.3
    )
    lat = middle[0] + radius_km * np.cos(turn) / KM_PER_DEGREE
    lon = middle[1] + radius_km * np.sin(turn) / KM_PER_DEGREE / np.cos(np.radians(middle[0]))
    wave = 2 * np.pi * (elapsed_s / 2_700 + uniform(seed, "wave", line))
    altitude = places.elevation_ft[home] + (low + high) / 2 + (high - low) * 0.45 * np.sin(wave)
    rate = (high - low) * 0.45 * np.cos(wave) * 2 * np.pi / 2_700 * 60
    at = (line, leg)
    flying = elapsed_s - times.taxi_out_s[at]
    on_ground = (high > 0) & ((flying < 0) | (flying >= times.airborne_s[at]))
    return States(
        lat_deg=lat,
        lon_deg=lon,
        heading_deg=np.degrees(turn + np.pi / 2) % 360,
        altitude_ft=np.where(on_ground, places.elevation_ft[home], altitude),
        ground_speed_kt=np.where(on_ground, 0.0, speed),
        vertical_speed_fpm=np.where(on_ground, 0.0, rate),
        is_on_ground=on_ground,
    )
