"""Fixtures of the fault suite: servers of its own, that a test may end."""

from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient

from flight_assets.feed.topics import PARTITION_COUNTS, ensure_topics
from tests.faults.cluster import Cluster, running_cluster


@pytest.fixture(scope="session")
def _one_broker() -> Iterator[Cluster]:
    with running_cluster(1) as cluster:
        yield cluster


@pytest.fixture
def broker(_one_broker: Cluster) -> Cluster:
    """A real Apache Kafka of one node that runs; the test may end it."""
    if not _one_broker.is_running:
        _one_broker.start()
    return _one_broker


@pytest.fixture
def feed(broker: Cluster) -> Iterator[str]:
    """The address of that broker, with the feed's topics, which are empty."""
    ensure_topics(broker.bootstrap)
    yield broker.bootstrap
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for deleted in admin.delete_topics(list(PARTITION_COUNTS)).values():
        deleted.result()
