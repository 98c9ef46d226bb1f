"""How and when the lines of the simulated world fly: their profiles and their timetable.

Computed once for a seed; ``motion`` reads the position at an instant out of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flight_assets.core.geo import EARTH_RADIUS_KM
from flight_assets.simulator.aircraft import KINDS, LOITERERS, TYPES
from flight_assets.simulator.hashing import mix, uniform
from flight_assets.simulator.lines import LOITERING, PRIVATE, Lines
from flight_assets.simulator.places import Places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

KM_PER_NAUTICAL_MILE = 1.852
DESCENT_PER_CLIMB = 1.15  # of their durations
# Two flights of a line start at least this far apart: flight ids are made of the hour.
LEAST_S_BETWEEN_STARTS = 3_600


@dataclass(frozen=True)
class Timetable:
    """When the lines are to be seen, in seconds; (n, 2) where there and back differ."""

    phase_s: Ints
    period_s: Ints
    second_start_s: Ints  # of the flight back, within the period
    seen_s: Ints  # (n, 2): from leaving the stand to reaching it
    taxi_out_s: Ints  # (n, 2)
    airborne_s: Floats  # (n, 2)


@dataclass(frozen=True)
class Profiles:
    """How the lines fly, (n, 2): there and back."""

    distance_km: Floats
    takeoff_kt: Floats
    cruise_kt: Floats
    climb_s: Floats
    cruise_s: Floats
    descent_s: Floats
    height_ft: Floats


def profiles(seed: int, lines: Lines, places: Places) -> Profiles:
    """Return how each line flies its route; what loiters has zeros."""
    count = len(lines.group)
    line = np.arange(count)
    routes = lines.group != LOITERING
    aircraft = [TYPES[index] if is_route else None
                for index, is_route in zip(lines.aircraft, routes, strict=True)]  # fmt: skip
    kinds = [KINDS[a.kind] if a else KINDS[0] for a in aircraft]
    airspeed = np.array([a.cruise_kt if a else 0 for a in aircraft], dtype=np.float64)
    ceiling = np.array([a.ceiling_ft if a else 0 for a in aircraft], dtype=np.float64)
    takeoff = np.array([kind.takeoff_kt for kind in kinds], dtype=np.float64)[:, None]
    climb_s = np.array([kind.climb_s for kind in kinds], dtype=np.float64)[:, None]
    angle, bearing = _courses(lines, places)
    distance = angle * EARTH_RADIUS_KM
    jets = np.array([a is not None and a.cruise_kt > 380 for a in aircraft])
    # The west wind at the height of jets, and the choice of speed of each aircraft.
    wind = np.where(jets[:, None], 25.0 * np.sin(bearing), 0.0)
    chosen = airspeed * (0.97 + 0.05 * uniform(seed, "speed", line))
    cruise = np.maximum(chosen[:, None] + wind, 30.0)
    climb_km = (takeoff + cruise) / 2 * climb_s / 3600 * KM_PER_NAUTICAL_MILE
    descent_km = climb_km * DESCENT_PER_CLIMB
    # A short hop does not reach its ceiling: climb and descent shrink to fit into it.
    shrink = np.minimum(1.0, 0.85 * distance[:, None] / np.maximum(climb_km + descent_km, 1e-9))
    level_km = distance[:, None] - (climb_km + descent_km) * shrink
    cruise_s = level_km / (cruise * KM_PER_NAUTICAL_MILE) * 3600
    height = (ceiling * (1 - 0.12 * uniform(seed, "level", line)))[:, None] * shrink
    return Profiles(
        distance_km=np.repeat(distance[:, None], 2, axis=1),
        takeoff_kt=np.repeat(takeoff, 2, axis=1),
        cruise_kt=cruise,
        climb_s=climb_s * shrink,
        cruise_s=cruise_s,
        descent_s=climb_s * shrink * DESCENT_PER_CLIMB,
        height_ft=_flight_levels(height, bearing),
    )


def _flight_levels(height_ft: Floats, bearing: Floats) -> Floats:
    """Return the heights as cruising levels: odd thousands eastbound, even ones westbound."""
    eastbound = np.sin(bearing) >= 0
    odd = eastbound * 1000
    return np.asarray(np.maximum(np.floor((height_ft - odd) / 2000) * 2000, 1000) + odd)


def _courses(lines: Lines, places: Places) -> tuple[Floats, Floats]:
    """Return the angle between the ends of each line and the bearings there and back, radians."""
    lat, lon = np.radians(places.lat_deg), np.radians(places.lon_deg)

    def bearing(a: Ints, b: Ints) -> Floats:
        east = np.sin(lon[b] - lon[a]) * np.cos(lat[b])
        north = np.cos(lat[a]) * np.sin(lat[b]) - np.sin(lat[a]) * np.cos(lat[b]) * np.cos(
            lon[b] - lon[a]
        )
        return np.asarray(np.arctan2(east, north))

    a, b = lines.home, lines.away
    h = (
        np.sin((lat[b] - lat[a]) / 2) ** 2
        + np.cos(lat[a]) * np.cos(lat[b]) * np.sin((lon[b] - lon[a]) / 2) ** 2
    )
    angle = 2 * np.arcsin(np.sqrt(np.minimum(h, 1.0)))
    return angle, np.stack([bearing(a, b), bearing(b, a)], axis=1)


def timetable(seed: int, lines: Lines, flown: Profiles) -> Timetable:
    """Return when each line is to be seen."""
    count = len(lines.group)
    line = np.arange(count)
    loiters = lines.group == LOITERING
    airborne = flown.climb_s + flown.cruise_s + flown.descent_s
    least, most = (
        np.array([LOITERERS[a].hours[end] if is_loiterer else 0.0
                  for a, is_loiterer in zip(lines.aircraft, loiters, strict=True)])
        for end in (0, 1)
    )  # fmt: skip
    hours = least + (most - least) * uniform(seed, "hours", line)
    airborne = np.where(loiters[:, None], (hours * 3600)[:, None], airborne)
    # Private aircraft leave sooner after starting up than airliners.
    haste = np.where(lines.group == PRIVATE, 0.6, np.where(loiters, 0.35, 1.0))
    legs = np.stack([2 * line, 2 * line + 1], axis=1)
    taxi_out = ((480 + 420 * uniform(seed, "taxi out", legs)) * haste[:, None]).astype(np.int64)
    taxi_in = ((210 + 270 * uniform(seed, "taxi in", legs)) * haste[:, None]).astype(np.int64)
    seen = taxi_out + np.ceil(airborne).astype(np.int64) + taxi_in
    # Longer flights are followed by longer turnarounds; hidden, as the feed hides parked aircraft.
    stay = (1_500 + 3_300 * uniform(seed, "stay", legs) + 0.22 * airborne).astype(np.int64)
    gap = np.maximum(stay, LEAST_S_BETWEEN_STARTS - seen)
    second_start = seen[:, 0] + gap[:, 0]
    period = second_start + seen[:, 1] + gap[:, 1]
    phase = (mix(seed, "phase", line) % period.astype(np.uint64)).astype(np.int64)
    return Timetable(phase, period, second_start, seen, taxi_out, airborne)
