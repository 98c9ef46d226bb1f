"""The simulated world: a seed and an instant give the same sky, always and anywhere."""

import threading
import time
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flight_assets.errors import FlightAssetsError
from flight_assets.simulator.fleets import AIRLINES
from flight_assets.simulator.hashing import mix, uniform
from flight_assets.simulator.lines import AIRLINER, LOITERING, populate
from flight_assets.simulator.motion import States, about_place, along_route
from flight_assets.simulator.places import load_places
from flight_assets.simulator.snapshot import Snapshot
from flight_assets.simulator.timetable import profiles, timetable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_SEED = 2**32
# 2025-01-01. Flight ids count hours from here and start again after 65,536 of them, in mid 2032.
ID_EPOCH_S = 1_735_689_600
ID_HOURS = 65_536
ID_LINES = 32_768  # more than there are lines
FIRST_ID = 0x1000_0000  # eight digits in base 16, the first one a decimal digit, for any hour
ID_STEP = 20_021  # a prime: consecutive lines are spread over the ids of an hour

# Share of flights that lack a text, by group: airliner, private, loitering. A flight keeps
# lacking it. Together they give the shares over all rows that captures of the feed have.
_LACKING = {
    "origin": (0.012, 0.62, 1.0),
    "destination": (0.030, 0.86, 1.0),
    "airline": (0.012, 1.0, 1.0),
    "number": (0.018, 1.0, 1.0),
    "type": (0.0022, 0.02, 0.0),
    "registration": (0.011, 0.05, 0.10),
    "icao24": (0.013, 0.08, 0.01),
    "callsign": (0.001, 0.008, 0.005),
}
# Quantiles of a position's age in seconds, as captures of the feed have them.
_AGE_QUANTILES = ([0, 0.28, 0.5, 0.9, 0.95, 0.99, 0.999, 1], [0, 0, 1.9, 12, 22, 46, 85, 180])
# An aircraft out of reach is shown where it was last heard, for at most this long.
_SILENCE_S = 240
_SILENT_SHARE = 0.006
_GROUND_ALTITUDE_SHARE = 0.043  # of flights that report their altitude while on the ground


class TrueFlight(NamedTuple):
    """An aircraft of the world with nothing left out, where it was when its row was observed."""

    flight_id: str
    icao24: str
    registration: str
    type_code: str
    airline_icao: str  # "" for what has no airline
    flight_number: str  # "" likewise
    callsign: str
    origin_iata: str
    destination_iata: str
    is_airliner: bool
    is_on_ground: bool
    lat_deg: float
    lon_deg: float
    heading_deg: float
    altitude_ft: float
    ground_speed_kt: float
    vertical_speed_fpm: float
    observed_at: int


class _Sky(NamedTuple):
    """The flights that are to be seen at an instant."""

    line: Ints
    leg: Ints
    flight_id: Ints
    key: NDArray[np.uint64]  # one number per flight, for all that stays the same in its life
    observed_at: Ints
    states: States


class SimulatedWorld:
    """The sky of a seed. Its clock is real time, or stands where it was set.

    About 12,700 aircraft at once; with ``one_of`` 4 a quarter of them, for what takes a day.
    """

    kind = "simulated"
    _KEPT = 8  # snapshots; a sweep asks for the same few seconds many times

    def __init__(self, seed: int = 1, now_s: int | None = None, *, one_of: int = 1) -> None:
        if not 0 <= seed < MAX_SEED:
            raise FlightAssetsError(f"seed {seed} does not lie in 0 to {MAX_SEED - 1}")
        self.seed = seed
        self.frozen_at_s = now_s
        self._places = load_places()
        self._lines = populate(seed, self._places).one_of(one_of)
        self._flown = profiles(seed, self._lines, self._places)
        self._times = timetable(seed, self._lines, self._flown)
        self._iata = np.array(self._places.iata, dtype=object)
        self._icao = np.array(self._places.icao, dtype=object)
        self._airline_icao = np.array([fleet.icao for fleet in AIRLINES] + [""], dtype=object)
        self._snapshots: OrderedDict[int, Snapshot] = OrderedDict()
        self._lock = threading.Lock()

    def now(self) -> int:
        """Return the world's clock, Unix seconds."""
        return int(time.time()) if self.frozen_at_s is None else self.frozen_at_s

    def current(self) -> Snapshot:
        """Return the sky now."""
        return self.at(self.now())

    def at(self, instant_s: int) -> Snapshot:
        """Return the sky of an instant, in Unix seconds."""
        with self._lock:
            if instant_s not in self._snapshots:
                self._snapshots[instant_s] = self._snapshot(instant_s)
                if len(self._snapshots) > self._KEPT:
                    self._snapshots.popitem(last=False)
            return self._snapshots[instant_s]

    def truth(self, instant_s: int) -> list[TrueFlight]:
        """Return every aircraft that a perfect sweep of an instant would fetch, by ascending id."""
        sky, lines = self._sky(instant_s), self._lines
        origin, destination = self._ends(sky)
        columns = (
            _hexadecimal(sky.flight_id),
            lines.icao24[sky.line],
            lines.registration[sky.line],
            lines.type_code[sky.line],
            self._airline_icao[lines.airline[sky.line]],
            lines.flight_number[sky.line, sky.leg],
            lines.callsign[sky.line, sky.leg],
            self._iata[origin],
            self._iata[destination],
            lines.group[sky.line] == AIRLINER,
            sky.states.is_on_ground,
            sky.states.lat_deg,
            sky.states.lon_deg,
            sky.states.heading_deg,
            sky.states.altitude_ft,
            sky.states.ground_speed_kt,
            sky.states.vertical_speed_fpm,
            sky.observed_at,
        )
        return [TrueFlight(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]

    def _ends(self, sky: _Sky) -> tuple[Ints, Ints]:
        home, away = self._lines.home[sky.line], self._lines.away[sky.line]
        return np.where(sky.leg == 0, home, away), np.where(sky.leg == 0, away, home)

    def _sky(self, instant_s: int) -> _Sky:
        times = self._times
        cycle, offset = np.divmod(instant_s - times.phase_s, times.period_s)
        leg = (offset >= times.second_start_s).astype(np.int64)
        elapsed = offset - leg * times.second_start_s
        every = np.arange(len(leg))
        seen = (elapsed < times.seen_s[every, leg]) & self._is_flown(
            every, cycle, offset, instant_s
        )
        line, leg, elapsed = every[seen], leg[seen], elapsed[seen]
        start = instant_s - elapsed
        hours = (start - ID_EPOCH_S) // 3_600 % ID_HOURS
        ids = FIRST_ID + hours * ID_LINES + (line * ID_STEP + self.seed) % ID_LINES
        key = mix(self.seed, "flight", line, start)
        age = np.minimum(_ages(key, instant_s), elapsed)
        order = np.argsort(ids)
        line, leg, key, age = line[order], leg[order], key[order], age[order]
        states = self._states(line, leg, elapsed[order] - age)
        return _Sky(line, leg, ids[order], key, instant_s - age, states)

    def _is_flown(self, line: Ints, cycle: Ints, offset: Ints, instant_s: int) -> NDArray[np.bool_]:
        """Return for each line whether it flies this time: fewer do at night."""
        longitude = self._places.lon_deg[self._lines.home]
        local_hour = (instant_s - offset) / 3_600 + longitude / 15
        by_day = 0.72 + 0.22 * np.cos((local_hour - 13) * (2 * np.pi / 24))
        long_haul = self._flown.distance_km[:, 0] > 4_500
        return uniform(self.seed, "flown", line, cycle) < np.where(long_haul, 0.9, by_day)

    def _states(self, line: Ints, leg: Ints, elapsed_s: Ints) -> States:
        states = States.empty(len(line))
        loiters = self._lines.group[line] == LOITERING
        routes = ~loiters
        ends = 2 * line[routes, None] + np.array([0, 1])
        stand = (uniform(self.seed, "stand", ends.ravel()).reshape(-1, 2) - 0.5) * 0.03
        states.fill(
            routes,
            along_route(
                line[routes], leg[routes], elapsed_s[routes], self._lines, self._times,
                self._flown, self._places, stand,
            ),
        )  # fmt: skip
        states.fill(
            loiters,
            about_place(
                self.seed, line[loiters], leg[loiters], elapsed_s[loiters], self._lines,
                self._times, self._places,
            ),
        )  # fmt: skip
        return states

    def _snapshot(self, instant_s: int) -> Snapshot:
        """Return the sky in the feed's units and roundings, without what each flight lacks."""
        sky, lines = self._sky(instant_s), self._lines
        group, states = lines.group[sky.line], sky.states
        origin, destination = self._ends(sky)

        def told(field: str, texts: NDArray[np.object_]) -> NDArray[np.object_]:
            lacking = uniform("lacking", field, sky.key) < np.array(_LACKING[field])[group]
            return np.where(lacking, "", texts)

        tells_height = uniform("ground altitude", sky.key) < _GROUND_ALTITUDE_SHARE
        altitude = np.round(states.altitude_ft / 25) * 25
        altitude = np.where(states.is_on_ground & ~tells_height, 0, altitude)
        columns: tuple[NDArray[Any], ...] = (
            told("icao24", lines.icao24[sky.line]),
            np.round(states.lat_deg, 4),
            np.round((states.lon_deg + 180) % 360 - 180, 4),
            states.heading_deg.astype(np.int64) % 360,
            altitude.astype(np.int64),
            np.round(states.ground_speed_kt).astype(np.int64),
            np.full(len(group), "", dtype=object),
            self._receivers(sky),
            told("type", lines.type_code[sky.line]),
            told("registration", lines.registration[sky.line]),
            sky.observed_at,
            told("origin", self._iata[origin]),
            told("destination", self._iata[destination]),
            told("number", lines.flight_number[sky.line, sky.leg]),
            states.is_on_ground.astype(np.int64),
            (np.round(states.vertical_speed_fpm / 64) * 64).astype(np.int64),
            told("callsign", lines.callsign[sky.line, sky.leg]),
            np.zeros(len(group), dtype=np.int64),
            told("airline", self._airline_icao[lines.airline[sky.line]]),
        )
        return Snapshot(instant_s, _hexadecimal(sky.flight_id), columns)

    def _receivers(self, sky: _Sky) -> NDArray[np.object_]:
        """Return the receiver of each row: by an end of the route, or how else it was located."""
        u = uniform("receiver", sky.key)
        near = self._icao[np.where(u < 0.5, *self._ends(sky))]
        stations = "F-" + near + (1 + u * 9).astype(np.int64).astype(str).astype(object)
        gliders = self._lines.type_code[sky.line] == "GLID"
        return np.where(gliders, "T-FLRM1", np.where(u > 0.93, "T-MLAT2", stations))


def _ages(key: NDArray[np.uint64], instant_s: int) -> Ints:
    """Return how old each position is: mostly seconds, while an aircraft is silent minutes."""
    age = np.interp(uniform("age", key, instant_s), *_AGE_QUANTILES).astype(np.int64)
    # Each flight has its own windows of silence, so that not all fall silent at once.
    window, since = np.divmod(
        instant_s + (key % np.uint64(_SILENCE_S)).astype(np.int64), _SILENCE_S
    )
    silent = uniform("silent", key, window) < _SILENT_SHARE
    return np.where(silent, since, age)


def _hexadecimal(ids: Ints) -> NDArray[np.object_]:
    return np.array([f"{flight_id:08x}" for flight_id in ids.tolist()], dtype=object)
