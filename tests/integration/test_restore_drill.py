"""The drill: an old backup restored to a second beside the running stack, which it catches up with.

Whatever Kafka still holds, a restore cannot lose: landing goes on from the ledger that was
restored, and bronze, silver and gold become what they are where nothing was lost.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from flight_assets.backup.archive import seal
from flight_assets.backup.places import Places
from flight_assets.backup.restore import restore
from flight_assets.backup.take import back_up
from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.core.polls import POLLS_TOPIC
from flight_assets.feed.client import FeedClient
from flight_assets.feed.rhythm import poll_once
from flight_assets.local import stack
from flight_assets.settings import PROJECT_ROOT, Settings
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld
from flight_assets.warehouse.connection import connect, conninfo
from tests.apache_kafka import libs_or_skip
from tests.faults.proofs import assert_ledger_is_whole

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(900),
    pytest.mark.usefixtures("no_settings"),
]

HOUR = timedelta(hours=1)
NOW_HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
HOURS = [NOW_HOUR - number * HOUR for number in (4, 3, 2)]
ONE_OF = 12  # of the world's aircraft
LEDGER = "select * from bronze.landed_slices order by slice_id"
# What is of a run or of the slices that its messages came in, and not of the messages.
OF_RUNS = "{slice_id,through_slice_id,answered_at,run_id,landed_at,ingested_at}"
TABLES = """
select format('%I.%I', nspname, relname)
from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace
where nspname in ('bronze', 'silver', 'gold') and relkind in ('r', 'p') and not relispartition
order by 1
"""
HASH = """
select md5(coalesce(string_agg(line, e'\\n' order by line), ''))
from (select (to_jsonb(t) - %s::text[])::text as line from {table} as t) as lines
"""
# How messages were cut into slices, and runs took them, is not what they say.
NOT_COMPARED = {"bronze.landed_slices", "bronze.slice_event_hours", "silver.flight_progress"}


@dataclass(frozen=True)
class Line:
    """A stack that is up, with the feed behind it."""

    settings: Settings
    places: Places
    server: SimulatorServer

    def poll(self, hour: datetime) -> None:
        """Publish what the world showed in the middle of an hour."""
        self.server.world.frozen_at_s = int((hour + HOUR / 2).timestamp())
        poll_once(self.settings, client=FeedClient.from_settings(self.settings))

    def land(self) -> None:
        """Land and model what waits."""
        from flight_assets.commands.line import land_and_answer

        with dg.DagsterInstance.get() as instance:
            assert list(land_and_answer(instance))


@pytest.fixture
def place() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp(prefix="flight-assets-drill-"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)


@pytest.fixture
def line(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    libs_or_skip()
    own = Settings(flight_assets_home=place / "home", backup_dir=place / "backups", _env_file=None)
    try:
        for name, value in stack.up(own).environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FEED_SOURCE", "simulated")
        monkeypatch.setenv("FEED_REQUESTS_PER_MINUTE", "1000")
        with SimulatorServer(SimulatedWorld(3, one_of=ONE_OF)) as server:
            monkeypatch.setenv("FEED_BASE_URL", server.base_url)
            yield Line(Settings(_env_file=None), Places(place / "backups"), server)
    finally:
        stack.down(own)


def contents(database: str) -> dict[str, str]:
    """Return a hash of each table of bronze, silver and gold."""
    with connect(database, read_only=True) as connection:
        found = {}
        for (table,) in connection.execute(TABLES).fetchall():
            row = connection.execute(HASH.format(table=table), [OF_RUNS]).fetchone()
            found[table] = row[0] if row else ""
    return {table: found[table] for table in found if table not in NOT_COMPARED}


def rows(database: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database, autocommit=True) as connection:
        return connection.execute(query).fetchall()


def a_whole_second() -> datetime:
    """Return a second that is over."""
    second = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    time.sleep((second - datetime.now(UTC)).total_seconds() + 0.05)
    return second


def test_a_cluster_restored_to_a_second_catches_up_with_the_undisturbed_one(
    line: Line, place: Path
) -> None:
    from flight_assets.commands.line import build_references

    running = conninfo(line.settings)
    with dg.DagsterInstance.get() as instance:
        build_references(instance)
    line.poll(HOURS[0])
    line.land()
    back_up(line.places, running)
    line.poll(HOURS[1])
    line.land()
    ledger_then, contents_then = rows(running, LEDGER), contents(running)
    second = a_whole_second()
    line.poll(HOURS[2])
    line.land()
    assert len(rows(running, LEDGER)) > len(ledger_then), "more landed after the chosen second"
    with psycopg.connect(running, autocommit=True) as connection:
        seal(connection, line.places)

    restore(line.places, second, place / "restored")
    beside = Settings(
        flight_assets_home=place / "restored",
        postgres_host=None,
        dagster_postgres_user=None,
        dagster_postgres_password=None,
        kafka_bootstrap_servers=line.settings.kafka_bootstrap_servers,
        _env_file=None,
    )
    try:
        environment = stack.up(beside).environment()
        restored = conninfo(Settings.model_validate(environment))
        undisturbed = contents(running)
        assert rows(restored, LEDGER) == ledger_then
        assert contents(restored) == contents_then != undisturbed
        land_beside(environment)
        assert contents(restored) == undisturbed
        for topic in (POSITIONS_TOPIC, POLLS_TOPIC):
            assert_ledger_is_whole(restored, environment["KAFKA_BOOTSTRAP_SERVERS"], topic)
    finally:
        stack.down(beside)


def land_beside(environment: dict[str, str]) -> None:
    """Land and model what waits, in a process that knows nothing of the first stack."""
    code = (
        "import dagster as dg\n"
        "from flight_assets.commands.line import land_and_answer\n"
        "with dg.DagsterInstance.get() as instance:\n"
        "    assert list(land_and_answer(instance)), 'nothing waited'\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, cwd=PROJECT_ROOT, check=True
    )
