"""A simulated day, three times: every hour's answers equal the oracle's, in whatever order built.

The real poller, Kafka, landing and models, on a stack of its own for each seed.
"""

import random
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from flight_assets.core.repairs import HourRange
from flight_assets.feed.client import FeedClient
from flight_assets.feed.rhythm import poll_once
from flight_assets.local import stack
from flight_assets.partitions import tags_for
from flight_assets.settings import PROJECT_ROOT, Settings
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld
from flight_assets.warehouse.connection import connect, conninfo
from tests import oracle

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

SEEDS = PROJECT_ROOT / "dbt_project" / "seeds"
HOUR = timedelta(hours=1)
HOURS = 24
FIRST = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 26 * HOUR
ONE_OF = 8  # of the world's aircraft: three days of all of them take half an hour
POLLS_AT = (timedelta(minutes=20), timedelta(minutes=50))
ANSWERS = """
select
    to_char(as_of_hour at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), question, scope, rank,
    subject, value, unit, flight_count, usable_ratio
from gold.answers
where as_of_hour = %s
"""
HASHED = {
    "silver.as_of_hours": "as_of_hour",
    "silver.flight_states": "as_of_hour",
    "silver.observed_fleets": "as_of_hour",
    "silver.unmatched_codes": "as_of_hour",
    "silver.flight_quarters": "quarter_at",
    "silver.flight_sessions": "flight_id",
    "silver.quality_quarters": "quarter_at",
    "gold.answers": "as_of_hour",
}


@dataclass(frozen=True)
class Day:
    """A day that was polled: where it landed, and what the source showed in each hour."""

    instance: dg.DagsterInstance
    warehouse: psycopg.Connection
    rows: dict[int, list[dict[str, Any]]]
    instants: dict[int, int]

    def hashes(self) -> dict[str, str]:
        """Return a hash of each table, without what names a slice."""
        found = {}
        for table, key in HASHED.items():
            rows = self.warehouse.execute(
                f"select md5(string_agg(line, '' order by line)) from ("
                f"  select md5((to_jsonb(t) - 'slice_id')::text) as line from {table} as t"
                f"  where {key} is not null) as lines"
            ).fetchone()
            assert rows is not None
            # the simulated world flies to places that are known: it may have no unmatched code
            assert rows[0] is not None or table == "silver.unmatched_codes", table
            found[table] = str(rows[0])
        return found


@pytest.fixture(params=[11, 12, 13])
def day(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Day]:
    home = Path(tempfile.mkdtemp(prefix="flight-assets-day-"))
    home.chmod(0o755)
    own = Settings(flight_assets_home=home, _env_file=None)
    try:
        for name, value in stack.up(own).environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FEED_SOURCE", "simulated")
        monkeypatch.setenv("FEED_REQUESTS_PER_MINUTE", "1000")
        world = SimulatedWorld(request.param, one_of=ONE_OF)
        with SimulatorServer(world) as server:
            monkeypatch.setenv("FEED_BASE_URL", server.base_url)
            rows, instants = poll_the_day(world)
        with (
            dg.DagsterInstance.get() as instance,
            connect(conninfo(Settings(_env_file=None)), autocommit=True) as warehouse,
        ):
            yield Day(instance, warehouse, rows, instants)
    finally:
        stack.down(Settings(flight_assets_home=home, _env_file=None))
        shutil.rmtree(home)


def poll_the_day(
    world: SimulatedWorld,
) -> tuple[dict[int, list[dict[str, Any]]], dict[int, int]]:
    """Poll twice an hour; return what the world showed and the as-of instant, by hour."""
    settings = Settings(_env_file=None)
    client = FeedClient.from_settings(settings)
    rows: dict[int, list[dict[str, Any]]] = {}
    instants: dict[int, int] = {}
    for number in range(HOURS):
        for offset in POLLS_AT:
            instant = int((FIRST + number * HOUR + offset).timestamp())
            world.frozen_at_s = instant
            poll = poll_once(settings, client=client)
            assert poll.observation_count == len(world.at(instant))
            hour = instant // 3600 * 3600
            instants[hour] = poll.ended_at
            rows.setdefault(hour, []).extend(shown(world, instant))
    return rows, instants


def shown(world: SimulatedWorld, instant: int) -> list[dict[str, Any]]:
    """Return the rows of the sky as the wire shows them, by FlightRadarAPI's names."""
    snapshot = world.at(instant)
    names = (
        *("time", "on_ground", "airline_icao", "aircraft_code", "origin_airport_iata"),
        *("destination_airport_iata", "ground_speed"),
    )
    columns = [snapshot.column(name).tolist() for name in names]
    return [
        {"id": flight_id, **dict(zip(names, values, strict=True))}
        for flight_id, *values in zip(snapshot.flight_ids.tolist(), *columns, strict=True)
    ]


def test_every_hour_equals_the_oracle_and_any_order_gives_the_same(day: Day) -> None:
    from flight_assets.commands.line import build_references, land_and_answer, run_job

    build_references(day.instance)
    runs = list(land_and_answer(day.instance))
    assert runs
    makers = day.warehouse.execute(
        "select type_code, manufacturer from silver.aircraft_types where manufacturer is not null"
    ).fetchall()
    references = oracle.published(SEEDS, dict(makers))
    for hour, instant in day.instants.items():
        expected = oracle.answers(day.rows[hour], {hour: instant}, references)
        got = {
            (*row[:5], Decimal(row[5]), *row[6:8], Decimal(row[8]))
            for row in day.warehouse.execute(ANSWERS, [datetime.fromtimestamp(hour, UTC)])
        }
        assert {row[1] for row in expected} == set(oracle.QUESTIONS)
        assert got == expected
    before = day.hashes()
    hours = [FIRST + number * HOUR for number in range(HOURS)]
    # some hours landed again from Kafka, one after the other; then all built again, late ones first
    shuffled = random.Random(7).sample(hours, 3)
    for hour in shuffled:
        run_job(day.instance, "land_and_answer_job", tags_for(HourRange(first=hour, last=hour)))
    for first in reversed(hours[::6]):
        hours_of_run = HourRange(first=first, last=first + 5 * HOUR)
        run_job(day.instance, "answer_hours_job", tags_for(hours_of_run))
    assert day.hashes() == before
    day.warehouse.execute("update gold.top_airlines set value = value + 1 where rank = 1")
    assert day.hashes() != before, "the hashes see a change"
