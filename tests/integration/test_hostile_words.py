"""What a source or a caller writes to be run somewhere on the way is data everywhere on it."""

from datetime import timedelta

import pytest

from .modelled import EIGHT, NINE, Modelled, flight

pytestmark = pytest.mark.integration

SEEN = EIGHT + timedelta(minutes=59)
HOSTILE = (
    "'; drop table gold.answers; --",
    '"; drop schema bronze cascade; --',
    "{{ 1 / 0 }}",
    "{% raw %}",
    "$$ \\' %s %(x)s",
    "</script><script>",
)


def test_words_of_the_feed_are_data_from_bronze_to_gold(modelled: Modelled) -> None:
    modelled.land(
        [
            flight(
                word, SEEN, callsign=word, registration=word, airline_icao=word, type_code=word,
                origin_iata=word,
            )
            for word in HOSTILE
        ]
        + [flight("usual", SEEN)]
    )  # fmt: skip
    modelled.land_poll(SEEN, SEEN + timedelta(seconds=20))
    assert modelled.build(EIGHT).success
    columns = "flight_id, callsign, registration, airline_icao, type_code, origin_iata"
    found = modelled.rows(f"select {columns} from silver.flight_states where is_active")
    assert set(found) >= {(word,) * 6 for word in HOSTILE}
    named = {row[0] for row in modelled.rows("select subject from gold.answers")}
    assert named >= {HOSTILE[0], "SIA"}
    codes = {row[0] for row in modelled.rows("select code from silver.unmatched_codes")}
    assert codes >= set(HOSTILE)


@pytest.mark.parametrize(
    "hours",
    [
        {"from_hour": "2025-07-20T08:00:00Z' or true --", "to_hour": f"{NINE:%Y-%m-%dT%H}:00:00Z"},
        {"from_hour": f"{EIGHT:%Y-%m-%dT%H}:00:00Z", "to_hour": "'); drop schema gold cascade; --"},
    ],
    ids=["from", "to"],
)
def test_hours_that_are_none_reach_no_query(modelled: Modelled, hours: dict[str, str]) -> None:
    built = modelled.dbt("run", "--select", "as_of_hours", **hours)
    assert not built.success
    said = str(built.exception or [each.message for each in built.result.results])
    assert "not a UTC hour" in said
