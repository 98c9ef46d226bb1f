"""Sweeps on their way to a real Kafka: every message there, keyed, timed, and none behind a lie."""

import socket
import uuid
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from flight_assets.core import observations, polls
from flight_assets.core.observations import POSITIONS_TOPIC, RefusedRow
from flight_assets.core.polls import POLLS_TOPIC
from flight_assets.core.tiling import first_tiling
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.producer import PollProducer
from flight_assets.feed.rhythm import poll_once, remembered_tiling
from flight_assets.feed.topics import PARTITION_COUNTS, ensure_topics
from flight_assets.settings import Settings
from flight_assets.simulator.faults import Fault, FaultPlan
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld
from tests.sweeps import STARTED_AT, a_sweep

pytestmark = pytest.mark.integration


def messages_of(bootstrap_servers: str, topic: str, poll_id: str) -> list[Message]:
    """Return the messages of a poll in a topic, read up to its present end."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": uuid.uuid4().hex,
            "enable.auto.commit": False,
        }
    )
    partitions = [TopicPartition(topic, n, 0) for n in range(PARTITION_COUNTS[topic])]
    waiting = sum(consumer.get_watermark_offsets(partition)[1] for partition in partitions)
    consumer.assign(partitions)
    found: list[Message] = []
    while waiting > 0:
        batch = consumer.consume(min(waiting, 5_000), timeout=10)
        assert batch, f"{waiting} messages of {topic} do not come"
        waiting -= len(batch)
        found += [m for m in batch if dict(m.headers() or [])["poll_id"] == poll_id.encode()]
    consumer.close()
    return found


@pytest.fixture
def bootstrap(kafka_bootstrap: str) -> str:
    ensure_topics(kafka_bootstrap)
    return kafka_bootstrap


def test_topics_have_their_partitions_and_an_existing_one_stays(bootstrap: str) -> None:
    ensure_topics(bootstrap)
    topics = AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics
    assert {name: len(topics[name].partitions) for name in PARTITION_COUNTS} == PARTITION_COUNTS


def test_a_sweep_arrives_whole_keyed_and_timed_by_its_source(bootstrap: str) -> None:
    sweep = a_sweep(12_000, 5)
    PollProducer(bootstrap).publish(sweep)

    found = messages_of(bootstrap, POSITIONS_TOPIC, sweep.poll.poll_id)
    assert len(found) == 12_005
    assert {message.timestamp()[1] for message in found} == {STARTED_AT * 1000}
    headers = {"poll_id": sweep.poll.poll_id, "tile_id": "02", "contract": "flights.positions/1"}
    assert dict(found[0].headers()) == {name: text.encode() for name, text in headers.items()}

    published = Counter(observations.encode(r) for r in (*sweep.observations, *sweep.refused))
    assert Counter(message.value() for message in found) == published
    for message in found:
        assert message.key() == _flight_id(message).encode()
    partitions_of: dict[bytes, set[int]] = {}
    for message in found:
        partitions_of.setdefault(message.key(), set()).add(message.partition())
    assert {len(partitions) for partitions in partitions_of.values()} == {1}
    assert set().union(*partitions_of.values()) == set(range(6))


def _flight_id(message: Message) -> str:
    if b'"refused"' in message.value():
        return message.value().split(b'"flight_id":"')[1].split(b'"')[0].decode()
    return observations.decode(message.value()).flight_id


def test_the_poll_record_follows_its_observations(bootstrap: str) -> None:
    sweep = a_sweep(3, 0)
    PollProducer(bootstrap).publish(sweep)
    (message,) = messages_of(bootstrap, POLLS_TOPIC, sweep.poll.poll_id)
    assert polls.decode(message.value()) == sweep.poll
    assert message.key() == sweep.poll.poll_id.encode()
    assert message.timestamp()[1] == STARTED_AT * 1000


def test_one_poll_goes_from_the_source_to_kafka_and_remembers_its_tree(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    world = SimulatedWorld(seed=5, now_s=STARTED_AT)
    with SimulatorServer(world) as server:
        server.plan = FaultPlan([Fault("wrong_types", probability=1, share=0.01)])
        settings = Settings(
            flight_assets_home=tmp_path,
            kafka_bootstrap_servers=kafka_bootstrap,
            feed_base_url=server.base_url,
            feed_source="simulated",
            _env_file=None,
        )
        poll = poll_once(settings)
    assert poll.observation_count > 10_000
    assert poll.refused_count > 0
    found = messages_of(kafka_bootstrap, POSITIONS_TOPIC, poll.poll_id)
    assert len(found) == poll.observation_count + poll.refused_count
    assert {message.timestamp()[1] for message in found} == {STARTED_AT * 1000}
    (record,) = messages_of(kafka_bootstrap, POLLS_TOPIC, poll.poll_id)
    assert polls.decode(record.value()) == poll
    assert remembered_tiling(tmp_path / "tiles-simulated.json") != first_tiling()


def test_a_message_that_cannot_be_sent_fails_the_poll_and_hides_its_record(
    bootstrap: str,
) -> None:
    sweep = a_sweep(3, 0)
    poll_id = sweep.poll.poll_id
    row = RefusedRow(refused="?", poll_id=poll_id, tile_id="02", flight_id="3a", row="x" * 2**21)
    with pytest.raises(FlightAssetsError, match=r"message b'3a' cannot be sent: .*too large"):
        PollProducer(bootstrap).publish(replace(sweep, refused=[row]))
    assert messages_of(bootstrap, POLLS_TOPIC, poll_id) == []


def test_brokers_that_are_down_fail_the_poll_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        nowhere = f"127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(FlightAssetsError, match=r"0 of 4 messages to flights\.positions") as failed:
        PollProducer(nowhere, acknowledge_within_s=1).publish(a_sweep(3, 1))
    assert "\n" not in str(failed.value)
    with pytest.raises(FlightAssetsError, match=f"Kafka at {nowhere} does not answer"):
        ensure_topics(nowhere)


def test_a_cluster_without_administration_is_used_as_it_is(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    brokers = cluster.list_topics(timeout=10).brokers.values()
    address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    ensure_topics(address)
    assert "flights.positions: this cluster chooses the partitions itself: 4, not 6" in caplog.text
    PollProducer(address).publish(a_sweep(50, 1))
