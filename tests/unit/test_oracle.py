"""The oracle itself, on a sky that can be counted by hand."""

from decimal import Decimal
from typing import Any

import pytest

from tests import oracle

HOUR = 1_753_000_000 // 3600 * 3600
INSTANT = HOUR + 3_000
NAME = "2025-07-20T08:00:00Z"
REFERENCES = oracle.References(
    airports={
        "SIN": oracle.Airport("WSSS", 1.35019, 103.994, "AS"),
        "JFK": oracle.Airport("KJFK", 40.6398, -73.7789, "NA"),
        "KUL": oracle.Airport("WMKK", 2.74558, 101.709999, "AS"),
    },
    country_of_airline={"SIA": "SG"},
    maker_of_type={"A359": "Airbus", "B738": "Boeing"},
)


def row(flight: str, origin: str, destination: str, **fields: Any) -> dict[str, Any]:
    usual = {
        "time": INSTANT, "on_ground": 0, "airline_icao": "SIA", "aircraft_code": "A359",
        "ground_speed": 480,
    }  # fmt: skip
    route = {"origin_airport_iata": origin, "destination_airport_iata": destination}
    return {"id": flight, **route, **usual, **fields}


SKY = [
    row("a", "SIN", "JFK"),
    row("b", "SIN", "KUL", ground_speed=481, aircraft_code="B738"),
    row("c", "KUL", "KUL", airline_icao="XXX", ground_speed=""),
    row("d", "", "SIN", aircraft_code="", ground_speed=0),
    # not active: on the ground, too old, seen later, and landed since
    row("e", "SIN", "JFK", on_ground=1),
    row("f", "SIN", "JFK", time=INSTANT - 901),
    row("g", "SIN", "JFK", time=INSTANT + 1),
    row("h", "SIN", "JFK", time=INSTANT - 60),
    row("h", "SIN", "JFK", on_ground=1),
    # the first sighting counts
    row("a", "KUL", "JFK", airline_icao="XXX"),
]


def answer(question: str) -> set[tuple[Any, ...]]:
    """Return (scope, rank, subject, value, flights, share) of a question."""
    found = oracle.answers(SKY, {HOUR: INSTANT}, REFERENCES)
    assert {r[0] for r in found} == {NAME}
    return {(*r[2:5], float(r[5]), r[7], float(r[8])) for r in found if r[1] == question}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("top_airlines", {(None, 1, "SIA", 3, 3, 1), (None, 2, "XXX", 1, 1, 1)}),
        (
            "top_regional_airlines_by_continent",
            {("AS", 1, "SIA", 1, 1, 0.75), ("AS", 1, "XXX", 1, 1, 0.75)},
        ),
        (
            "top_aircraft_manufacturers",
            {(None, 1, "Airbus", 2, 2, 0.75), (None, 2, "Boeing", 1, 1, 0.75)},
        ),
        (
            "top_aircraft_models_by_continent",
            {("AS", 1, "A359", 2, 2, 0.75), ("AS", 2, "B738", 1, 1, 0.75)},
        ),
        (
            "top_aircraft_models_by_airline_country",
            {
                ("SG", 1, "A359", 1, 1, 0.75),
                ("SG", 1, "B738", 1, 1, 0.75),
                ("unknown", 1, "A359", 1, 1, 0.75),
            },
        ),
        (
            "top_destination_airports_by_continent",
            {
                ("AS", 1, "WMKK", 2, 2, 1),
                ("AS", 2, "WSSS", 1, 1, 1),
                ("NA", 1, "KJFK", 1, 1, 1),
            },
        ),
        # SIN: two out, one in; KUL: one out and in again, one in; JFK: one in
        (
            "airport_traffic_imbalance",
            {(None, 1, "WSSS", 1, 3, 1), (None, 1, "WMKK", -1, 2, 1), (None, 1, "KJFK", -1, 1, 1)},
        ),
        ("mean_ground_speed_by_continent", {("AS", None, None, 480.5, 2, 0.5)}),
    ],
)  # fmt: skip
def test_a_sky_counted_by_hand(question: str, expected: set[tuple[Any, ...]]):
    assert answer(question) == expected


def test_routes_are_measured_by_hand():
    # SIN-JFK 15,340.580 km; SIN-KUL 297.0 km or so; KUL-KUL nothing
    ranked = sorted(answer("longest_active_flights"), key=lambda r: r[1])
    assert [(r[1], r[2]) for r in ranked] == [(1, "a"), (2, "b"), (3, "c")]
    assert ranked[0][3] == pytest.approx(15_340.580, abs=0.001)
    assert ranked[1][3] == pytest.approx(297, abs=1)
    assert ranked[2][3] == 0
    [(scope, rank, subject, mean, flights, _)] = answer("mean_route_distance_by_continent")
    assert (scope, rank, subject, flights) == ("AS", None, None, 3)
    assert mean == pytest.approx((15_340.580 + ranked[1][3]) / 3, abs=0.001)


def test_a_mean_is_rounded_half_up():
    assert Decimal("0.0005").quantize(oracle.THOUSANDTH, "ROUND_HALF_UP") == Decimal("0.001")
    sky = [row("a", "SIN", "JFK", ground_speed=n) for n in (1,)]
    sky += [row(f"b{n}", "SIN", "JFK", ground_speed=0) for n in range(15)]
    found = oracle.answers(sky, {HOUR: INSTANT}, REFERENCES)
    [mean] = [r[5] for r in found if r[1] == "mean_ground_speed_by_continent"]
    assert mean == Decimal("0.063"), "1/16 is 0.0625"
