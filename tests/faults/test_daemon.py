"""Dagster's own processes die, hang and are started again in the middle of a landing."""

import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import psutil
import psycopg
import pytest
from confluent_kafka import Producer

from flight_assets.commands.line import run_job
from flight_assets.core import observations, polls
from flight_assets.core.observations import POSITIONS_TOPIC, Observation
from flight_assets.core.polls import POLLS_TOPIC, Poll
from flight_assets.feed.topics import ensure_topics
from flight_assets.local import stack
from flight_assets.local.endpoints import Endpoints
from flight_assets.local.processes import ProcessRecord, record_of, spawn, stop, wait_until
from flight_assets.partitions import hours_of_run, tags_for
from flight_assets.settings import PROJECT_ROOT, Settings
from kafka_sensors.client import Reader
from tests.integration.modelled import RESET

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.timeout(1500)]

PATIENCE_S = 400  # a busy machine takes minutes to start Dagster and a run
FLIGHTS = 3_000
LANDING = "land_and_answer_job"
PID = re.compile(r"Started process for run \(pid: (\d+)\)")
LOCK = "lock table bronze.raw_flights in share mode"
# who waits for the lock that keeps a landing in the middle of its first slice
WAITING = """
select count(*) from pg_stat_activity
where wait_event_type = 'Lock' and application_name = 'flight-assets'
"""
LEDGER = """
select kafka_partition, min(start_offset), max(end_offset), sum(end_offset - start_offset)::bigint
from bronze.landed_slices where topic = %s group by 1
"""


class Daemon:
    """Dagster's daemon with the code server that it starts, and the runs that this one starts."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.environment = os.environ | endpoints.environment()
        self.log = endpoints.home / "logs" / "daemon.log"
        self.process: ProcessRecord | None = None

    def start(self) -> None:
        workspace = str(PROJECT_ROOT / "workspace.yaml")
        command = [sys.executable, "-m", "dagster._daemon", "run", "-w", workspace]
        self.process = spawn(command, log=self.log, env=self.environment)

    def kill(self, *, spared: set[int] = frozenset()) -> None:  # type: ignore[assignment]
        """Kill the daemon, its code server and its runs at once, but for the spared ones."""
        assert self.process is not None
        family = psutil.Process(self.process.pid).children(recursive=True)
        for pid in [self.process.pid, *(child.pid for child in family)]:
            if pid not in spared:
                os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: not self.process.is_alive(), timeout_s=30)

    def stop(self) -> None:
        if self.process is not None:
            stop(self.process)


class Line:
    """The stack with the daemon on it, and what a test asks of them."""

    def __init__(self, endpoints: Endpoints, instance: dg.DagsterInstance) -> None:
        self.endpoints, self.instance = endpoints, instance
        self.daemon = Daemon(endpoints)
        self.published = 0
        self.polls = 0

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self.endpoints.conninfo(), autocommit=True)

    def publish_poll(self) -> None:
        """Publish one poll's observations, each of a flight of its own, and the poll."""
        producer = Producer(
            {"bootstrap.servers": self.endpoints.kafka_bootstrap_servers, "acks": "all"}
        )
        now = int(time.time())
        self.polls += 1
        for number in range(self.published, self.published + FLIGHTS):
            value = observations.encode(observation(number, f"poll-{self.polls}", now))
            producer.produce(POSITIONS_TOPIC, key=str(number), value=value, timestamp=now * 1000)
        assert producer.flush(30) == 0
        self.published += FLIGHTS
        value = polls.encode(poll(f"poll-{self.polls}", now))
        producer.produce(POLLS_TOPIC, value=value, timestamp=now * 1000)
        assert producer.flush(30) == 0

    @contextmanager
    def caught_in_the_middle(self) -> Iterator[tuple[str, int]]:
        """Give the id and the process of a landing run that is within its first slice."""
        with psycopg.connect(self.endpoints.conninfo()) as blocker, self.connect() as watcher:
            blocker.execute(LOCK)
            self.publish_poll()
            assert wait_until(
                lambda: watcher.execute(WAITING).fetchone() != (0,), timeout_s=PATIENCE_S
            ), self.daemon.log.read_text()[-2000:]
            (run,) = self.unfinished()
            yield run.run_id, self.pid_of(run.run_id)

    def unfinished(self) -> list[dg.DagsterRun]:
        started = [dg.DagsterRunStatus.STARTED]
        return list(self.instance.get_runs(dg.RunsFilter(job_name=LANDING, statuses=started)))

    def pid_of(self, run_id: str) -> int:
        """Return the process of a run, as Dagster's events have it."""
        said = "\n".join(entry.message for entry in self.instance.all_logs(run_id))
        found = PID.search(said)
        assert found is not None, said
        return int(found[1])

    def has_failed(self, run_id: str) -> bool:
        run = self.instance.get_run_by_id(run_id)
        return run is not None and run.status == dg.DagsterRunStatus.FAILURE

    def why(self, run_id: str) -> str:
        """Return what the run's events say."""
        return "\n".join(entry.message for entry in self.instance.all_logs(run_id))

    def is_answered(self) -> bool:
        """Return whether all that was published is landed and answered, and no run is left."""
        with self.connect() as connection:
            landed = connection.execute("select count(*) from bronze.raw_flights").fetchone()
            answered = connection.execute(
                "select to_regclass('gold.stale_hours') is not null"
            ).fetchone()
            if landed != (self.published,) or answered != (True,):
                return False
            stale = connection.execute("select count(*) from gold.stale_hours").fetchone()
            polls = connection.execute("select count(*) from bronze.raw_polls").fetchone()
        return stale == (0,) and polls == (self.polls,) and not self.at_work()

    def at_work(self) -> int:
        """Return how many runs are queued or running."""
        unfinished = [
            dg.DagsterRunStatus.QUEUED,
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        ]
        return self.instance.get_runs_count(dg.RunsFilter(statuses=unfinished))

    def prove_once(self) -> None:
        """Assert that each message is there once, and that the ledger says so without a gap."""
        with self.connect() as connection:
            assert (
                connection.execute(
                    "select count(*), count(distinct flight_id), count(distinct kafka_offset * 6 + "
                    "kafka_partition) from bronze.raw_flights"
                ).fetchone()
                == (self.published,) * 3
            )
            assert (
                connection.execute(
                    "select count(*), count(distinct poll_id) from bronze.raw_polls"
                ).fetchone()
                == (self.polls,) * 2
            )
            assert connection.execute(
                "select count(*) from bronze.rejected_messages"
            ).fetchone() == (0,)
            for topic in (POSITIONS_TOPIC, POLLS_TOPIC):
                bootstrap = self.endpoints.kafka_bootstrap_servers
                with Reader(bootstrap, topic) as reader:
                    highs = {part: reader.watermarks(part).high for part in reader.partitions()}
                assert connection.execute(LEDGER, [topic]).fetchall() == [
                    (part, 0, high, high) for part, high in sorted(highs.items()) if high
                ]

    def prove_answers(self) -> None:
        """Assert that gold is what an undisturbed run gives over the same hours."""
        before = self.answers()
        last = self.instance.get_runs(dg.RunsFilter(job_name=LANDING), limit=1)[0]
        hours = hours_of_run(last.tags)
        assert hours is not None and before
        run_job(self.instance, "answer_hours_job", tags_for(hours))
        assert self.answers() == before

    def answers(self) -> list[tuple[object, ...]]:
        with self.connect() as connection:
            return connection.execute(
                "select to_jsonb(answers)::text from gold.answers order by 1"
            ).fetchall()


def observation(number: int, poll_id: str, now: int) -> Observation:
    return Observation(
        poll_id=poll_id, tile_id="0", flight_id=f"{number:08x}", observed_at=now - 30,
        lat_deg=50.0, lon_deg=8.0, heading_deg=90, altitude_ft=35_000, ground_speed_kt=450,
        vertical_speed_fpm=0, is_on_ground=False, icao24="3C0001", callsign="DLH1",
        flight_number="LH1", registration="D-AIXX", type_code="A359", airline_icao="DLH",
        origin_iata="FRA", destination_iata="JFK", squawk=None,
    )  # fmt: skip


def poll(poll_id: str, now: int) -> Poll:
    return Poll(
        poll_id=poll_id, source="simulated", started_at=now - 40, ended_at=now - 10,
        observation_count=FLIGHTS, refused_count=0, duplicate_count=0, full_count=FLIGHTS,
        request_count=1, tile_count=1, saturated_tile_ids=[], failed_tile_ids=[],
    )  # fmt: skip


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    """A stack of its own with the daemon on it. Monitoring looks more often than the product's."""
    home = Path(tempfile.mkdtemp(prefix="flight-assets-daemon-"))
    home.chmod(0o755)
    own = Settings(flight_assets_home=home, _env_file=None)
    with pytest.MonkeyPatch.context() as patch:
        try:
            endpoints = stack.up(own)
            for name, value in endpoints.environment().items():
                patch.setenv(name, value)
            ensure_topics(endpoints.kafka_bootstrap_servers)
            with psycopg.connect(endpoints.conninfo(), autocommit=True) as connection:
                connection.execute(RESET)  # stand-ins for the references
            hurry(home / "dagster" / "dagster.yaml")
            with dg.DagsterInstance.get() as instance:
                found = Line(endpoints, instance)
                found.daemon.start()
                yield found
                found.daemon.stop()
        finally:
            stack.down(own)
            shutil.rmtree(home)


def hurry(instance: Path) -> None:
    """Have run monitoring look every second; all else is the product's own."""
    product = instance.read_text()
    assert "poll_interval_seconds: 15" in product
    instance.write_text(product.replace("poll_interval_seconds: 15", "poll_interval_seconds: 1"))


def test_a_run_worker_that_vanishes_is_noticed_and_its_messages_are_landed(line: Line) -> None:
    """The process of a landing run is gone.

    Fault: SIGKILL of the run's process while its first slice is on its way to Postgres.
    Promise: Dagster marks the run as failed by itself; the sensor asks again, no message is lost or
    doubled, and the hour is answered.
    Seen: The run fails without the worker's word; every message is in bronze once, the ledger is
    one chain from 0 to the high watermark, nothing is stale, and gold is what another run gives.
    """
    with line.caught_in_the_middle() as (run_id, pid):
        os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: line.has_failed(run_id), timeout_s=PATIENCE_S)
    assert wait_until(line.is_answered, timeout_s=PATIENCE_S)
    line.prove_once()
    line.prove_answers()


@pytest.mark.parametrize("who", ["daemon and code server", "daemon, code server and run"])
def test_dagster_started_anew_in_the_middle_of_a_landing_goes_on(line: Line, who: str) -> None:
    """Dagster's daemon and code server are restarted, with or without the run that was at work.

    Fault: SIGKILL of the daemon, its code server and what runs are forked from while a landing is
    within its first slice, once sparing the run's process, once not; then the daemon is started
    again.
    Promise: The run does not seem to work for ever: it ends by itself, or monitoring marks it as
    failed on its next look; what waits is asked for again, nothing is lost or doubled.
    Seen: The run has ended and no other is left; every message is in bronze once, the ledger is one
    chain from 0 to the high watermark and nothing is stale.
    """
    with line.caught_in_the_middle() as (run_id, pid):
        orphan = record_of(pid) if who == "daemon and code server" else None
        line.daemon.kill(spared={pid} if orphan else set())
        line.daemon.start()
    assert wait_until(line.is_answered, timeout_s=PATIENCE_S)
    if orphan is None:
        assert line.has_failed(run_id)
        assert f"process {pid} of the run is gone" in line.why(run_id)
    else:
        assert wait_until(lambda: not orphan.is_alive(), timeout_s=PATIENCE_S)
    line.prove_once()


def test_a_run_that_hangs_is_ended_and_its_messages_are_landed(line: Line) -> None:
    """A landing run does nothing any more, and does not end.

    Fault: SIGSTOP of the run's process while its first slice is on its way to Postgres; the longest
    time of this run is set to 3 s instead of the product's 3600 s.
    Promise: Run monitoring ends the run and says why; the sensor asks again; while the hanging
    process keeps the ledger's lock, landing says which session has it; when that is ended, what
    waits is landed, nothing is lost or doubled.
    Seen: The run's last event names its longest time; every message is in bronze once, the ledger
    is one chain from 0 to the high watermark, nothing is stale, and gold is what another run gives.
    """
    with line.caught_in_the_middle() as (run_id, pid):
        os.kill(pid, signal.SIGSTOP)
        line.instance.add_run_tags(run_id, {"dagster/max_runtime": "3"})
        assert wait_until(lambda: line.has_failed(run_id), timeout_s=PATIENCE_S)
    assert "maximum runtime of 3 seconds" in line.why(run_id)
    assert wait_until(lambda: is_asked_for_again(line, run_id), timeout_s=PATIENCE_S)
    os.kill(pid, signal.SIGKILL)
    assert wait_until(line.is_answered, timeout_s=PATIENCE_S)
    line.prove_once()
    line.prove_answers()


def is_asked_for_again(line: Line, run_id: str) -> bool:
    """Return whether there is a landing run that is newer than this one."""
    newest = line.instance.get_runs(dg.RunsFilter(job_name=LANDING), limit=1)
    return newest[0].run_id != run_id
