"""Three brokers, one of them gone for a while as the poller goes on: nothing is lost."""

import json
import os
import time
from collections.abc import Iterator

import pytest

from .engine import Engine
from .proofs import TOPICS, assert_landed_exactly_once
from .stack import Stack, eventually, running

pytestmark = [pytest.mark.compose, pytest.mark.timeout(2400)]

# a minute by default; `COMPOSE_BROKER_GONE_S=600 make test-compose` takes ten
GONE_S = float(os.environ.get("COMPOSE_BROKER_GONE_S", "60"))
IN_SYNC = """
from confluent_kafka.admin import AdminClient
admin = AdminClient(servers)
found = admin.list_topics(timeout=20).topics
print(json.dumps({
    name: [[len(each.replicas), len(each.isrs)] for each in topic.partitions.values()]
    for name, topic in found.items()
}))
"""


@pytest.fixture(scope="module")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    place = tmp_path_factory.mktemp("project")
    with running(engine, place, profiles="simulator,cluster") as found:
        yield found


def in_sync(stack: Stack) -> set[tuple[int, int]]:
    """Return how many replicas, and how many of them in sync, our partitions have."""
    found = json.loads(stack.kafka(IN_SYNC))
    return {tuple(counts) for topic in TOPICS for counts in found[topic]}


def polls(stack: Stack) -> int:
    return int(stack.sql("select count(*) from bronze.raw_polls")[0][0])


def test_each_message_is_on_three_brokers(stack: Stack) -> None:
    assert eventually(lambda: in_sync(stack) == {(3, 3)}, within_s=60)


def test_a_broker_may_be_gone_and_landing_goes_on_without_a_loss(stack: Stack) -> None:
    assert eventually(lambda: polls(stack) > 0, within_s=300)
    stack.compose("stop", "--timeout", "0", "kafka-2")
    gone_at = time.monotonic()
    before = polls(stack)
    assert eventually(lambda: polls(stack) > before + 1, within_s=300)
    time.sleep(max(0.0, gone_at + GONE_S - time.monotonic()))
    meanwhile = polls(stack)
    assert in_sync(stack) == {(3, 2)}
    stack.compose("start", "kafka-2")
    assert eventually(lambda: in_sync(stack) == {(3, 3)}, within_s=180)
    assert eventually(lambda: polls(stack) > meanwhile + 1, within_s=300)
    stack.compose("stop", "poller")
    assert_landed_exactly_once(stack)
