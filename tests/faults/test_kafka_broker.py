"""A broker that stops, is killed, stays away or refuses, under a landing and under a poll."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.producer import PollProducer
from kafka_sensors.errors import KafkaUnavailableError
from kafka_sensors.landing import Limits, SliceReport
from tests.faults.cluster import Cluster
from tests.faults.kafka_proofs import assert_landed_whole
from tests.faults.kafka_steps import PATIENT_S, Interrupted, Outage, land_feed, select
from tests.landing_topic import EIGHT, Topic
from tests.sweeps import a_sweep

pytestmark = [pytest.mark.integration, pytest.mark.faults]

COUNT = 12_000
SMALL = Limits(messages=500)


@pytest.fixture
def topic(broker: Cluster, database: str) -> Iterator[Topic]:
    topic = Topic(broker.bootstrap, database)
    topic.timeout_s = PATIENT_S
    yield topic
    topic.delete()


ENDINGS: dict[str, Callable[[Cluster], None]] = {"stopped": Cluster.stop, "killed": Cluster.kill}
each_ending = pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS.keys())


@each_ending
def test_a_landing_goes_on_when_the_broker_is_back(
    broker: Cluster, topic: Topic, end: Callable[[Cluster], None]
) -> None:
    """
    Fault: the only broker is stopped, or killed with SIGKILL, while a run reads; it comes back.
    Promise: the run waits and goes on by itself; every message lands once.
    Seen: the run ends well; most of its slices came after the broker was back; each offset is one
        row, and the ledger goes from 0 to the high watermark.
    """
    topic.send_readings(COUNT, at=EIGHT)
    outage = Outage(broker, end, at=3)
    topic.land(limits=SMALL, on_slice=outage)
    outage.wait()
    assert outage.calls_until_back < COUNT // SMALL.messages // 2 < outage.call_count
    assert assert_landed_whole(topic.target, topic.bootstrap, topic.database) == COUNT


def test_a_broker_that_stays_away_ends_the_run_and_the_next_one_goes_on(
    broker: Cluster, topic: Topic
) -> None:
    """
    Fault: the only broker is stopped while a run reads, and stays away for longer than the run
        waits.
    Promise: the run fails and names the brokers; the slices before stay, the next run continues.
    Seen: ``KafkaUnavailableError`` with the address; after the broker's start a second run ends
        well, and each offset is one row.
    """
    topic.send_readings(COUNT, at=EIGHT)
    slices: list[SliceReport] = []

    def stop_at_third(landed: SliceReport) -> None:
        slices.append(landed)
        if len(slices) == 3:
            broker.stop()

    topic.timeout_s = 2
    with pytest.raises(KafkaUnavailableError, match=broker.bootstrap):
        topic.land(limits=SMALL, on_slice=stop_at_third)
    broker.start()
    landed = sum(stop - start for _, start, stop in topic.ledger())
    assert 0 < landed == sum(each.row_count for each in slices) < COUNT
    topic.timeout_s = PATIENT_S
    topic.land()
    assert assert_landed_whole(topic.target, topic.bootstrap, topic.database) == COUNT


def test_a_broker_that_goes_as_a_run_ends_holds_it_no_longer_than_any_answer(
    broker: Cluster, topic: Topic, caplog: pytest.LogCaptureFixture
) -> None:
    """
    Fault: the only broker is killed with SIGKILL when a run has committed its last slice and has
        yet to tell Kafka's own tools how far it came.
    Promise: the run does not hang; it fails and names the brokers, not a topic that is missing. All
        that landed stays, and the next run lands nothing twice.
    Seen: the group's offsets are given up with a warning, then ``KafkaUnavailableError``; after the
        broker's start a run lands nothing, and each offset is one row.
    """
    topic.send_readings(1_000, at=EIGHT)

    def kill_at_last(landed: SliceReport) -> None:
        if landed.offsets.end == 1_000:
            broker.kill()

    topic.timeout_s = 3
    with pytest.raises(KafkaUnavailableError, match=broker.bootstrap):
        topic.land(limits=SMALL, on_slice=kill_at_last)
    assert "the group's offsets stay behind: " in caplog.text
    broker.start()
    topic.timeout_s = PATIENT_S
    assert topic.land() == []
    assert assert_landed_whole(topic.target, topic.bootstrap, topic.database) == 1_000


@each_ending
def test_a_poll_is_acknowledged_when_the_broker_is_back(
    broker: Cluster, feed: str, database: str, end: Callable[[Cluster], None]
) -> None:
    """
    Fault: the only broker is stopped, or killed with SIGKILL, in the middle of publishing a poll;
        it comes back within the minute that the poller waits for acknowledgements.
    Promise: the poll is acknowledged whole; each of its messages is in Kafka and in bronze once.
    Seen: ``publish`` returns; as many messages landed as were published, each flight once.
    """
    outage = Outage(broker, end, at=COUNT // 2)
    swept = a_sweep(COUNT, 5)
    producer = PollProducer(feed, acknowledge_within_s=PATIENT_S)
    producer.publish(replace(swept, observations=Interrupted(swept.observations, outage)))
    outage.wait()
    assert land_feed(feed, database) == (COUNT + 5, 1)
    assert select(
        database,
        "select count(distinct flight_id) from bronze.raw_flights union all "
        "select count(distinct key) from bronze.rejected_messages",
    ) == [(COUNT,), (5,)]


def test_a_broker_that_stays_away_fails_the_poll_and_the_next_one_goes_on(
    broker: Cluster, feed: str, database: str
) -> None:
    """
    Fault: the only broker is killed with SIGKILL in the middle of publishing a poll and stays away
        for longer than the poller waits for acknowledgements.
    Promise: the poll fails and says how many messages were acknowledged; no poll record is
        published, nothing arrives later, and the same producer's next poll is whole.
    Seen: ``FlightAssetsError`` with the counts; after the start at least the acknowledged messages
        of the first poll landed, each once, without a poll record; the next poll landed whole.
    """
    swept, next_sweep = a_sweep(COUNT), a_sweep(100)
    taken = iter(range(COUNT))

    def kill_half_way() -> None:
        if next(taken) == COUNT // 2:
            assert producer.flush(30) == 0
            broker.kill()

    publisher = PollProducer(feed, acknowledge_within_s=6)
    producer = publisher._producer
    counts = rf"{COUNT // 2} of {COUNT} messages to {POSITIONS_TOPIC} at {feed} acknowledged"
    with pytest.raises(FlightAssetsError, match=counts):
        publisher.publish(
            replace(swept, observations=Interrupted(swept.observations, kill_half_way))
        )
    broker.start()
    PollProducer(feed, acknowledge_within_s=PATIENT_S).publish(next_sweep)
    assert land_feed(feed, database) == (COUNT // 2 + 100, 1)
    assert select(database, "select poll_id from bronze.raw_polls") == [(next_sweep.poll.poll_id,)]
    assert select(
        database, "select count(*), count(distinct (poll_id, flight_id)) from bronze.raw_flights"
    ) == [(COUNT // 2 + 100, COUNT // 2 + 100)]
