"""What the tests of Kafka's faults do: outages, interrupted polls, landings of the feed."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import psycopg

from flight_assets.assets.raw_flights import RAW_FLIGHTS, RAW_POLLS
from flight_assets.core.observations import Observation
from kafka_sensors.client import Reader
from kafka_sensors.landing import Target, land_waiting
from tests.faults.cluster import Cluster
from tests.faults.kafka_proofs import assert_landed_whole
from tests.landing_topic import EIGHT, NINE, NOW

# In production a run waits 15 s for an answer; here as long as a busy machine needs to start a
# broker.
PATIENT_S = 120


class Outage:
    """Ends the brokers when it is called for the ``at``-th time, and has them started again."""

    def __init__(self, cluster: Cluster, end: Callable[[Cluster], None], *, at: int) -> None:
        self._cluster = cluster
        self._end = end
        self._at = at
        self._pool = ThreadPoolExecutor(1)
        self._back: Future[None] | None = None
        self.call_count = 0
        self.calls_until_back = 0

    def __call__(self, *_: object) -> None:
        self.call_count += 1
        if self.call_count == self._at:
            self._end(self._cluster)
            self._back = self._pool.submit(self._start)

    def _start(self) -> None:
        self._cluster.start()
        self.calls_until_back = self.call_count

    def wait(self) -> None:
        """Wait until the brokers are back; raises what kept them from it."""
        assert self._back is not None, f"{self.call_count} calls, none was the {self._at}th"
        self._back.result()
        self._pool.shutdown()


class Interrupted(list[Observation]):
    """Observations that do something to the world whenever the next one is taken."""

    def __init__(self, observations: Iterable[Observation], on_each: Callable[[], None]) -> None:
        super().__init__(observations)
        self._on_each = on_each

    def __iter__(self) -> Iterator[Observation]:
        for observation in super().__iter__():
            self._on_each()
            yield observation


def land_feed(bootstrap: str, database: str) -> tuple[int, int]:
    """Land both topics; assert that they landed whole and return how many messages each had."""
    for target in (RAW_POLLS, RAW_FLIGHTS):
        land(target, bootstrap, database)
    flights = assert_landed_whole(RAW_FLIGHTS, bootstrap, database)
    return flights, assert_landed_whole(RAW_POLLS, bootstrap, database)


def land(target: Target, bootstrap: str, database: str) -> None:
    with (
        Reader(bootstrap, target.topic, timeout_s=PATIENT_S) as reader,
        psycopg.connect(database) as connection,
    ):
        land_waiting(
            target, reader, connection, first_hour=EIGHT, last_hour=NINE, now=NOW, run_id="run"
        )


def select(database: str, query: str) -> list[tuple[object, ...]]:
    with closing(psycopg.connect(database)) as connection:
        return connection.execute(query).fetchall()
