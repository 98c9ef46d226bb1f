"""A retry of rejected messages is killed again and again; every message is there once."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from flight_assets.warehouse import claims
from kafka_sensors.landing import Limits
from tests.landing_topic import EIGHT, NINE, Topic, seconds

pytestmark = [pytest.mark.integration, pytest.mark.faults]

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10
MESSAGES = 15_000
A_SLICE = 30  # so that there are more slices than the killed retries can land
LONGEST_LIFE_S = 0.15  # after the first slice


@pytest.fixture
def topic(kafka_bootstrap: str, database: str) -> Iterator[Topic]:
    topic = Topic(kafka_bootstrap, database)
    yield topic
    topic.delete()


def worker(topic: Topic) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.faults.retry_worker", topic.name, topic.database],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def kill_at_work(topic: Topic, *, after_s: float) -> int:
    """Kill a retry so long after its first slice; return how many messages it said it landed."""
    with worker(topic) as process:
        assert process.stdout is not None
        said = [process.stdout.readline()]
        time.sleep(after_s)
        process.kill()
        said += process.stdout.readlines()
    assert process.returncode == -9
    return sum(int(line.split()[1]) for line in said if line.endswith("\n"))


def test_every_message_leaves_the_rejected_ones_once_however_often_a_retry_is_killed(
    topic: Topic,
) -> None:
    """Fault: `rejected retry` is killed at work, 10 times, at instants of all kinds.
    Promise: a message that decodes by now leaves `rejected_messages` for the table once.
    Seen: after each kill every message is in one of the two; at the end all are rows, each name
    once, and the ledger is one chain that counts what the tables hold.
    """
    values = [
        msgspec.json.encode({"read_at": seconds(EIGHT), "called": str(number)})
        for number in range(MESSAGES)
    ]
    topic.send(*values, at=EIGHT)
    topic.land(limits=Limits(messages=A_SLICE))
    instants, said = random.Random(11), 0
    for _ in range(KILLS):
        said += kill_at_work(topic, after_s=instants.uniform(0, LONGEST_LIFE_S))
        ((rows, rejected),) = topic.select(
            "select (select count(*) from bronze.readings), count(*) from bronze.rejected_messages"
        )
        assert rows + rejected == MESSAGES
        assert said <= rows < MESSAGES
    with worker(topic) as last:
        assert last.stdout is not None
        assert last.stdout.readlines()[-1] == "done\n"

    assert topic.select("select count(*), count(distinct name) from bronze.readings") == [
        (MESSAGES, MESSAGES)
    ]
    assert topic.select("select count(*) from bronze.rejected_messages") == [(0,)]
    assert topic.select(
        "select kind, sum(row_count)::int, sum(rejected_count)::int "
        "from bronze.landed_slices group by kind order by kind"
    ) == [("landed", 0, 0), ("retried", MESSAGES, 0)]
    asked = {"topic": topic.name, "first": EIGHT, "last": NINE, "run_id": "", "has_landed": False}
    assert topic.run(lambda _t, _r, c: c.execute(claims.BROKEN_CHAINS, asked).fetchall()) == []
    miscounted = claims.MISCOUNTED_SLICES.format(table="bronze.readings").encode()
    assert topic.run(lambda _t, _r, c: c.execute(miscounted, asked).fetchall()) == []
