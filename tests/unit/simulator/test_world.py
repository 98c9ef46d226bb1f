"""The simulated world is the same every time, moves like aircraft do, and is as odd as the feed."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from flight_assets.simulator.aircraft import TYPE_INDEX, TYPES
from flight_assets.simulator.places import load_places
from flight_assets.simulator.snapshot import SLOTS, Snapshot
from flight_assets.simulator.world import SimulatedWorld, TrueFlight

ODD_TYPES = ("GLID", "0000", "BALL", "GRND", "SHIP", "DRON")
INSTANTS_S = [1_763_467_200 + hours * 3_600 for hours in (0, 6, 12, 18)]


def digest(snapshot: Snapshot) -> str:
    rows = snapshot.rows(np.arange(len(snapshot)))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def routes(world: SimulatedWorld, instant_s: int) -> dict[str, TrueFlight]:
    """Return the flights between two airports."""
    flights = world.truth(instant_s)
    return {f.flight_id: f for f in flights if f.origin_iata != f.destination_iata}


def distance_km(a: TrueFlight, b: TrueFlight) -> float:
    """Return the distance by the spherical law of cosines: not the way the world computes it."""
    lat_a, lat_b = np.radians(a.lat_deg), np.radians(b.lat_deg)
    cosine = np.sin(lat_a) * np.sin(lat_b) + np.cos(lat_a) * np.cos(lat_b) * np.cos(
        np.radians(a.lon_deg - b.lon_deg)
    )
    return float(6371.0088 * np.arccos(np.clip(cosine, -1, 1)))


def test_another_process_sees_the_same_sky(world: SimulatedWorld) -> None:
    program = (
        "import sys, json, hashlib; import numpy as np\n"
        "from flight_assets.simulator.world import SimulatedWorld\n"
        "sky = SimulatedWorld(1).at(int(sys.argv[1]))\n"
        "rows = json.dumps(sky.rows(np.arange(len(sky)))).encode()\n"
        "print(hashlib.sha256(rows).hexdigest())"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(INSTANTS_S[1])],
        env=os.environ | {"PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == digest(world.at(INSTANTS_S[1]))


def test_instants_may_come_in_any_order(world: SimulatedWorld) -> None:
    other = SimulatedWorld(1)
    forward = [digest(world.at(instant)) for instant in INSTANTS_S]
    assert [digest(other.at(instant)) for instant in reversed(INSTANTS_S)] == forward[::-1]


def test_another_seed_is_another_sky(world: SimulatedWorld) -> None:
    assert digest(SimulatedWorld(2).at(INSTANTS_S[0])) != digest(world.at(INSTANTS_S[0]))


def test_flight_ids_ascend_and_are_such_as_the_client_keeps(world: SimulatedWorld) -> None:
    ids = world.at(INSTANTS_S[0]).flight_ids.tolist()
    assert ids == sorted(set(ids))
    assert all(len(flight_id) == 8 and flight_id[0].isnumeric() for flight_id in ids)


@pytest.mark.parametrize("instant_s", INSTANTS_S)
def test_the_sky_is_as_full_and_as_odd_as_the_feed(world: SimulatedWorld, instant_s: int) -> None:
    sky = world.at(instant_s)
    on_ground = sky.column("on_ground") == 1
    code = sky.column("aircraft_code").astype(str)

    def lacks(name: str) -> float:
        return float((sky.column(name) == "").mean())

    assert 11_000 < (~on_ground).sum() < 13_000
    assert on_ground.mean() == pytest.approx(0.09, abs=0.012)
    assert np.isin(code, ODD_TYPES).mean() == pytest.approx(0.06, abs=0.012)
    assert set(ODD_TYPES) <= set(code.tolist())
    assert lacks("origin_airport_iata") == pytest.approx(0.13, abs=0.015)
    assert lacks("destination_airport_iata") == pytest.approx(0.17, abs=0.02)
    assert lacks("airline_icao") == pytest.approx(0.17, abs=0.02)
    assert lacks("aircraft_code") == pytest.approx(0.004, abs=0.002)
    assert lacks("registration") == pytest.approx(0.024, abs=0.006)
    assert lacks("icao_24bit") == pytest.approx(0.02, abs=0.006)
    assert 0.005 < (sky.column("altitude")[on_ground] > 0).mean() < 0.1
    addresses = {len(address) for address in sky.column("icao_24bit").tolist()}
    assert addresses == {0, 6, 8}


@pytest.mark.parametrize("instant_s", INSTANTS_S)
def test_positions_are_as_old_as_those_of_the_feed(world: SimulatedWorld, instant_s: int) -> None:
    age_s = instant_s - world.at(instant_s).column("time")
    assert age_s.min() >= 0
    assert np.median(age_s) in (1, 2)
    assert 40 < np.percentile(age_s, 99) < 80
    assert 120 < age_s.max() <= 300


def test_traffic_is_spread_over_the_continents() -> None:
    world = SimulatedWorld(3)
    places = load_places()
    origins = [
        flight.origin_iata
        for instant_s in INSTANTS_S
        for flight in world.truth(instant_s)
        if not flight.is_on_ground
    ]
    continents = np.array([places.continent[places.index[iata]] for iata in origins])
    shares = {name: float((continents == name).mean()) for name in ("NA", "EU", "AS")}
    assert shares == pytest.approx({"NA": 0.35, "EU": 0.28, "AS": 0.25}, abs=0.04)
    assert {"SA", "AF", "OC"} <= set(continents.tolist())


def test_a_flight_keeps_what_it_says_of_itself(world: SimulatedWorld) -> None:
    steady = [
        SLOTS.index(name)
        for name in SLOTS
        if name.endswith("iata") or name in ("icao_24bit", "registration", "callsign", "number")
        or name in ("aircraft_code", "airline_icao")
    ]  # fmt: skip
    first, later = (world.at(INSTANTS_S[0] + s) for s in (0, 1_800))
    before = first.rows(np.arange(len(first)))
    after = later.rows(np.arange(len(later)))
    both = before.keys() & after.keys()
    assert len(both) > 8_000
    for flight_id in both:
        for slot in steady:
            assert before[flight_id][slot] == after[flight_id][slot]


def test_aircraft_move_as_fast_as_they_say(world: SimulatedWorld) -> None:
    first, later = (routes(world, INSTANTS_S[0] + s) for s in (0, 20))
    moved = 0
    for flight_id in first.keys() & later.keys():
        a, b = first[flight_id], later[flight_id]
        hours = (b.observed_at - a.observed_at) / 3_600
        if a.is_on_ground or b.is_on_ground or hours < 10 / 3_600:
            continue
        moved += 1
        said_km = hours * 1.852 * (a.ground_speed_kt + b.ground_speed_kt) / 2
        assert distance_km(a, b) == pytest.approx(said_km, rel=0.03, abs=0.03)
    assert moved > 5_000


def test_no_route_is_beyond_the_reach_of_its_type(world: SimulatedWorld) -> None:
    places = load_places()
    flights = routes(world, INSTANTS_S[2])
    distances = {
        origin: places.distances_km(places.index[origin])
        for origin in {flight.origin_iata for flight in flights.values()}
    }
    for flight in flights.values():
        km = distances[flight.origin_iata][places.index[flight.destination_iata]]
        assert 0 < km <= TYPES[TYPE_INDEX[flight.type_code]].range_km
    assert len(flights) > 10_000


def test_registrations_and_addresses_belong_to_one_aircraft(world: SimulatedWorld) -> None:
    real = [flight for flight in world.truth(INSTANTS_S[0]) if flight.is_airliner]
    assert len({flight.registration for flight in real}) == len(real)
    assert len({flight.icao24 for flight in real}) == len(real)


def test_a_few_observations_repeat_or_go_back_between_polls(world: SimulatedWorld) -> None:
    first, later = (world.at(INSTANTS_S[0] + s) for s in (0, 60))
    time = SLOTS.index("time")
    before = first.rows(np.arange(len(first)))
    after = later.rows(np.arange(len(later)))
    both = before.keys() & after.keys()
    repeated = sum(before[f] == after[f] for f in both)
    gone_back = sum(after[f][time] < before[f][time] for f in both)
    assert 0 < repeated < 0.02 * len(both)
    assert 0 < gone_back < 0.02 * len(both)


def test_the_truth_has_what_the_rows_show(world: SimulatedWorld) -> None:
    sky, truth = world.at(INSTANTS_S[0]), world.truth(INSTANTS_S[0])
    rows = sky.rows(np.arange(len(sky)))
    assert [flight.flight_id for flight in truth] == list(rows)
    for flight in truth:
        row = rows[flight.flight_id]
        assert row[SLOTS.index("latitude")] == pytest.approx(flight.lat_deg, abs=1e-4)
        assert row[SLOTS.index("origin_airport_iata")] in ("", flight.origin_iata)
        assert row[SLOTS.index("time")] == flight.observed_at


def test_a_thinner_world_has_a_part_of_every_kind_of_aircraft(world: SimulatedWorld) -> None:
    whole = world.truth(INSTANTS_S[0])
    thin = SimulatedWorld(world.seed, one_of=4).truth(INSTANTS_S[0])
    assert len(thin) / len(whole) == pytest.approx(0.25, abs=0.02)
    for is_airliner in (True, False):
        of_kind = [flight for flight in thin if flight.is_airliner == is_airliner]
        assert of_kind
    assert len({flight.flight_id for flight in thin}) == len(thin)
    assert {f.airline_icao for f in whole} - {f.airline_icao for f in thin} == set()
