"""One broker of three lost, then two: what ``acks=all`` and ``min.insync.replicas=2`` are worth."""

import threading
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient

from flight_assets.assets.raw_flights import RAW_FLIGHTS, RAW_POLLS
from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.producer import PollProducer
from flight_assets.feed.topics import PARTITION_COUNTS, ensure_topics
from flight_assets.local.processes import wait_until
from kafka_sensors.errors import KafkaUnavailableError
from tests.faults.cluster import PATIENCE_S, Cluster, Node, running_cluster
from tests.faults.kafka_steps import PATIENT_S, land, land_feed, select
from tests.sweeps import a_sweep

pytestmark = [pytest.mark.integration, pytest.mark.faults]

FLIGHTS = 2_000  # in a poll


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with running_cluster(3) as cluster:
        yield cluster


@pytest.fixture
def feed(cluster: Cluster) -> Iterator[str]:
    """The addresses of three brokers that run, with the feed's topics, empty and replicated."""
    if not cluster.is_running:
        cluster.start(*[node for node in cluster.nodes if node.process is None])
    ensure_topics(cluster.bootstrap)
    yield cluster.bootstrap
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
    for deleted in admin.delete_topics(list(PARTITION_COUNTS)).values():
        deleted.result()


class Poller(threading.Thread):
    """Publishes one poll after the other until it is told to stop; keeps those acknowledged."""

    def __init__(self, bootstrap: str) -> None:
        super().__init__(daemon=True)
        self._producer = PollProducer(bootstrap, acknowledge_within_s=PATIENT_S)
        self._is_over = threading.Event()
        self.poll_ids: list[str] = []
        self.failure: FlightAssetsError | None = None

    def run(self) -> None:
        while not self._is_over.is_set():
            swept = a_sweep(FLIGHTS)
            try:
                self._producer.publish(swept)
            except FlightAssetsError as failure:
                self.failure = failure
                return
            self.poll_ids.append(swept.poll.poll_id)
            self._is_over.wait(0.2)

    def wait_for(self, more: int) -> None:
        """Wait until so many more polls are acknowledged."""
        wanted = len(self.poll_ids) + more
        is_there = wait_until(
            lambda: len(self.poll_ids) >= wanted or self.failure is not None, timeout_s=PATIENCE_S
        )
        assert self.failure is None
        assert is_there, f"{len(self.poll_ids)} of {wanted} polls acknowledged"

    def end(self) -> None:
        """Finish the poll under way, and stop."""
        self._is_over.set()
        self.join()
        assert self.failure is None


def leaders(bootstrap: str) -> dict[int, set[int]]:
    """Return for each partition of ``flights.positions`` its leader's and its replicas' numbers."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    topic = admin.list_topics(POSITIONS_TOPIC, timeout=10).topics[POSITIONS_TOPIC]
    return {number: set(found.isrs) for number, found in topic.partitions.items()}


def wait_for_replicas(cluster: Cluster, *nodes: Node) -> None:
    """Wait until exactly these nodes hold every partition of ``flights.positions`` in sync."""
    numbers = {node.number for node in nodes}
    came = wait_until(
        lambda: all(held == numbers for held in leaders(cluster.bootstrap).values()),
        timeout_s=PATIENCE_S,
    )
    assert came, leaders(cluster.bootstrap)


def land_what_can(bootstrap: str, database: str) -> None:
    """Land both topics as runs do: one that fails for the brokers' sake is made good by another."""
    for target in (RAW_POLLS, RAW_FLIGHTS):
        try:
            land(target, bootstrap, database)
        except KafkaUnavailableError:
            continue


def test_a_broker_of_three_is_lost_and_neither_polls_nor_landing_stop(
    cluster: Cluster, feed: str, database: str
) -> None:
    """
    Fault: of three brokers one is killed with SIGKILL while polls are published (``acks=all``,
        ``min.insync.replicas=2``) and landed; it comes back, and another one is killed.
    Promise: no poll fails, landing goes on with two brokers, and every acknowledged message lands
        once, through every change of a partition's leader.
    Seen: polls are acknowledged and landed while each of the brokers is away; each flight of each
        acknowledged poll is one row, and both ledgers go from 0 to the high watermark.
    """
    first, second, third = cluster.nodes
    poller = Poller(feed)
    poller.start()
    poller.wait_for(2)
    for lost, others in ((third, (first, second)), (first, (second, third))):
        cluster.kill(lost)
        poller.wait_for(3)
        wait_for_replicas(cluster, *others)
        before = rows(database)
        land_what_can(feed, database)
        assert rows(database) > before
        cluster.start(lost)
        wait_for_replicas(cluster, *cluster.nodes)
        poller.wait_for(1)
    poller.end()

    polls = len(poller.poll_ids)
    assert land_feed(feed, database) == (FLIGHTS * polls, polls)
    assert landed_whole(database) == sorted(poller.poll_ids)


def rows(database: str) -> int:
    ((count,),) = select(database, "select count(*)::int from bronze.raw_flights")
    assert isinstance(count, int)
    return count


def landed_whole(database: str) -> list[object]:
    """Return the polls of which the record and each flight have landed exactly once, in order."""
    found = select(
        database,
        "select p.poll_id from bronze.raw_polls as p join bronze.raw_flights as f using (poll_id) "
        "group by p.poll_id having count(*) = min(p.observation_count) "
        "and count(distinct f.flight_id) = count(*) order by 1",
    )
    return [poll_id for (poll_id,) in found]


def test_with_two_brokers_of_three_lost_nothing_is_acknowledged(
    cluster: Cluster, feed: str, database: str
) -> None:
    """
    Fault: two of three brokers are killed with SIGKILL, one after the other, while the poller runs;
        then they come back.
    Promise: with one broker the producer acknowledges nothing and says so, a new one as well as one
        that was at work; no record of such a poll is published. Afterwards the same producer goes
        on, and what was acknowledged before and after lands once.
    Seen: ``FlightAssetsError`` with ``0 of 2000 messages``; the polls before and after are rows,
        each flight once; what the lost polls may have left in the log is there once, without a
        poll record.
    """
    first, second, third = cluster.nodes
    wait_for_replicas(cluster, *cluster.nodes)
    at_work = PollProducer(feed, acknowledge_within_s=10)
    before, lost, lost_too, after = (a_sweep(FLIGHTS) for _ in range(4))
    at_work.publish(before)
    cluster.kill(third)
    wait_for_replicas(cluster, first, second)
    cluster.kill(second)
    refused = rf"0 of {FLIGHTS} messages to {POSITIONS_TOPIC} .* acknowledged; no answer within"
    with pytest.raises(FlightAssetsError, match=refused):
        at_work.publish(lost)
    with pytest.raises(FlightAssetsError, match=refused):
        PollProducer(feed, acknowledge_within_s=2).publish(lost_too)

    cluster.start(second, third)
    wait_for_replicas(cluster, *cluster.nodes)
    at_work.publish(after)
    land_feed(feed, database)
    assert landed_whole(database) == sorted([before.poll.poll_id, after.poll.poll_id])
    assert select(database, "select count(*) from bronze.raw_polls") == [(2,)]
    assert select(
        database, "select count(*) = count(distinct (poll_id, flight_id)) from bronze.raw_flights"
    ) == [(True,)]
