"""Generated small worlds, twelve hours at a time: gold equals the oracle for all ten questions."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from tests import oracle

from .modelled import EIGHT, Modelled, flight

pytestmark = pytest.mark.integration

HOURS = 12
HOUR = timedelta(hours=1)
POLL_ENDS = timedelta(minutes=50)
# beside those of the warehouse: two either side of the antimeridian, two near the pole, and one
# whose country is of no continent that anybody knows
FAR_AIRPORTS = """
insert into silver.airports_history values
    ('NFFN', 'NAN', 'Nadi', 'FJ', 'OC', -17.7554, 177.443),
    ('NSFA', 'APW', 'Apia', 'WS', 'OC', -13.83, -172.008),
    ('ENSB', 'LYR', 'Svalbard', 'SJ', 'EU', 78.2461, 15.4656),
    ('CYLT', 'YLT', 'Alert', 'CA', 'NA', 82.5178, -62.2806),
    ('XXXX', 'XNN', 'Nowhere', null, null, 0.0, 0.0)
"""
AIRPORTS = (
    "select airport_iata, airport_icao, lat_deg, lon_deg, continent_code from silver.airports"
)
NAMES = {
    "flight_id": "id",
    "airline_icao": "airline_icao",
    "type_code": "aircraft_code",
    "origin_iata": "origin_airport_iata",
    "destination_iata": "destination_airport_iata",
    "ground_speed_kt": "ground_speed",
}
ANSWERS = """
select
    to_char(as_of_hour at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), question, scope, rank,
    subject, value, unit, flight_count, usable_ratio
from gold.answers
"""

iata = st.sampled_from(
    [None, "SIN", "SIN", "JFK", "FRA", "LHR", "NAN", "APW", "LYR", "YLT", "XNN", "QQQ"]
)
observation = st.fixed_dictionaries(
    {
        "number": st.integers(0, 9),
        # at the edges of what an answer looks at, on both sides
        "age_s": st.sampled_from([-1, 0, 0, 1, 60, 899, 900, 901, 1800]),
        "is_on_ground": st.sampled_from([False, False, False, True]),
        "airline_icao": st.sampled_from([None, "SIA", "SIA", "DLH", "CFG", "XXX"]),
        "type_code": st.sampled_from([None, "A359", "A359", "A20N", "ZZZZ"]),
        "origin_iata": iata,
        "destination_iata": iata,
        "ground_speed_kt": st.sampled_from([None, 0, 479, 480, 481]),
    }
)
one_country = st.fixed_dictionaries(
    {
        "number": st.integers(0, 30),
        "age_s": st.just(5),
        "is_on_ground": st.just(False),
        "airline_icao": st.sampled_from(["DLH", "CFG"]),
        "type_code": st.sampled_from(["A20N", "A359"]),
        "origin_iata": st.just("FRA"),
        "destination_iata": st.just("FRA"),
        "ground_speed_kt": st.integers(400, 402),
    }
)
# None is an hour without a poll
world = st.one_of(
    st.none(),
    st.lists(observation, max_size=25),
    st.lists(observation, min_size=10, max_size=60),
    st.lists(one_country, max_size=40),
)


def references(modelled: Modelled) -> oracle.References:
    """Return what the stand-ins of the warehouse say, as data."""
    airlines = modelled.rows("select airline_icao, country_code from silver.airlines_history")
    types = modelled.rows("select type_code, manufacturer from silver.aircraft_types_history")
    return oracle.References(
        airports={row[0]: oracle.Airport(*row[1:]) for row in modelled.rows(AIRPORTS)},
        country_of_airline=dict(airlines),
        maker_of_type=dict(types),
    )


@settings(
    max_examples=16,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking builds for minutes
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(world, min_size=HOURS, max_size=HOURS))
def test_gold_equals_the_oracle(
    modelled: Modelled, worlds: list[list[dict[str, Any]] | None]
) -> None:
    modelled.reset()
    modelled.connection.execute(FAR_AIRPORTS)
    log: list[dict[str, Any]] = []
    instants: dict[int, int] = {}
    for number, rows in enumerate(worlds):
        instant = EIGHT + number * HOUR + POLL_ENDS
        if rows is not None:
            modelled.land_poll(instant - timedelta(minutes=1), instant)
            instants[int(instant.timestamp()) // 3600 * 3600] = int(instant.timestamp())
        for row in rows or []:
            told = {k: v for k, v in row.items() if k not in ("number", "age_s")}
            at = instant - timedelta(seconds=row["age_s"])
            log.append(flight(f"{number}-{row['number']}", at, **told))
    if log:
        modelled.land(log, log_hour=EIGHT + HOURS * HOUR)
    built = modelled.build(EIGHT, HOURS)
    assert built.success
    rows = [
        {ours: row[name] for name, ours in NAMES.items()}
        | {"time": int(row["observed_at"].timestamp()), "on_ground": int(row["is_on_ground"])}
        for row in log
    ]
    expected = oracle.answers(rows, instants, references(modelled))
    got = {
        (*row[:5], Decimal(row[5]), *row[6:8], Decimal(row[8])) for row in modelled.rows(ANSWERS)
    }
    event(f"questions answered: {len({row[1] for row in expected})}")
    assert got == expected
