"""Distances and rectangles on the globe."""

from math import pi

import pytest

from flight_assets.core.geo import EARTH_RADIUS_KM, Bounds, Position, distance_km

BOX = Bounds(south_deg=0, west_deg=-90, north_deg=45, east_deg=0)


@pytest.mark.parametrize(
    ("a", "b", "share_of_circle"),
    [
        (Position(0, 0), Position(0, 0), 0),
        (Position(0, 0), Position(90, 123), 1 / 4),
        (Position(0, 179), Position(0, -179), 2 / 360),
        (Position(36.5, 12.25), Position(-36.5, -167.75), 1 / 2),
    ],
)
def test_distance_is_a_share_of_the_great_circle(
    a: Position, b: Position, share_of_circle: float
) -> None:
    assert distance_km(a, b) == pytest.approx(2 * pi * EARTH_RADIUS_KM * share_of_circle, abs=1e-3)
    assert distance_km(a, b) == distance_km(b, a)


@pytest.mark.parametrize(
    ("position", "is_inside"),
    [
        (Position(45, 0), True),
        (Position(0, -90), True),
        (Position(20, -30), True),
        (Position(45.01, -30), False),
        (Position(20, 0.01), False),
    ],
)
def test_edges_belong_to_the_bounds(position: Position, is_inside: bool) -> None:
    assert BOX.contains(position) is is_inside


def test_quadrants_share_their_edges_and_nothing_else() -> None:
    north_west, north_east, south_west, _ = BOX.quadrants()
    assert north_west == Bounds(south_deg=22.5, west_deg=-90, north_deg=45, east_deg=-45)
    assert north_west.east_deg == north_east.west_deg
    assert north_west.south_deg == south_west.north_deg
    assert sum(q.contains(Position(22.5, -45)) for q in BOX.quadrants()) == 4
    assert south_west.contains(Position(0, -90)) and not north_east.contains(Position(0, -90))
