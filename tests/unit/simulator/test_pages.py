"""The feed's body: the cap, the order, the counts, bounds and filters."""

import json

import numpy as np
import pytest
from FlightRadarAPI import Countries
from FlightRadarAPI.parsers import country_to_slug, parse_airlines_html, parse_airports_json

from flight_assets.simulator import pages
from flight_assets.simulator.fleets import AIRLINES
from flight_assets.simulator.snapshot import SLOTS, Bounds
from flight_assets.simulator.world import SimulatedWorld


def ids(body: dict[str, object]) -> list[str]:
    return [key for key, value in body.items() if isinstance(value, list)]


def test_the_feed_stops_at_1500_rows_of_the_lowest_ids(world: SimulatedWorld) -> None:
    sky = world.current()
    body = pages.feed(sky, {})
    assert ids(body) == sky.flight_ids[:1500].tolist()
    assert body["full_count"] == len(sky)


def test_full_count_is_the_worlds_and_visible_that_of_the_bounds(world: SimulatedWorld) -> None:
    sky = world.current()
    body = pages.feed(sky, {"bounds": "55,45,0,20", "stats": "1"})
    lat = sky.column("latitude").astype(float)
    lon = sky.column("longitude").astype(float)
    inside = int(((lat >= 45) & (lat <= 55) & (lon >= 0) & (lon <= 20)).sum())
    assert body["full_count"] == len(sky) == sum(body["stats"]["total"].values())
    assert sum(body["stats"]["visible"].values()) == inside > 100
    assert len(ids(body)) == min(inside, 1500)


def test_two_halves_across_the_antimeridian_make_the_whole(world: SimulatedWorld) -> None:
    sky = world.current()
    across = set(ids(pages.feed(sky, {"bounds": "60,-60,160,-160"})))
    west = set(ids(pages.feed(sky, {"bounds": "60,-60,160,180"})))
    east = set(ids(pages.feed(sky, {"bounds": "60,-60,-180,-160"})))
    assert across == west | east
    assert west
    assert east


@pytest.mark.parametrize(
    ("bounds", "inside"),
    [
        (Bounds(10, 5, 20, 30), [True, True, False, False]),
        (Bounds(10, 5, 30, 20), [True, True, True, True]),  # all but what lies between
        (Bounds(10, 5, -340, -330), [True, True, False, False]),  # dragged around the globe
        (Bounds(10, 5, -427, 427), [True, True, True, True]),
        (Bounds(9.9, 5, 20, 30), [False, True, False, False]),
    ],
)
def test_bounds_include_their_edges(bounds: Bounds, inside: list[bool]) -> None:
    lat = np.array([10.0, 5.0, 7.0, 7.0])
    lon = np.array([20.0, 30.0, 30.0001, -180.0])
    assert bounds.contain(lat, lon).tolist() == inside


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d", "1,2,3,4,5", "1,2,3,nan"])
def test_other_bounds_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="bounds"):
        Bounds.parse(text)


@pytest.mark.parametrize(
    ("query", "slot", "values"),
    [
        ({"airline": "DLH,BAW"}, "airline_icao", {"DLH", "BAW"}),
        ({"type": "A388"}, "aircraft_code", {"A388"}),
        ({"air": "0"}, "on_ground", {1}),
        ({"gnd": "0"}, "on_ground", {0}),
    ],
)
def test_filters_let_through_what_they_name(
    world: SimulatedWorld, query: dict[str, str], slot: str, values: set[object]
) -> None:
    body = pages.feed(world.current(), query)
    assert {body[flight_id][SLOTS.index(slot)] for flight_id in ids(body)} == values
    assert 0 < body["full_count"] < len(world.current())


def test_gliders_can_be_switched_off(world: SimulatedWorld) -> None:
    sky = world.current()
    codes = sky.column("aircraft_code")[sky.wanted({"gliders": "0", "vehicles": "0"})].tolist()
    assert "GLID" not in codes
    assert "GRND" not in codes
    assert len(codes) > 10_000


def test_the_airports_page_spells_countries_as_the_client_does() -> None:
    airports = parse_airports_json(pages.airports())
    assert len(airports) > 7_000
    known = {country.value for country in Countries}
    unknown = {
        airport.country for airport in airports if country_to_slug(airport.country) not in known
    }
    # Territories that the client's list does not have.
    assert len(unknown) < 15
    heathrow = next(airport for airport in airports if airport.iata == "LHR")
    assert (heathrow.icao, heathrow.country, heathrow.altitude) == ("EGLL", "United Kingdom", 83)


def test_the_airlines_page_lists_every_airline() -> None:
    listed = parse_airlines_html(pages.airlines())
    assert {(a["ICAO"], a["IATA"], a["Name"]) for a in listed} == {
        (fleet.icao, fleet.iata, fleet.name) for fleet in AIRLINES
    }
    assert all(airline["n_aircrafts"] > 0 for airline in listed)


def test_bodies_are_json(world: SimulatedWorld) -> None:
    row = next(v for v in pages.feed(world.current(), {}).values() if isinstance(v, list))
    assert json.loads(json.dumps(row)) == row
