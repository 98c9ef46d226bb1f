"""Landing is killed again and again while messages flow; every message is there once."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from kafka_sensors.client import Reader
from tests.landing_topic import EIGHT, NINE, Reading, Topic, seconds

pytestmark = [pytest.mark.integration, pytest.mark.faults]

ROOT = Path(__file__).resolve().parents[2]
KILLS = 20
PARTITIONS = 3
BACKLOG = 150_000  # more than the killed workers can land, so that each is killed at work
PER_SECOND = 3_000
LONGEST_LIFE_S = 0.4  # after the first slice


class Publisher(threading.Thread):
    """Publishes a backlog, then a steady flow until it is told to stop. Names count from 0."""

    def __init__(self, topic: Topic) -> None:
        super().__init__(daemon=True)
        self.topic = topic
        self.producer = Producer({"bootstrap.servers": topic.bootstrap, "linger.ms": 20})
        self.is_over = threading.Event()
        self.published = 0
        self.publish(BACKLOG)

    def publish(self, count: int) -> None:
        for number in range(self.published, self.published + count):
            at_s = seconds(EIGHT) + number // 100
            self.producer.produce(
                self.topic.name,
                msgspec.json.encode(Reading(read_at=at_s, name=str(number))),
                partition=number % PARTITIONS,
                timestamp=at_s * 1000,
            )
            if number % 1000 == 0:
                self.producer.poll(0)
        self.published += count
        assert self.producer.flush(30) == 0

    def run(self) -> None:
        while not self.is_over.wait(0.1):
            self.publish(PER_SECOND // 10)


@pytest.fixture
def topic(kafka_bootstrap: str, database: str) -> Iterator[Topic]:
    topic = Topic(kafka_bootstrap, database, partitions=PARTITIONS)
    yield topic
    topic.delete()


def worker(topic: Topic) -> "subprocess.Popen[str]":
    module = [sys.executable, "-m", "tests.faults.landing_worker"]
    return subprocess.Popen(
        [*module, topic.bootstrap, topic.name, topic.database],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def kill_at_work(topic: Topic, *, after_s: float) -> list[str]:
    """Kill a worker so long after its first slice; return what it had said."""
    with worker(topic) as process:
        assert process.stdout is not None
        said = [process.stdout.readline()]
        time.sleep(after_s)
        process.kill()
        said += process.stdout.readlines()
    assert process.returncode == -9
    return [line.split()[0] for line in said if line.strip()]


def test_every_message_lands_once_however_often_landing_is_killed(topic: Topic) -> None:
    publisher = Publisher(topic)
    publisher.start()
    instants = random.Random(7)
    for _ in range(KILLS):
        said = kill_at_work(topic, after_s=instants.uniform(0, LONGEST_LIFE_S))
        assert said[0] == "landed"
        assert "done" not in said
    publisher.is_over.set()
    publisher.join()

    # ids that were drawn and never committed: transactions that a kill ended
    ((aborted,),) = topic.select(
        "select max(slice_id) - count(*) from bronze.landed_slices where run_id = 'worker'"
    )
    assert aborted > 0

    topic.land(first=EIGHT, last=NINE)
    assert topic.select(
        "select count(*), count(distinct name), min(name::int), max(name::int) from bronze.readings"
    ) == [(publisher.published, publisher.published, 0, publisher.published - 1)]
    assert topic.select("select count(*) from bronze.rejected_messages") == [(0,)]
    assert topic.select("select sum(row_count)::bigint from bronze.landed_slices") == [
        (publisher.published,)
    ]
    with Reader(topic.bootstrap, topic.name) as reader:
        for partition in range(PARTITIONS):
            chain = [(start, end) for part, start, end in topic.ledger() if part == partition]
            assert chain[0][0] == 0
            assert chain[-1][1] == reader.watermarks(partition).high
            assert all(before[1] == after[0] for before, after in pairwise(chain))
