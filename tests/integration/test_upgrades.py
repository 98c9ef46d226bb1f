"""A database of every earlier migration, with data, becomes one that today's code works on."""

import json
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from flight_assets.assets.raw_flights import RAW_FLIGHTS, RAW_POLLS
from flight_assets.feed.topics import ensure_topics
from flight_assets.warehouse.connection import connect
from flight_assets.warehouse.migrate import MIGRATIONS, migrate
from kafka_sensors.client import Reader
from kafka_sensors.landing import land_waiting
from kafka_sensors.replay import replay_hours

from .landed_before import TEN, Before, recreate_at
from .modelled import EIGHT, NINE, STAND_INS, Modelled, flight
from .published import publish_hour

pytestmark = pytest.mark.integration

REVISIONS = sorted(
    path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py")
)
NOW = datetime.fromisoformat("2025-07-20T10:59:30Z")
# What a migration does to rows that are there; a table that it makes is empty.
ADDED: dict[str, dict[str, dict[str, Any]]] = {
    "0003": {"landed_slices": {"acknowledged_by": None}},
}
TABLES = """
select relname from pg_class
where relnamespace = 'bronze'::regnamespace and relkind in ('r', 'p') and not relispartition
"""
# A replay lands under newer slices: what names them is another then.
EIGHT_OCLOCK = """
select to_jsonb(landed) - 'slice_id' as line from bronze.{} as landed
where log_hour = '2025-07-20 08:00Z' order by line
"""

Tables = dict[str, list[dict[str, Any]]]


@pytest.fixture(params=REVISIONS)
def before(
    request: pytest.FixtureRequest,
    parsed: Modelled,
    server_conninfo: str,
    kafka_bootstrap: str,
) -> Before:
    """The database of the models at an earlier migration, full."""
    recreate_at(make_conninfo(server_conninfo, dbname="models"), request.param)
    ensure_topics(kafka_bootstrap)
    before = Before(parsed.connection, kafka_bootstrap, request.param)
    before.fill()
    return before


def tables(connection: psycopg.Connection[Any]) -> Tables:
    """Return every row of every table of bronze, in order."""
    names = [name for (name,) in connection.execute(TABLES).fetchall()]
    return {name: rows(connection, f"select to_jsonb(t) from bronze.{name} as t") for name in names}


def rows(connection: psycopg.Connection[Any], query: str) -> list[Any]:
    found = [row for (row,) in connection.execute(query.encode()).fetchall()]
    return sorted(found, key=lambda row: json.dumps(row, sort_keys=True))


def upgraded(found: Tables, revision: str) -> Tables:
    """Return what the later migrations make of the rows, by what they say."""
    added: dict[str, dict[str, Any]] = {}
    for since, of_tables in ADDED.items():
        for name, columns in of_tables.items() if since > revision else ():
            added[name] = added.get(name, {}) | columns
    return {
        name: [row | added.get(name, {}) for row in of_table] for name, of_table in found.items()
    }


def test_an_upgrade_with_data_keeps_every_row_and_the_line_goes_on(
    before: Before, parsed: Modelled, server_conninfo: str
) -> None:
    conninfo = make_conninfo(server_conninfo, dbname="models")
    old = tables(before.connection)
    assert [name for name, found in old.items() if not found] == []
    assert migrate(conninfo) == [each for each in REVISIONS if each > before.revision]
    new = tables(before.connection)
    assert {name: new.pop(name) for name in old} == upgraded(old, before.revision)
    assert [name for name, found in new.items() if found] == []
    assert migrate(conninfo) == []

    the_line_goes_on(before, parsed, conninfo)


def the_line_goes_on(before: Before, parsed: Modelled, conninfo: str) -> None:
    """Land a new hour behind the old ledger, replay an old one, and answer all three."""
    eight = [parsed.rows(EIGHT_OCLOCK.format(name)) for name in ("raw_flights", "raw_polls")]
    [newest] = parsed.rows("select max(slice_id) from bronze.landed_slices")[0]
    publish_hour(before.bootstrap, TEN)
    with connect(conninfo) as connection:
        for target, count in ((RAW_FLIGHTS, 5), (RAW_POLLS, 1)):
            with Reader(before.bootstrap, target.topic) as reader:
                asked = {"now": NOW, "run_id": "after"}
                hours = {"first_hour": TEN, "last_hour": TEN}
                landed = land_waiting(target, reader, connection, **hours, **asked)
                assert [(each.hour, each.row_count) for each in landed] == [(TEN, count)]
                hours = {"first_hour": EIGHT, "last_hour": EIGHT}
                replay_hours(target, reader, connection, **hours, **asked)
    replayed = [parsed.rows(EIGHT_OCLOCK.format(name)) for name in ("raw_flights", "raw_polls")]
    assert replayed == eight
    slices = parsed.rows(f"select 1 from bronze.landed_slices where slice_id > {newest}")
    assert len(slices) == 4

    parsed.connection.execute(STAND_INS)
    assert parsed.build(EIGHT, 3).success
    answered = parsed.rows("select as_of_hour from gold.answered_hours order by 1")
    assert answered == [(EIGHT,), (NINE,), (TEN,)]
    assert parsed.rows("select count(*) from gold.stale_hours") == [(0,)]
    active = "select as_of_hour, flight_id from silver.flight_states where is_active order by 1, 2"
    assert parsed.rows(active) == [(hour, each) for hour in (EIGHT, NINE, TEN) for each in "abd"]


def test_a_model_with_a_new_column_gets_it_and_older_hours_keep_their_rows(
    modelled: Modelled,
) -> None:
    for hour in (EIGHT, NINE):
        seen = hour + timedelta(minutes=59)
        modelled.land([flight("unknown", seen, airline_icao="XXX")])
        modelled.land_poll(seen, seen + timedelta(seconds=20))
    assert modelled.build(EIGHT).success
    modelled.connection.execute("alter table silver.unmatched_codes drop column flight_count")
    old = modelled.rows("select as_of_hour, kind, code from silver.unmatched_codes order by 2, 3")
    assert old
    of_eight = f"from silver.unmatched_codes where as_of_hour = '{EIGHT}' order by 2, 3"

    assert modelled.build(NINE).success
    found = modelled.rows(f"select as_of_hour, kind, code, flight_count {of_eight}")
    assert found == [(*row, None) for row in old]
    assert modelled.build(EIGHT).success
    found = modelled.rows(f"select as_of_hour, kind, code, flight_count {of_eight}")
    assert found == [(*row, 1) for row in old]
