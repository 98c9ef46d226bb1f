"""What the reader makes of real brokers: offsets without messages, figures, refusals."""

import gc
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic, sleep

import msgspec
import psutil
import psycopg
import pytest
from confluent_kafka import Producer, TopicPartition

from flight_assets.local.processes import wait_until
from kafka_sensors.backlog import measure
from kafka_sensors.client import Reader
from kafka_sensors.errors import (
    ConnectionBusyError,
    KafkaUnavailableError,
    UnknownTopicError,
)
from kafka_sensors.landing import land_waiting
from tests.landing_topic import EIGHT, NINE, NOW, Reading, Topic, seconds

pytestmark = pytest.mark.integration


@pytest.fixture
def topic(kafka_bootstrap: str, database: str) -> Iterator[Topic]:
    topic = Topic(kafka_bootstrap, database)
    yield topic
    topic.delete()


@pytest.fixture
def wide_topic(kafka_bootstrap: str, database: str) -> Iterator[Topic]:
    topic = Topic(kafka_bootstrap, database, partitions=3)
    yield topic
    topic.delete()


def connections_to(address: str) -> int:
    port = int(address.rpartition(":")[2])
    found = psutil.Process().net_connections("tcp")
    return sum(each.status == "ESTABLISHED" and each.raddr.port == port for each in found)


def test_a_reader_that_is_closed_leaves_no_connection(topic: Topic) -> None:
    gc.disable()  # it would find them some time
    try:
        before = connections_to(topic.bootstrap)
        with Reader(topic.bootstrap, topic.name) as reader:
            reader.topic_id()
            assert connections_to(topic.bootstrap) > before
        assert wait_until(
            lambda: connections_to(topic.bootstrap) <= before, timeout_s=5, first_pause_s=0.1
        )
    finally:
        gc.enable()


def test_offsets_without_a_message_are_passed(topic: Topic) -> None:
    producer = Producer({"bootstrap.servers": topic.bootstrap, "transactional.id": topic.name})
    producer.init_transactions()
    value = msgspec.json.encode(Reading(read_at=seconds(EIGHT), name="tide"))
    for is_kept in (True, False, True, False):
        producer.begin_transaction()
        for _ in range(3):
            producer.produce(topic.name, value, timestamp=seconds(EIGHT) * 1000)
        producer.flush(20)  # or what is aborted never reaches the broker
        producer.commit_transaction() if is_kept else producer.abort_transaction()
    wait_for_end(topic, 16)
    (hour,) = topic.land()
    assert (hour.row_count, topic.ledger()) == (6, [(0, 0, 16)])
    assert topic.run(measure, now=NOW).offset_count == 0
    (again,) = topic.replay(EIGHT)
    assert again.row_count == 6
    producer.begin_transaction()
    producer.produce(topic.name, value)
    producer.flush(20)
    producer.abort_transaction()
    wait_for_end(topic, 18)
    (empty,) = topic.land()  # nothing but an aborted message and its marker
    assert (empty.hour, empty.row_count, topic.ledger()[-1]) == (NINE, 0, (0, 16, 18))


def wait_for_end(topic: Topic, offset: int) -> None:
    """Wait until the markers of a transaction are written, which is after its end returned."""
    with Reader(topic.bootstrap, topic.name) as reader:
        deadline = monotonic() + 20
        while reader.watermarks(0).high < offset:
            assert monotonic() < deadline
            sleep(0.05)


def test_what_waits_is_measured(wide_topic: Topic) -> None:
    topic = wide_topic
    backlog = topic.run(measure, now=NOW)
    assert (backlog.offset_count, backlog.oldest_at, backlog.newest_hour) == (0, None, None)
    topic.send_readings(4, at=EIGHT + timedelta(minutes=5), partition=0)
    topic.send_readings(3, at=NINE, partition=2)
    backlog = topic.run(measure, now=NOW)
    assert (backlog.offset_count, backlog.partition_count) == (7, 2)
    assert backlog.oldest_at == EIGHT + timedelta(minutes=5)
    assert backlog.newest_hour == NINE
    topic.land()
    topic.send_readings(1, at=EIGHT, partition=2)  # a clock that went back
    backlog = topic.run(measure, now=NOW)
    assert (backlog.oldest_at, backlog.newest_hour) == (NINE, NINE)


def test_the_group_shows_how_far_it_has_landed(topic: Topic) -> None:
    topic.send_readings(7, at=EIGHT)
    topic.land()
    with Reader(topic.bootstrap, topic.name) as reader:
        (position,) = reader._consumer.committed([TopicPartition(topic.name, 0)], timeout=10)
    assert position.offset == 7


def test_a_topic_that_is_not_there_is_named(topic: Topic) -> None:
    with (
        Reader(topic.bootstrap, "nowhere") as reader,
        psycopg.connect(topic.database) as connection,
        pytest.raises(UnknownTopicError, match="no topic nowhere"),
    ):
        measure(topic.target, reader, connection, now=NOW)


def test_brokers_that_are_away_are_named() -> None:
    with (
        Reader("127.0.0.1:1", "readings", timeout_s=1) as reader,
        pytest.raises(KafkaUnavailableError, match=r"127\.0\.0\.1:1"),
    ):
        reader.partitions()


def test_a_connection_inside_a_transaction_is_refused(topic: Topic) -> None:
    with Reader(topic.bootstrap, topic.name) as reader, psycopg.connect(topic.database) as c:
        c.execute("select 1")
        with pytest.raises(ConnectionBusyError):
            land_waiting(
                topic.target, reader, c, first_hour=EIGHT, last_hour=NINE, now=NOW, run_id="run"
            )
