"""An as-of hour uses the references of its day, also when it is built again later."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from .modelled import Modelled, flight

pytestmark = pytest.mark.integration

SUNDAY = datetime(2025, 7, 20, 8, tzinfo=UTC)
MONDAY = SUNDAY + timedelta(days=1)
AIRLINES = """
drop table silver.airlines_history;
create table silver.airlines (
    airline_icao text, airline_iata text, airline_name text, country_code text, country_source text,
    fleet_count integer);
insert into silver.airlines values
    ('SIA', 'SQ', 'Singapore Airlines', 'SG', 'airline_countries', 1),
    ('DLH', 'LH', 'Lufthansa', null, null, 1),
    ('CFG', 'DE', 'Condor', 'DE', 'airline_countries', 1);
"""
CHANGES = """
update silver.airlines set airline_name = 'Singapore Group', fleet_count = 2
where airline_icao = 'SIA';
update silver.airlines set country_code = 'DE', country_source = 'inferred', fleet_count = 2
where airline_icao = 'DLH';
delete from silver.airlines where airline_icao = 'CFG';
"""
# a snapshot dates its versions by the clock of the server: the test dates them anew
DATED = """
update silver.airlines_history set
    dbt_valid_from = case when dbt_valid_from > '2026-01-01Z' then %(at)s else dbt_valid_from end,
    dbt_valid_to = case when dbt_valid_to > '2026-01-01Z' then %(at)s else dbt_valid_to end
"""
STATES = """
select flight_id, airline_name, airline_country_code, airline_country_source
from silver.flight_states where as_of_hour = '{hour}' order by flight_id
"""


def snapshot(modelled: Modelled, at: datetime) -> None:
    """Keep the airlines as they are, as if it was that instant."""
    assert modelled.dbt("snapshot", "--select", "airlines_history").success
    modelled.connection.execute(DATED, {"at": at})


def land(modelled: Modelled, hour: datetime) -> None:
    """Land one flight of each airline and a poll in the hour."""
    seen = hour + timedelta(minutes=59)
    modelled.land([flight(code, seen, airline_icao=code) for code in ("CFG", "DLH", "SIA")])
    modelled.land_poll(seen, seen + timedelta(seconds=20))


def states(modelled: Modelled, hour: datetime) -> list[tuple[Any, ...]]:
    """Return what the states of the hour say about airlines."""
    return modelled.rows(STATES.format(hour=hour.isoformat()))


def test_an_old_hour_keeps_its_answer_and_a_new_one_sees_the_change(modelled: Modelled) -> None:
    modelled.connection.execute(AIRLINES)
    snapshot(modelled, SUNDAY.replace(hour=3))
    for hour in (SUNDAY, MONDAY):
        land(modelled, hour)
    assert modelled.build(SUNDAY).success
    before = states(modelled, SUNDAY)
    assert before == [
        ("CFG", "Condor", "DE", "airline_countries"),
        ("DLH", "Lufthansa", None, None),
        ("SIA", "Singapore Airlines", "SG", "airline_countries"),
    ]
    modelled.connection.execute(CHANGES)
    snapshot(modelled, MONDAY.replace(hour=23))
    for hour in (SUNDAY, MONDAY):
        assert modelled.build(hour).success
    assert states(modelled, SUNDAY) == before
    # the whole day uses its last version, also the hours before the snapshot ran
    assert states(modelled, MONDAY) == [
        ("CFG", None, None, None),
        ("DLH", "Lufthansa", "DE", "inferred"),
        ("SIA", "Singapore Group", "SG", "airline_countries"),
    ]


def test_what_no_answer_uses_makes_no_version(modelled: Modelled) -> None:
    modelled.connection.execute(AIRLINES)
    snapshot(modelled, SUNDAY)
    modelled.connection.execute("update silver.airlines set fleet_count = 99")
    snapshot(modelled, MONDAY)
    versions = modelled.rows("select count(*), count(dbt_valid_to) from silver.airlines_history")
    assert versions == [(3, 0)]


def test_a_snapshot_is_dated_in_utc_in_any_time_zone(modelled: Modelled) -> None:
    modelled.connection.execute(AIRLINES)
    modelled.connection.execute("alter database models set timezone to 'Pacific/Kiritimati'")
    try:
        assert modelled.dbt("snapshot", "--select", "airlines_history").success
    finally:
        modelled.connection.execute("alter database models reset timezone")
    ages = "select min(now() - dbt_valid_from), max(now() - dbt_valid_from)"
    [(youngest, oldest)] = modelled.rows(f"{ages} from silver.airlines_history")
    assert timedelta(0) <= youngest <= oldest < timedelta(minutes=5)
