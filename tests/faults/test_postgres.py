"""Postgres is stopped, restarted, killed, cut off, full or locked while messages land."""

import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from confluent_kafka import Producer
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from flight_assets.errors import FlightAssetsError
from flight_assets.local.postgres_user import give, server_user
from flight_assets.local.processes import wait_until
from flight_assets.resources import PostgresResource
from kafka_sensors.client import Reader
from kafka_sensors.copying import BlockWriter
from kafka_sensors.landing import LandedHour, Limits, SliceReport, land_waiting
from tests.faults.postgres_server import (
    Proxy,
    Server,
    new_database,
    resource,
    terminate_landing,
)
from tests.landing_topic import EIGHT, NINE, NOW, Reading, Topic, seconds

pytestmark = [pytest.mark.integration, pytest.mark.faults]

MESSAGES = 12_000
SLICE = Limits(messages=2_000)
ROOMY = "64m"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> str:
    """A new database on the module's server; it goes with the server."""
    return new_database(server.start(), f"d{abs(hash(request.node.name)):x}")


@pytest.fixture
def topic(kafka_bootstrap: str, database: str) -> Iterator[Topic]:
    topic = Topic(kafka_bootstrap, database, partitions=2)
    publish(topic, MESSAGES)
    yield topic
    topic.delete()


def publish(topic: Topic, count: int, *, first: int = 0) -> None:
    """Publish readings whose names count on, over both partitions."""
    producer = Producer({"bootstrap.servers": topic.bootstrap})
    for number in range(first, first + count):
        value = msgspec.json.encode(Reading(read_at=seconds(EIGHT), name=str(number)))
        producer.produce(topic.name, value, partition=number % 2, timestamp=seconds(EIGHT) * 1000)
        producer.poll(0)
    assert producer.flush(30) == 0


def land(
    topic: Topic,
    postgres: PostgresResource,
    *,
    on_slice: Callable[[SliceReport], None] | None = None,
) -> list[LandedHour]:
    """Land what waits by the connection that the product's runs have."""
    with Reader(topic.bootstrap, topic.name) as reader, postgres.connect() as connection:
        return land_waiting(
            topic.target,
            reader,
            connection,
            first_hour=EIGHT,
            last_hour=NINE,
            now=NOW,
            run_id="run",
            limits=SLICE,
            on_slice=on_slice,
        )


class DuringCopy:
    """Does something while the second slice is on its way to Postgres, between two blocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fault: Callable[[], None]) -> None:
        self.fault, self.landed, self.blocks = fault, list[int](), 0
        send = BlockWriter._send

        def disturbed_send(writer: BlockWriter) -> None:
            self.blocks += bool(self.landed)
            if self.blocks == 3:
                self.fault()
            send(writer)

        monkeypatch.setattr(BlockWriter, "BLOCK_BYTES", 8_192)
        monkeypatch.setattr(BlockWriter, "_send", disturbed_send)

    def on_slice(self, landed: SliceReport) -> None:
        self.landed.append(landed.slice_id)


def prove_once(topic: Topic, count: int = MESSAGES) -> None:
    """Assert that each message is there once, and that the ledger says so without a gap."""
    assert topic.select(
        "select count(*), count(distinct name), min(name::int), max(name::int) from bronze.readings"
    ) == [(count, count, 0, count - 1)]
    assert topic.select("select count(*) from bronze.rejected_messages") == [(0,)]
    assert topic.select("select sum(row_count)::int from bronze.landed_slices") == [(count,)]
    with Reader(topic.bootstrap, topic.name) as reader:
        for partition in (0, 1):
            chain = [(start, end) for part, start, end in topic.ledger() if part == partition]
            assert chain[0][0] == 0
            assert chain[-1][1] == reader.watermarks(partition).high
            assert all(before[1] == after[0] for before, after in pairwise(chain))


def slice_ids(topic: Topic) -> list[int]:
    return [row[0] for row in topic.select("select slice_id from bronze.landed_slices order by 1")]


@pytest.mark.parametrize("how", ["stop", "restart", "kill"])
def test_a_postgres_that_ends_during_copy_loses_and_doubles_nothing(
    how: str, topic: Topic, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres ends while a slice is copied.

    Fault: Postgres is stopped, restarted, or all its processes are killed by SIGKILL, between two
    blocks of a COPY.
    Promise: The run fails and says that the connection was lost and what to do; what it had
    committed is there after recovery, of the slice under way nothing; the next run lands the rest.
    Seen: Every published name is in bronze once, the ledger is one chain from 0 to the high
    watermark, and its first rows are exactly the slices that were reported before the fault.
    """
    disturbed = DuringCopy(monkeypatch, getattr(server, how))
    with pytest.raises(FlightAssetsError, match=r"was lost: .*call `flight-assets up`"):
        land(topic, resource(topic.database), on_slice=disturbed.on_slice)
    if how != "restart":
        with pytest.raises(FlightAssetsError, match="is it running\\? Call `flight-assets up`"):
            land(topic, resource(topic.database))
    server.start()
    assert slice_ids(topic) == disturbed.landed == disturbed.landed[:1]
    land(topic, resource(topic.database))
    prove_once(topic)


KILLS = 4


def test_a_postgres_that_is_killed_again_and_again_loses_and_doubles_nothing(
    topic: Topic, server: Server
) -> None:
    """Postgres is killed at random instants while messages land.

    Fault: All processes of Postgres are killed by SIGKILL, 4 times, each at a random instant after
    a first slice of 200 messages.
    Promise: What was reported as landed is there after recovery; nothing is lost or doubled.
    Seen: After each recovery every reported slice is in the ledger; in the end every published name
    is in bronze once and the ledger is one chain from 0 to the high watermark.
    """
    instants = random.Random(11)
    count = MESSAGES
    for _ in range(KILLS):
        publish(topic, 4_000, first=count)
        count += 4_000
        reported = killed_while_landing(topic, server, after_s=instants.uniform(0, 0.15))
        server.start()
        assert set(reported) <= set(slice_ids(topic))
    land(topic, resource(topic.database))
    prove_once(topic, count)


def killed_while_landing(topic: Topic, server: Server, *, after_s: float) -> list[int]:
    """Return the slices that were reported before the server was killed."""
    reported: list[int] = []
    has_begun = threading.Event()

    def on_slice(landed: SliceReport) -> None:
        reported.append(landed.slice_id)
        has_begun.set()

    def run() -> None:
        with (
            suppress(FlightAssetsError),
            Reader(topic.bootstrap, topic.name) as reader,
            resource(topic.database).connect() as connection,
        ):
            land_waiting(
                topic.target, reader, connection, first_hour=EIGHT, last_hour=NINE, now=NOW,
                run_id="run", limits=Limits(messages=200), on_slice=on_slice,
            )  # fmt: skip

    landing = threading.Thread(target=run, daemon=True)
    landing.start()
    assert has_begun.wait(60)
    time.sleep(after_s)
    server.kill()
    landing.join()
    return reported


def test_a_session_that_is_terminated_during_copy_costs_its_slice_alone(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An administrator ends the landing's session.

    Fault: `pg_terminate_backend` of the session that is copying.
    Promise: The run fails and says that the connection was lost; the next one goes on behind its
    last slice.
    Seen: The message; every published name is in bronze once and
    the ledger is one chain from 0 to the high watermark.
    """
    disturbed = DuringCopy(monkeypatch, lambda: terminate_landing(topic.database))
    with pytest.raises(FlightAssetsError, match=r"was lost: .*the next run goes on"):
        land(topic, resource(topic.database), on_slice=disturbed.on_slice)
    assert slice_ids(topic) == disturbed.landed == disturbed.landed[:1]
    land(topic, resource(topic.database))
    prove_once(topic)


@pytest.fixture
def proxy_to(topic: Topic) -> Iterator[Callable[..., Proxy]]:
    proxies: list[Proxy] = []

    def build(cut_at: Callable[[bytes], bool], *, after_answer: bool) -> Proxy:
        proxies.append(Proxy(topic.database, cut_at=cut_at, after_answer=after_answer))
        return proxies[-1]

    yield build
    for proxy in proxies:
        proxy.close()


def counted(word: bytes, nth: int) -> Callable[[bytes], bool]:
    """Return a condition that holds for the nth piece that a word is in."""
    seen = 0

    def is_it(data: bytes) -> bool:
        nonlocal seen
        seen += word in data
        return word in data and seen == nth

    return is_it


# The row of this name is in the second slice of partition 0, well behind its first block.
IN_THE_SECOND_COPY = b"6998"


def test_a_connection_that_is_reset_during_copy_costs_its_slice_alone(
    topic: Topic, proxy_to: Callable[..., Proxy]
) -> None:
    """The network drops the connection.

    Fault: A proxy between the run and Postgres resets both sides when a block of the second slice
    passes.
    Promise: The run fails and says that the connection was lost; its first slice stays, the next
    run goes on behind it.
    Seen: One slice is in the ledger after the fault; after the next run every published name is in
    bronze once and the ledger is one chain from 0 to the high watermark.
    """
    proxy = proxy_to(counted(IN_THE_SECOND_COPY, 1), after_answer=False)
    with pytest.raises(FlightAssetsError, match=r"to Postgres at 127.0.0.1:\d+ was lost"):
        land(topic, resource(proxy.conninfo))
    assert len(slice_ids(topic)) == 1
    land(topic, resource(topic.database))
    prove_once(topic)


def test_a_commit_whose_answer_is_lost_is_not_landed_again(
    topic: Topic, proxy_to: Callable[..., Proxy]
) -> None:
    """The run cannot know whether its slice is committed.

    Fault: A proxy lets a slice's COMMIT reach Postgres and drops the answer.
    Promise: The run fails; the ledger knows that the slice has landed, and the next run does not
    land it again.
    Seen: A slice more is in the ledger than was reported; after the next run every published name
    is in bronze once and the ledger is one chain from 0 to the high watermark.
    """
    is_copied: list[int] = []
    commits = counted(b"COMMIT", 1)
    proxy = proxy_to(lambda data: bool(is_copied) and commits(data), after_answer=True)
    with pytest.raises(FlightAssetsError, match="was lost"):
        land(topic, resource(proxy.conninfo), on_slice=lambda it: is_copied.append(it.slice_id))
    assert slice_ids(topic)[: len(is_copied)] == is_copied
    assert len(slice_ids(topic)) == len(is_copied) + 1
    land(topic, resource(topic.database))
    prove_once(topic)


def test_both_sides_notice_a_host_that_has_vanished(topic: Topic) -> None:
    """The run's host, or Postgres's, is gone without a word.

    Fault: A network that drops packets; shown by the settings that notice it, not by the fault.
    Promise: The connection breaks within about a minute on both sides, so that the transaction of a
    vanished run does not keep the ledger locked for the two hours that are usual.
    Seen: Keepalives of the client's socket and of the server's session.
    """
    with resource(topic.database).connect() as connection:
        assert connection.execute("show tcp_keepalives_idle").fetchone() == ("30",)
        parameters = connection.info.get_parameters()
    assert parameters["keepalives_idle"] == "30"
    assert parameters["keepalives_count"] == "3"


@pytest.fixture
def small_disk(server: Server, database: str) -> Iterator[Path]:
    """A disk of 1 MiB that new tables of the database go to."""
    disk = server.home / "small-disk"
    disk.mkdir()
    mount(disk, "-t", "tmpfs", "-o", "size=1m,mode=0755", "tmpfs")
    name = str(conninfo_to_dict(database)["dbname"])
    try:
        place = disk / "tables"
        place.mkdir(mode=0o700)
        give(place, server_user())
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(
                sql.SQL("create tablespace small location {}").format(sql.Literal(str(place)))
            )
            connection.execute(
                sql.SQL("alter database {} set default_tablespace to small").format(
                    sql.Identifier(name)
                )
            )
        yield disk
    finally:
        drop_with_tablespace(server, name)
        subprocess.run(["umount", str(disk)], check=True)


def mount(disk: Path, *options: str) -> None:
    """Mount, or skip where this user may not."""
    done = subprocess.run(["mount", *options, str(disk)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small disk: {done.stderr.strip()}")


def drop_with_tablespace(server: Server, database: str) -> None:
    admin = resource(f"{server.start()} dbname=postgres").conninfo()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(
            sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database))
        )
        connection.execute("drop tablespace if exists small")


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount, for a small disk")
def test_a_disk_that_is_full_stops_landing_until_there_is_room(
    small_disk: Path, topic: Topic
) -> None:
    """The disk of bronze is full.

    Fault: The day's tables lie on a disk of 1 MiB, which fills up during a COPY.
    Promise: The run fails and says that the disk is full and what to do; slices that fitted stay,
    the one that did not leaves nothing; with room again the next run lands the rest.
    Seen: The rows of bronze are those of the slices in the ledger; after the disk was enlarged
    every published name is in bronze once and the ledger is one chain from 0 to the high watermark.
    """
    for _ in range(2):  # and again, as the sensor would ask
        with pytest.raises(FlightAssetsError, match=r"is full: .*No space left.*make room there"):
            land(topic, resource(topic.database))
    [(landed, rows)] = topic.select(
        "select (select coalesce(sum(row_count), 0) from bronze.landed_slices)::int, "
        "(select count(*) from bronze.readings)"
    )
    assert landed == rows < MESSAGES
    assert rows > 0
    subprocess.run(["mount", "-o", f"remount,size={ROOMY}", str(small_disk)], check=True)
    land(topic, resource(topic.database))
    prove_once(topic)


LOCKS = {
    "the raw table": "lock table bronze.readings",
    "the ledger": "lock table bronze.landed_slices in exclusive mode",
    "another landing's slice": "select pg_advisory_xact_lock("
    "hashtextextended('kafka_sensors ledger bronze', 0))",
}


@pytest.mark.parametrize("what", LOCKS)
def test_a_lock_that_a_person_holds_is_named_and_landing_goes_on_afterwards(
    what: str, topic: Topic
) -> None:
    """Somebody has a transaction open that locks what landing writes.

    Fault: `lock table` on the raw table or on the ledger in an open transaction; a run that hangs
    within a slice, and so keeps the ledger's advisory lock.
    Promise: Landing waits for a bounded time (60 s; here 1 s), then fails and names the session,
    its user and program, what it holds and how to end it; it goes on by itself afterwards.
    Seen: The message; nothing is in bronze while the lock is held; when it is let go, every
    published name is in bronze once and the ledger is one chain from 0 to the high watermark.
    """
    with psycopg.connect(topic.database, application_name="psql") as person:
        person.execute(LOCKS[what].encode())
        held = "bronze.readings" if "raw" in what else "bronze.landed_slices|the ledger"
        words = (
            rf"waiting 1s: session {person.info.backend_pid} \(user \w+, program psql, since .*\) "
            rf"holds ({held}).*pg_terminate_backend\({person.info.backend_pid}\)"
        )
        with pytest.raises(FlightAssetsError, match=words):
            land(topic, resource(topic.database, lock_timeout_s=1))
        person.rollback()
    assert slice_ids(topic) == []
    assert topic.select("select count(*) from bronze.readings") == [(0,)]
    land(topic, resource(topic.database, lock_timeout_s=1))
    prove_once(topic)


def test_landing_waits_for_a_lock_that_is_soon_let_go(topic: Topic) -> None:
    """Somebody locks the raw table for a moment.

    Fault: `lock table` on the raw table, let go while landing waits.
    Promise: Landing waits and lands; nobody has to do anything.
    Seen: The same run lands every published name once.
    """
    with psycopg.connect(topic.database) as person:
        person.execute("lock table bronze.readings")
        asked = (topic, resource(topic.database))
        landing = threading.Thread(target=land, args=asked, daemon=True)
        landing.start()
        assert wait_until(lambda: is_waiting(topic.database), timeout_s=60)
    landing.join()
    prove_once(topic)


def is_waiting(database: str) -> bool:
    """Return whether a session of the database waits for a lock."""
    query = "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
    with psycopg.connect(database) as connection:
        row: Any = connection.execute(query).fetchone()
        return bool(row[0])
