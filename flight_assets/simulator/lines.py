"""The population of the simulated world: who flies, what, and between which airports.

A line is one aircraft that goes there and back between two airports, or loiters about one, for
ever. Nothing here depends on time; ``motion`` says when and where a line flies.
"""

from collections import Counter
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from flight_assets.simulator.aircraft import (
    JET,
    KINDS,
    LOITERERS,
    NARROW,
    PRIVATE_TYPES,
    PROP,
    TYPE_INDEX,
    TYPES,
    WIDE,
)
from flight_assets.simulator.countries import REGISTERS
from flight_assets.simulator.fleets import AIRLINES, Airline
from flight_assets.simulator.hashing import mix, uniform
from flight_assets.simulator.places import Places

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Texts = NDArray[np.object_]

AIRLINER, PRIVATE, LOITERING = range(3)
# Lines of each group; with the share of time that a line flies they make about 12,000 aloft.
AIRLINER_LINES, PRIVATE_LINES, LOITERING_LINES = 21_700, 3_080, 1_710

# The share of the fleets of a continent that the feed sees, so that it spreads as in captures.
_FLEETS_SEEN = {"AS": 0.75}
# Where owners of aircraft, and those of gliders, are at home.
_PRIVATE_HOMES = {"NA": 0.52, "EU": 0.33, "OC": 0.05, "SA": 0.05, "AS": 0.03, "AF": 0.02}
_LOITERING_HOMES = {"EU": 0.74, "NA": 0.14, "SA": 0.05, "OC": 0.04, "AS": 0.02, "AF": 0.01}
_HOMES = 260  # airfields with private aircraft

# Where most flights stay inside the country, and how much more likely one is to stay.
_LARGE_COUNTRIES = ("US", "CN", "IN", "BR", "AU", "RU", "JP", "ID", "CA", "MX", "TR")
_DOMESTIC_WEIGHT = 6.0


@dataclass(frozen=True)
class Lines:
    """The lines as columns, one element per line; two per line where it says there and back."""

    group: Ints
    airline: Ints  # index into AIRLINES, -1 for none
    aircraft: Ints  # index into TYPES, for what loiters into LOITERERS
    home: Ints  # index into Places
    away: Ints
    type_code: Texts
    registration: Texts
    icao24: Texts
    flight_number: Texts  # (n, 2): there, back
    callsign: Texts  # (n, 2): there, back

    def one_of(self, many: int) -> "Lines":
        """Return every ``many``-th line, so a world of the same kind with fewer aircraft."""
        return Lines(**{field.name: getattr(self, field.name)[::many] for field in fields(self)})


def populate(seed: int, places: Places) -> Lines:
    """Return the lines of the world of a seed."""
    parts = (
        _airliners(seed, places),
        _private(seed, places),
        _loitering(seed, places),
    )
    group, airline, aircraft, home, away = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    code = [
        LOITERERS[index].code if is_loiterer else TYPES[index].code
        for index, is_loiterer in zip(aircraft, group == LOITERING, strict=True)
    ]
    registration, icao24 = _marks(seed, group, airline, home, code, places)
    flight_number, callsign = _names(seed, group, airline, home, code, registration, places)
    return Lines(
        group=group,
        airline=airline,
        aircraft=aircraft,
        home=home,
        away=away,
        type_code=np.array(code, dtype=object),
        registration=np.array(registration, dtype=object),
        icao24=np.array(icao24, dtype=object),
        flight_number=np.array(flight_number, dtype=object),
        callsign=np.array(callsign, dtype=object),
    )


def _pick(weights: Floats | list[float], u: Floats) -> Ints:
    """Return the index that each uniform number falls on, by weight."""
    bounds = np.cumsum(np.asarray(weights, dtype=np.float64))
    index = np.searchsorted(bounds, u * bounds[-1], side="right")
    return np.asarray(np.minimum(index, len(bounds) - 1))


def _airliners(seed: int, places: Places) -> tuple[Ints, ...]:
    line = np.arange(AIRLINER_LINES)
    # Evenly spaced rather than drawn: every seed has each airline in its size.
    spaced = (line + uniform(seed, "airline", line)) / AIRLINER_LINES
    airline = _pick([_weight(fleet, places) for fleet in AIRLINES], spaced)
    u_type, u_hub = uniform(seed, "type", line), uniform(seed, "hub", line)
    aircraft, home = np.empty_like(line), np.empty_like(line)
    for index, fleet in enumerate(AIRLINES):
        own = airline == index
        types = np.array([TYPE_INDEX[code] for code in fleet.types])
        hubs = np.array([places.index[code] for code in fleet.hubs])
        aircraft[own] = types[_pick([1.0] * len(types), u_type[own])]
        home[own] = hubs[_pick([0.8**rank for rank in range(len(hubs))], u_hub[own])]
    away = _destinations(home, aircraft, uniform(seed, "destination", line), places)
    return np.full_like(line, AIRLINER), airline, aircraft, home, away


def _weight(fleet: Airline, places: Places) -> float:
    hub = places.index[fleet.hubs[0]]
    return fleet.aircraft_count * _FLEETS_SEEN.get(str(places.continent[hub]), 1.0)


def _private(seed: int, places: Places) -> tuple[Ints, ...]:
    line = np.arange(PRIVATE_LINES)
    fields = np.arange(_HOMES)
    homes = _pick(_weights(_PRIVATE_HOMES, places), uniform(seed, "private home", fields))
    home = homes[_pick([1.0] * _HOMES, uniform(seed, "private field", line))]
    chosen = _pick([1.0] * len(PRIVATE_TYPES), uniform(seed, "private type", line))
    aircraft = np.array(PRIVATE_TYPES)[chosen]
    away = _destinations(home, aircraft, uniform(seed, "private destination", line), places)
    return np.full_like(line, PRIVATE), np.full_like(line, -1), aircraft, home, away


def _loitering(seed: int, places: Places) -> tuple[Ints, ...]:
    line = np.arange(LOITERING_LINES)
    aircraft = _pick([kind.share for kind in LOITERERS], uniform(seed, "loiterer", line))
    home = _pick(_weights(_LOITERING_HOMES, places), uniform(seed, "loiterer home", line))
    return np.full_like(line, LOITERING), np.full_like(line, -1), aircraft, home, home


def _weights(shares: dict[str, float], places: Places) -> Floats:
    """Return a weight for each airport that gives every continent its share."""
    sizes = Counter(places.continent.tolist())
    return np.array([shares.get(c, 0.0) / sizes[c] for c in places.continent.tolist()])


def _destinations(home: Ints, aircraft: Ints, u: Floats, places: Places) -> Ints:
    """Return where each line goes: by the traffic of the airports and the type's usual stage."""
    away = np.empty_like(home)
    for origin in np.unique(home):
        distance_km = places.distances_km(int(origin))
        at_home = home == origin
        for index in np.unique(aircraft[at_home]):
            own = at_home & (aircraft == index)
            away[own] = _pick(_pull(int(origin), int(index), distance_km, places), u[own])
    return away


def _pull(origin: int, type_index: int, distance_km: Floats, places: Places) -> Floats:
    """Return how much each airport draws a type from an origin; 0 beyond its reach."""
    aircraft = TYPES[type_index]
    kind = KINDS[aircraft.kind]
    # A tenth of the range stays in the tanks; nothing is flown that is quicker by road.
    least_km = min(180.0, kind.usual_km / 4)
    in_reach = (distance_km > least_km) & (distance_km < 0.9 * aircraft.range_km)
    stage = np.log(np.maximum(distance_km, 1.0) / kind.usual_km) / kind.spread
    traffic = places.traffic
    if aircraft.kind == WIDE:
        traffic = traffic**2
    elif aircraft.kind == PROP:
        traffic = traffic + 0.02
    elif aircraft.kind > WIDE:
        traffic = traffic + (0.3 if aircraft.kind == JET else 3.0)
    pull = traffic * in_reach * (np.exp(-0.5 * stage**2) + 1e-9)
    country = places.country[origin]
    if country in _LARGE_COUNTRIES and aircraft.kind <= NARROW:
        pull = pull * np.where(places.country == country, _DOMESTIC_WEIGHT, 1.0)
    return np.asarray(pull)


def _marks(
    seed: int, group: Ints, airline: Ints, home: Ints, code: list[str], places: Places
) -> tuple[list[str], list[str]]:
    """Return the registration and the 24-bit address of each line, in its country's register."""
    used: Counter[str] = Counter()
    long_address = uniform(seed, "long address", np.arange(len(group))) < 0.25
    registrations, addresses = [], []
    for line, (of, by, at) in enumerate(zip(group, airline, home, strict=True)):
        country = AIRLINES[by].country if of == AIRLINER else places.country[at]
        country = country if country in REGISTERS else "US"
        register, n = REGISTERS[country], used[country]
        used[country] += 1
        registration, address = register.mark(n), f"{register.first_icao24 + n:06X}"
        if code[line] == "0000":
            registration, address = "00000000", f"{line + 1:06X}"
        elif code[line] in ("GRND", "DRON"):
            registration = ""
        elif code[line] == "GLID" and long_address[line]:
            address = f"{0x10C00000 + line:08X}"
        registrations.append(registration)
        addresses.append(address)
    return registrations, addresses


def _names(
    seed: int,
    group: Ints,
    airline: Ints,
    home: Ints,
    code: list[str],
    registration: list[str],
    places: Places,
) -> tuple[list[list[str]], list[list[str]]]:
    """Return flight number and callsign of each line, there and back."""
    draws = mix(seed, "flight number", np.arange(len(group))).tolist()
    numbers, callsigns = [], []
    for line, (of, by, at) in enumerate(zip(group, airline, home, strict=True)):
        first = 10 + draws[line] % 4_800 * 2
        pair = (first, first + 1)
        if of == AIRLINER:
            fleet = AIRLINES[by]
            numbers.append([f"{fleet.iata}{number}" for number in pair])
            callsigns.append([f"{fleet.icao}{_suffix(n, draws[line])}" for n in pair])
            continue
        callsign = registration[line].replace("-", "") or places.icao[at]
        if code[line] == "BALL":
            callsign = f"HBAL{first % 1_000}"
        numbers.append(["", ""])
        callsigns.append([callsign, callsign])
    return numbers, callsigns


def _suffix(number: int, draw: int) -> str:
    """Return what follows the airline in a callsign: the number, or digits and two letters."""
    if draw >> 32 & 3:
        return str(number)
    letters = "".join(chr(ord("A") + (draw >> shift) % 26) for shift in (40, 48))
    return f"{number % 100}{letters}"
