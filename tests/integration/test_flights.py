"""Flights and their quality: one row a flight, and the same rows however the observations came."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from . import flights_by_hand
from .modelled import EIGHT, NINE, Modelled, flight

pytestmark = pytest.mark.integration

MINUTE = timedelta(minutes=1)
Log = Sequence[dict[str, Any]]

CHAIN = (
    *("flight_positions", "flight_quarters", "flight_sessions", "quality_quarters"),
    *("daily_quality", "flight_progress"),
)
SESSIONS = (
    "select flight_id, first_observed_at, last_observed_at, ground_before_air_at, "
    "ground_after_air_at, distance_km, airborne_s, observation_count, announced_destination_iata "
    "from silver.flight_sessions"
)
QUALITY = "select quarter_at, flag, flagged_count, observation_count from silver.quality_quarters"


def sessions(modelled: Modelled) -> dict[str, tuple[Any, ...]]:
    return {row[0]: row[1:] for row in modelled.rows(SESSIONS)}


def quality(modelled: Modelled) -> dict[tuple[Any, ...], tuple[int, int]]:
    return {row[:2]: row[2:] for row in modelled.rows(QUALITY) if row[2]}  # type: ignore[misc]


def build_flights(modelled: Modelled, **dbt_vars: Any) -> None:
    """Build flights and their quality through the newest slice, as a landing run does."""
    [(newest,)] = modelled.rows("select coalesce(max(slice_id), 0) from bronze.landed_slices")
    built = modelled.dbt(
        *("build", "--exclude-resource-type", "unit_test", "--select", *CHAIN),
        **{
            "from_hour": "2025-07-20T08:00:00Z",
            "to_hour": "2025-07-20T10:00:00Z",
            "through_slice_id": newest,
            "rebuild": False,
            **dbt_vars,
        },
    )
    assert built.success, built.exception or [
        (node.node.name, node.message) for node in built.result if node.status != "success"
    ]


def flown(flight_id: str, *, start: int, stop: int, step: int = 1, **fields: Any) -> Log:
    """Return the observations of a flight by the minute, a degree of longitude a step north."""
    return [
        flight(
            flight_id,
            EIGHT + minute * MINUTE,
            poll_id=f"p{minute}",
            lat_deg=20.0 + minute / 10,
            lon_deg=10.0,
            **fields,
        )
        for minute in range(start, stop, step)
    ]


def expect_by_hand(modelled: Modelled, log: Log) -> None:
    assert sessions(modelled) == flights_by_hand.flights(log)
    assert quality(modelled) == flights_by_hand.quality(log)


def test_a_flight_over_several_hours_is_one_row(modelled: Modelled) -> None:
    log = [
        *flown("a", start=0, stop=2, is_on_ground=True, altitude_ft=0),
        *flown("a", start=2, stop=110),
        *flown("a", start=110, stop=115, is_on_ground=True, altitude_ft=0),
        *flown("b", start=50, stop=119, step=17),
    ]
    log = sorted(log, key=lambda row: row["observed_at"])
    for first in range(0, len(log), 25):
        modelled.land(log[first : first + 25])
        build_flights(modelled)
    expect_by_hand(modelled, log)
    [(departed, arrived, km)] = modelled.rows(
        "select ground_before_air_at, ground_after_air_at, distance_km "
        "from silver.flight_sessions where flight_id = 'a'"
    )
    assert (departed, arrived) == (EIGHT + MINUTE, EIGHT + 110 * MINUTE)
    # 107 steps of 0.1 degree of a meridian
    assert abs(float(km) - 107 * 11.1195) < 0.1


def test_late_observations_reach_their_flight_and_no_other(modelled: Modelled) -> None:
    early, late = flown("a", start=0, stop=60), flown("a", start=20, stop=25)
    kept = [row for row in early if row not in late]
    modelled.land(kept)
    modelled.land(flown("b", start=0, stop=60))
    build_flights(modelled)
    modelled.land(late, log_hour=NINE)
    build_flights(modelled)
    log = [*kept, *flown("b", start=0, stop=60), *late]
    expect_by_hand(modelled, log)
    assert sessions(modelled)["a"][5] == 59 * 60
    assert (EIGHT + 15 * MINUTE, "is_backward") in quality(modelled)


def test_a_flight_whose_observations_are_gone_is_gone(modelled: Modelled) -> None:
    modelled.land([*flown("a", start=0, stop=60), *flown("b", start=0, stop=60)])
    build_flights(modelled)
    assert set(sessions(modelled)) == {"a", "b"}
    modelled.connection.execute("delete from bronze.raw_flights where flight_id = 'b'")
    build_flights(modelled)
    assert set(sessions(modelled)) == {"a", "b"}, "a landing run builds what landed"
    build_flights(modelled, rebuild=True)
    assert set(sessions(modelled)) == {"a"}
    expect_by_hand(modelled, flown("a", start=0, stop=60))


def test_a_replay_is_noticed_by_its_newer_slice(modelled: Modelled) -> None:
    log = flown("a", start=0, stop=40)
    modelled.land(log)
    build_flights(modelled)
    modelled.connection.execute(
        "delete from bronze.raw_flights where observed_at < %s", [EIGHT + 10 * MINUTE]
    )
    # the ledger's row is replaced by one with a newer id, as `kafka_sensors.replay` does
    modelled.connection.execute(
        "with old as (delete from bronze.slice_event_hours returning *), renamed as ("
        "  update bronze.landed_slices set slice_id = default returning slice_id)"
        "insert into bronze.slice_event_hours select renamed.slice_id, old.event_hour, "
        "old.first_event_at, old.last_event_at, old.row_count from old, renamed"
    )
    build_flights(modelled)
    expect_by_hand(modelled, log[10:])


def test_what_is_odd_is_flagged_and_kept(modelled: Modelled) -> None:
    odd = [
        flight("island", EIGHT, lat_deg=0.001, lon_deg=-0.001),
        flight("placeholder", EIGHT, icao24="000000"),
        flight("parked", EIGHT, is_on_ground=True, altitude_ft=3_000),
        flight("round", EIGHT, destination_iata="SIN"),
        flight("foreign", EIGHT, callsign="DLH123"),
        flight("own", EIGHT, callsign="SIA123"),
        flight("private", EIGHT, callsign="N123AB"),
        flight("twin1", EIGHT, icao24="abc123"),
        flight("twin2", EIGHT + MINUTE, icao24="abc123"),
        flight("fast", EIGHT, lat_deg=10.0),
        flight("fast", EIGHT + MINUTE, lat_deg=11.0),
        flight("stuck", EIGHT + 14 * MINUTE),
        # over the end of a quarter hour
        flight("stuck", EIGHT + 16 * MINUTE),
        flight("slow", EIGHT, ground_speed_kt=49),
        flight("slow", EIGHT + MINUTE, ground_speed_kt=49),
    ]
    modelled.land(odd)
    build_flights(modelled)
    expect_by_hand(modelled, odd)
    flagged = {flag: count for (_, flag), (count, _) in quality(modelled).items()}
    assert flagged == {
        "is_null_island": 1,
        "has_placeholder_code": 1,
        "has_altitude_on_ground": 1,
        "is_round_trip": 1,
        "has_foreign_callsign": 1,
        "has_duplicate_icao24": 2,
        "is_impossibly_fast": 1,
        "is_stuck": 1,
    }
    assert modelled.rows(
        "select flagged_count, observation_count, flagged_ratio from silver.daily_quality "
        "where flag = 'has_duplicate_icao24'"
    ) == [(2, 15, Decimal("0.133333"))]
    assert modelled.rows("select count(*) from silver.flight_positions") == [(15,)]


observations = st.builds(
    lambda flight_id, second, north, on_ground, icao24, destination, poll: flight(
        flight_id,
        EIGHT + timedelta(seconds=second),
        lat_deg=north,
        lon_deg=179.9 if second % 2 else -179.9,
        is_on_ground=on_ground,
        icao24=icao24,
        destination_iata=destination,
        poll_id=poll,
    ),
    st.sampled_from("abc"),
    st.integers(0, 7_199).map(lambda second: second // 60 * 60),
    st.sampled_from([0.0, 0.5, 89.99, -45.0]),
    st.booleans(),
    st.sampled_from([None, "000000", "abc123"]),
    st.sampled_from([None, "SIN", "JFK"]),
    st.sampled_from(["p1", "p2"]),
)


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking builds for minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.lists(observations, min_size=1, max_size=25), min_size=1, max_size=3))
def test_flights_follow_the_observations_however_they_came(
    modelled: Modelled, slices: list[list[dict[str, Any]]]
) -> None:
    modelled.reset()
    for rows in slices:
        modelled.land(rows, log_hour=NINE)
        build_flights(modelled)
    log = [row for rows in slices for row in rows]
    expect_by_hand(modelled, log)
    before = (sessions(modelled), quality(modelled))
    build_flights(modelled, rebuild=True)
    assert (sessions(modelled), quality(modelled)) == before
