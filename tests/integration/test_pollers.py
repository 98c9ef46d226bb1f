"""Several pollers at the same time: what they publish twice is answered once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from .modelled import EIGHT, Modelled, flight

pytestmark = pytest.mark.integration

SEEN = EIGHT + timedelta(minutes=58)
ANSWERS = "select question, scope, rank, subject, value, flight_count from gold.answers"
# Two sweeps of the same sky that overlap: when each starts and ends.
FIRST = (SEEN, SEEN + timedelta(seconds=20))
SECOND = (SEEN + timedelta(seconds=10), SEEN + timedelta(seconds=30))


def sky(poll_id: str) -> list[dict[str, Any]]:
    """Return what a poller sees: the same flights at the same times as any other."""
    german = {"airline_icao": "DLH", "type_code": "A20N", "origin_iata": "FRA"}
    return [
        flight("a", SEEN, poll_id=poll_id),
        flight("b", SEEN, poll_id=poll_id, **german),
        flight("c", SEEN, poll_id=poll_id, **german, destination_iata="LHR"),
    ]


def answers(modelled: Modelled, polls: Sequence[tuple[datetime, datetime]]) -> list[Any]:
    """Return the answers of the hour that these polls are of, landed in the order of their ends."""
    modelled.reset()
    for started_at, ended_at in polls:
        modelled.land(sky(str(started_at)))
        modelled.land_poll(started_at, ended_at)
    assert modelled.build(EIGHT).success
    return sorted(modelled.rows(ANSWERS), key=str)


def test_two_pollers_at_once_give_the_answers_of_one(modelled: Modelled) -> None:
    of_one = answers(modelled, [SECOND])
    assert of_one
    of_two = answers(modelled, [FIRST, SECOND])
    assert modelled.rows("select count(*) from bronze.raw_flights") == [(6,)]
    assert modelled.rows("select count(*) from silver.flight_positions") == [(3,)]
    assert modelled.rows("select poll_count from silver.as_of_hours") == [(2,)]
    assert of_two == of_one
