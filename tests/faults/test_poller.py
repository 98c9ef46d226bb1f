"""A poller that is killed, and a Kafka that is away: what is in the topics, and the next poll."""

import hashlib
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec
import psutil
import psycopg
import pytest

from flight_assets.assets.raw_flights import RAW_FLIGHTS, RAW_POLLS
from flight_assets.core.polls import Poll
from flight_assets.errors import FlightAssetsError
from flight_assets.feed import rhythm, topics
from flight_assets.feed.poller import Sweep, new_poll_id, sweep
from flight_assets.feed.producer import PollProducer
from flight_assets.feed.rhythm import poll_forever, remembered_tiling, tiles_path_of
from flight_assets.local.processes import wait_until
from flight_assets.settings import PROJECT_ROOT
from flight_assets.simulator.places import load_places
from flight_assets.simulator.server import SimulatorServer
from kafka_sensors.client import Reader
from kafka_sensors.landing import land_waiting
from tests.faults.feed_line import (
    INSTANT,
    Line,
    Published,
    SmallWorld,
    Tail,
    published_in,
    settings_of,
)
from tests.faults.own_kafka import OwnKafka, own_kafka
from tests.faults.poll_worker import EVERY, STEPS
from tests.integration.conftest import modelled, parsed  # noqa: F401 # fixtures
from tests.integration.modelled import Modelled

pytestmark = [pytest.mark.integration, pytest.mark.faults]

HOUR = datetime.fromtimestamp(INSTANT // 3600 * 3600, UTC)
LATER = INSTANT + 600  # in the same hour
AT_MOST_GROWN_BYTES = 150 << 20


@pytest.fixture(scope="module")
def broker() -> Iterator[OwnKafka]:
    with own_kafka() as running:
        yield running


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    with SimulatorServer(SmallWorld(seed=3, now_s=INSTANT)) as running:
        yield running


@pytest.fixture
def line(broker: OwnKafka, server: SimulatorServer, tmp_path: Path) -> Iterator[Line]:
    """A poller over a sky that stands still, and topics of its own."""
    server.world.frozen_at_s = INSTANT
    tail = Tail(broker.bootstrap)
    line = Line(server=server, tail=tail, settings=settings_of(broker.bootstrap, server, tmp_path))
    line.behave()
    yield line
    tail.close()
    broker.forget_topics()


def poll_and_die(line: Line, step: str) -> Published:
    """Poll in a process that is killed at a step; return what is in Kafka of it."""
    environment = {
        "FLIGHT_ASSETS_HOME": str(line.settings.home),
        "KAFKA_BOOTSTRAP_SERVERS": str(line.settings.kafka_bootstrap_servers),
        "FEED_BASE_URL": line.server.base_url,
        "FEED_SOURCE": "simulated",
    }
    worker = subprocess.run(
        [sys.executable, "-m", "tests.faults.poll_worker", step],
        env=os.environ | environment,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (worker.returncode, worker.stdout) == (-9, ""), worker.stderr
    return published(line)


def published(line: Line) -> Published:
    """Return what is in Kafka since the last look."""
    return published_in(line.tail.read())


# How many observations, and how many poll records, a poll killed at a step leaves in Kafka.
LEFT = {
    "a tile was asked for": (0, 0, 0, 0),
    "the first message is handed over": (0, 1, 0, 0),
    "a tenth is handed over": (0, EVERY // 10, 0, 0),
    "the first is acknowledged": (1, EVERY, 0, 0),
    "half is acknowledged": (EVERY // 2, EVERY, 0, 0),
    "all are acknowledged": (EVERY, EVERY, 0, 0),
    "the poll is handed over": (EVERY, EVERY, 0, 1),
    "the poll is acknowledged": (EVERY, EVERY, 1, 1),
}


def killed_at_every_step(line: Line) -> None:
    """Kill a poll at each step and let a whole one follow each; check what each left."""
    for step in STEPS:
        left = poll_and_die(line, step)
        least, most, least_polls, most_polls = LEFT[step]
        assert least <= len(left.observations) <= most, step
        assert least_polls <= len(left.polls) <= most_polls, step
        ids = [observation.flight_id for observation in left.observations]
        assert len(ids) == len(set(ids)), step
        line.expect_whole()


def world_references(modelled: Modelled) -> None:  # noqa: F811
    """Add the airports of the simulated sky to the stand-ins, each with its continent."""
    places = load_places()
    rows = zip(
        places.icao, places.iata, places.name, places.country, places.continent,
        places.lat_deg.tolist(), places.lon_deg.tolist(), strict=True,
    )  # fmt: skip
    insert = (
        "insert into silver.airports_history select %s, %s, %s, %s, %s, %s, %s "
        "where not exists (select from silver.airports_history where airport_icao = %s)"
    )
    with modelled.connection.cursor() as cursor:
        cursor.executemany(insert, [(*map(_plain, row), str(row[0])) for row in rows])


def _plain(value: object) -> object:
    return value if isinstance(value, float) else str(value)


def landed_and_answered(modelled: Modelled, broker: OwnKafka) -> dict[str, str]:  # noqa: F811
    """Land both topics, build the models, prove bronze; return a hash of silver and of gold."""
    modelled.reset()
    world_references(modelled)
    for target in (RAW_POLLS, RAW_FLIGHTS):
        with (
            Reader(broker.bootstrap, target.topic) as reader,
            psycopg.connect(modelled.connection.info.dsn, password=_password()) as connection,
        ):
            land_waiting(
                target, reader, connection, first_hour=HOUR, last_hour=HOUR,
                now=HOUR + timedelta(hours=1), run_id="run",
            )  # fmt: skip
            for partition in reader.partitions():
                expect_landed_once(modelled, target.topic, partition, reader)
    built = modelled.build(HOUR)
    assert built.success, built.exception
    queries = {
        "silver": "select flight_id, observed_at, lat_deg, lon_deg, altitude_ft, airline_icao "
        "from silver.flight_positions",
        "states": "select flight_id, observed_at, is_active from silver.flight_states",
        "gold": "select as_of_hour, question, scope, rank, subject, value, unit, flight_count "
        "from gold.answers",
    }
    return {name: rows_hash(modelled, query) for name, query in queries.items()}


def _password() -> str:
    return os.environ["POSTGRES_PASSWORD"]


def expect_landed_once(
    modelled: Modelled,  # noqa: F811
    topic: str,
    partition: int,
    reader: Reader,
) -> None:
    """Every message of a partition is in bronze exactly once, and the ledger has no gap."""
    table = "raw_polls" if topic == RAW_POLLS.topic else "raw_flights"
    high = reader.watermarks(partition).high
    counted = modelled.rows(
        "select count(*), count(distinct kafka_offset), coalesce(max(kafka_offset) + 1, 0) "
        f"from bronze.{table} where kafka_partition = {partition}"
    )
    assert counted == [(high, high, high)]
    chain = modelled.rows(
        "select start_offset, end_offset from bronze.landed_slices "
        f"where topic = '{topic}' and kafka_partition = {partition} order by 1"
    )
    ends = [0, *(end for _, end in chain)]
    assert [start for start, _ in chain] == ends[:-1]
    assert ends[-1] == high


def rows_hash(modelled: Modelled, query: str) -> str:  # noqa: F811
    rows = modelled.rows(f"select t::text from ({query}) as t order by 1")
    assert len(rows) > 20, query
    return hashlib.sha256(repr(rows).encode()).hexdigest()


def test_a_poller_that_is_killed_anywhere_leaves_gold_as_it_was(
    line: Line,
    broker: OwnKafka,
    modelled: Modelled,  # noqa: F811
) -> None:
    """
    Fault: the poller is killed with SIGKILL in the middle of a sweep, with messages handed over
        and none acknowledged, one, half and all of them acknowledged, and with the poll record
        handed over and acknowledged; in between the same sky is polled again, and one sweep is
        published twice.
    Promise: what Kafka acknowledged is in the topic; the poll record is there only where every
        observation is; the next poll starts by itself and is whole. Every message is in bronze
        once, silver keeps one of each observation, and gold is that of a poller that nobody
        disturbed.
    Seen: by the messages after each kill and after each next poll; by each partition's offsets in
        bronze and in the ledger; by hashes of silver and gold beside those of two quiet polls.
    """
    line.expect_whole()
    line.server.world.frozen_at_s = LATER
    line.expect_whole()
    undisturbed = landed_and_answered(modelled, broker)
    line.tail.close()
    broker.forget_topics()

    line.tail = Tail(broker.bootstrap)
    line.server.world.frozen_at_s = INSTANT
    killed_at_every_step(line)
    line.server.world.frozen_at_s = LATER
    twice = swept(line)
    for _ in range(2):
        PollProducer(broker.bootstrap).publish(twice)
    assert len(published(line).observations) == 2 * len(twice.observations)
    assert landed_and_answered(modelled, broker) == undisturbed


def swept(line: Line) -> Sweep:
    """Return one sweep of the sky, not published."""
    tiling = remembered_tiling(tiles_path_of(line.settings))
    return sweep(line.client, tiling, source="simulated")


def test_polls_while_kafka_is_away_fail_one_by_one_and_the_first_after_it_is_whole(
    line: Line,
    broker: OwnKafka,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """
    Fault: the only broker is stopped while the poller goes on in its rhythm, and started again
        after it has failed several times.
    Promise: each poll that fails is one line in the log, and the source is not asked for a sky
        that nobody can take; no sweep is kept in memory; the first poll after the broker is back
        is whole. A poll is claimed only where Kafka has all of it.
    Seen: by the log, by the requests that the source counted, and by both topics, whose polls are
        those that the poller claims, each whole.
    """
    monkeypatch.setattr(topics, "REQUEST_TIMEOUT_S", 1)
    hasty = partial(PollProducer, acknowledge_within_s=5)  # the stop may find a poll half published
    monkeypatch.setattr(rhythm, "PollProducer", hasty)
    claimed: list[Poll] = []
    stop = threading.Event()
    poller = threading.Thread(
        target=poll_forever,
        args=(line.settings, 0.3),
        kwargs={"on_poll": claimed.append, "stop": stop},
        daemon=True,
    )
    with caplog.at_level(logging.ERROR, logger="flight_assets.feed"):
        poller.start()
        assert wait_until(lambda: bool(claimed), timeout_s=120)
        broker.stop()
        assert wait_until(lambda: len(errors(caplog)) >= 2, timeout_s=200)
        requests, so_far = line.server.request_count, len(errors(caplog))
        assert wait_until(lambda: len(errors(caplog)) >= so_far + 3, timeout_s=200)
        assert line.server.request_count == requests
        before = len(claimed)
        broker.start()
        assert wait_until(lambda: len(claimed) > before + 1, timeout_s=200)
        stop.set()
        poller.join(timeout=200)
    assert not poller.is_alive()
    assert all("does not answer" in said for said in errors(caplog)[so_far:])
    assert all("\n" not in said for said in errors(caplog))
    expect_claimed_is_whole(published(line), claimed)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


def expect_claimed_is_whole(found: Published, claimed: list[Poll]) -> None:
    """Every poll that was claimed is recorded, and of every recorded one Kafka has all."""
    assert [poll.poll_id for poll in found.polls] == [poll.poll_id for poll in claimed]
    for poll in claimed:
        ids = [o.flight_id for o in found.observations if o.poll_id == poll.poll_id]
        assert len(ids) == len(set(ids)) == poll.observation_count == EVERY


def test_a_sweep_larger_than_the_queue_is_given_up_and_not_kept(
    line: Line, broker: OwnKafka
) -> None:
    """
    Fault: the broker is frozen (SIGSTOP), so that it takes bytes and answers nothing, while sweeps
        of 110,000 observations are published, more than the producer's queue of 100,000 holds;
        three times.
    Promise: each publication ends in its time with one line that says that Kafka takes no more or
        acknowledged none of it; what waits is dropped and not kept for later, memory does not grow
        from one to the next, no poll record appears, and when the broker answers again a poll is
        whole.
    Seen: by the error, by the resident memory of the process, and by both topics.
    """
    small = swept(line)
    producer = PollProducer(broker.bootstrap, acknowledge_within_s=5)
    producer.publish(small)
    line.expect_whole(published(line))
    process, resident = psutil.Process(), []
    with broker.frozen():
        for _ in range(3):
            # the queue is full, or by now the first of it have waited for too long
            with pytest.raises(FlightAssetsError, match=r"takes no more|: 0 of 110000 messages"):
                producer.publish(enlarged(small, 110_000))
            resident.append(process.memory_info().rss)
    assert resident[-1] - resident[0] < AT_MOST_GROWN_BYTES
    again = swept(line)
    PollProducer(broker.bootstrap).publish(again)
    found = published(line)
    assert [poll.poll_id for poll in found.polls] == [again.poll.poll_id]
    of_it = [o.flight_id for o in found.observations if o.poll_id == again.poll.poll_id]
    assert len(of_it) == len(set(of_it)) == EVERY
    # a batch that was under way when it was given up may have arrived; the queue has not
    assert len(found.observations) < EVERY + 110_000


def enlarged(small: Sweep, count: int) -> Sweep:
    """Return a sweep of so many observations under an id of its own."""
    poll_id = new_poll_id(small.poll.started_at)
    source = small.observations
    grown = [
        msgspec.structs.replace(
            source[number % len(source)], flight_id=f"f{number:07x}", poll_id=poll_id
        )
        for number in range(count)
    ]
    poll = msgspec.structs.replace(small.poll, poll_id=poll_id, observation_count=count)
    return Sweep(observations=grown, refused=[], poll=poll, tiling=small.tiling)
