"""Messages that are large, compressed in every way, or out of their time's order."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from flight_assets.core.observations import POSITIONS_TOPIC, RefusedRow
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.producer import PollProducer
from kafka_sensors.landing import Limits
from kafka_sensors.offsets import HOUR, floor_hour
from tests.faults.cluster import Cluster
from tests.faults.kafka_proofs import assert_landed_whole
from tests.faults.kafka_steps import land_feed, select
from tests.landing_topic import EIGHT, NINE, Reading, Topic, seconds
from tests.sweeps import a_sweep

pytestmark = [pytest.mark.integration, pytest.mark.faults]

MIB = 2**20
# As a record batch of the log numbers them: https://kafka.apache.org/documentation/#recordbatch
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
ATTRIBUTES_AT = 21  # of a batch, after offset, length, epoch, magic and checksum


@pytest.fixture
def wide_topic(broker: Cluster, database: str) -> Iterator[Topic]:
    topic = Topic(broker.bootstrap, database, partitions=len(CODECS))
    yield topic
    topic.delete()


@pytest.fixture
def topic(broker: Cluster, database: str) -> Iterator[Topic]:
    topic = Topic(broker.bootstrap, database)
    yield topic
    topic.delete()


def reading(name: str, at: datetime = EIGHT) -> bytes:
    return msgspec.json.encode(Reading(read_at=seconds(at), name=name))


def test_a_message_of_a_mebibyte_lands_or_is_rejected_and_blocks_nothing(topic: Topic) -> None:
    """
    Fault: another producer, allowed more than ours, sends messages of 1 MiB: one that keeps its
        contract, one that does not, with small ones between them.
    Promise: the first lands as a row, the second is rejected with all its bytes and the reason;
        what comes after them lands as ever.
    Seen: three rows, one of them a mebibyte long; one rejected message of the same length as sent,
        reason ``not_json``; the ledger goes to the end.
    """
    sent = [reading("before"), reading("x" * MIB), b"?" * MIB, reading("after")]
    for value in sent:
        topic.send(value, at=EIGHT, options={"message.max.bytes": 2 * MIB})
    topic.land()
    assert topic.select("select length(name) from bronze.readings order by kafka_offset") == [
        (6,), (MIB,), (5,)
    ]  # fmt: skip
    assert topic.select("select reason, value from bronze.rejected_messages") == [
        ("not_json", sent[2])
    ]
    assert assert_landed_whole(topic.target, topic.bootstrap, topic.database) == 4


def limit_messages(bootstrap: str, max_bytes: int) -> None:
    """Let the broker take no larger batch into ``flights.positions``."""
    entry = ConfigEntry(
        "max.message.bytes", str(max_bytes), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource("TOPIC", POSITIONS_TOPIC, incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for changed in admin.incremental_alter_configs([resource]).values():
        changed.result()


def test_a_message_that_the_broker_finds_too_large_fails_the_poll_not_the_next(
    feed: str, database: str
) -> None:
    """
    Fault: the broker takes less than the producer may send (``max.message.bytes`` of 100 kB), and
        one row of a poll is larger, also compressed.
    Promise: the poll fails at once with the broker's reason and the count; its record is not
        published, so nobody takes it for whole; the same producer's next poll is whole.
    Seen: ``FlightAssetsError`` names the size; all that Kafka acknowledged lands once, with the
        next poll's record and without the failed one's.
    """
    limit_messages(feed, 100_000)
    producer = PollProducer(feed)
    swept, next_sweep = a_sweep(1_000), a_sweep(1_000)
    row = RefusedRow(
        refused="?", poll_id=swept.poll.poll_id, tile_id="02", flight_id="3a",
        row=random.Random(7).randbytes(250_000).hex(),
    )  # fmt: skip
    with pytest.raises(FlightAssetsError, match=r"of 1001 messages .*[Mm]essage size too large"):
        producer.publish(replace(swept, refused=[row]))
    producer.publish(next_sweep)
    landed_count, poll_count = land_feed(feed, database)
    assert poll_count == 1
    assert select(
        database,
        "select poll_id, count(*) = count(distinct flight_id) from bronze.raw_flights "
        f"where poll_id = '{next_sweep.poll.poll_id}' group by 1 having count(*) = 1000",
    ) == [(next_sweep.poll.poll_id, True)]
    assert 1_000 <= landed_count <= 2_000


def test_every_kind_of_compression_lands_the_same(wide_topic: Topic, broker: Cluster) -> None:
    """
    Fault: producers compress in every way that Kafka knows: not at all, gzip, snappy, lz4, zstd.
    Promise: landing does not depend on it: the same messages give the same rows.
    Seen: the batches in the broker's log bear each codec's number; the rows of the five partitions
        are equal, and each offset is one row.
    """
    topic = wide_topic
    for partition, codec in enumerate(CODECS):
        values = [reading(f"tide {number}") for number in range(2_000)]
        topic.send(*values, at=EIGHT, partition=partition, options={"compression.type": codec})
    logs = [broker.nodes[0].place / "data" / f"{topic.name}-{part}" for part in range(len(CODECS))]
    for log, number in zip(logs, CODECS.values(), strict=True):
        # a batch that would not shrink, such as a last one of one message, goes uncompressed
        assert {number} <= codecs_in(log) <= {0, number}
    topic.land()
    assert topic.select(
        "select count(*), count(distinct rows) from (select kafka_partition, md5(string_agg("
        "row(kafka_offset, log_hour, read_at, name, level, marks)::text, ',' order by kafka_offset)"
        ") as rows from bronze.readings group by 1) as parts"
    ) == [(5, 1)]
    assert assert_landed_whole(topic.target, topic.bootstrap, topic.database) == 10_000


def codecs_in(log: Path) -> set[int]:
    """Return the compression codecs of the batches in a partition's directory."""
    found = set()
    for segment in log.glob("*.log"):
        content, at = segment.read_bytes(), 0
        while at < len(content):
            attributes = content[at + ATTRIBUTES_AT : at + ATTRIBUTES_AT + 2]
            found.add(int.from_bytes(attributes) & 0b111)
            at += 12 + int.from_bytes(content[at + 8 : at + 12])
    return found


def test_messages_out_of_time_order_keep_their_log_hour_and_their_event_hours(
    topic: Topic,
) -> None:
    """
    Fault: messages are in no order of time: their timestamps go forth and back over four hours, and
        the instants that they tell of do so independently.
    Promise: the log hour never goes back within a topic-partition; the event hours that a slice is
        said to touch are those of its rows, whatever their log hour.
    Seen: each row's log hour is the latest hour of the timestamps up to it; the ledger's event
        hours count exactly the rows of each hour, slice by slice, within their stretches.
    """
    chance = random.Random(7)
    first = EIGHT - 2 * HOUR
    span_s = int((NINE + timedelta(minutes=30) - first).total_seconds())
    # the clock goes forward on the whole, by two hours in 3,000 messages, and jumps back
    sent_at = [
        first + timedelta(seconds=max(0, number * span_s // 3_000 - chance.randrange(5_000)))
        for number in range(3_000)
    ]
    read_at = [first + timedelta(seconds=chance.randrange(span_s)) for _ in sent_at]
    producer = Producer({"bootstrap.servers": topic.bootstrap})
    for read, sent in zip(read_at, sent_at, strict=True):
        producer.produce(topic.name, reading("tide", read), timestamp=seconds(sent) * 1_000)
    assert producer.flush(30) == 0
    topic.land(first=first, limits=Limits(messages=250))

    hours, newest = [], first
    for at in sent_at:
        newest = max(newest, floor_hour(at))
        hours.append((newest,))
    assert len(set(hours)) == 4
    assert topic.select("select log_hour from bronze.readings order by kafka_offset") == hours
    counted = topic.select(
        "select event_hour, sum(e.row_count)::int from bronze.slice_event_hours as e group by 1"
    )
    assert dict(counted) == Counter(map(floor_hour, read_at))
    assert topic.select(
        "select count(*) from bronze.slice_event_hours as e where e.row_count <> ("
        "select count(*) from bronze.readings as r where r.slice_id = e.slice_id "
        "and r.read_at between e.first_event_at and e.last_event_at)"
    ) == [(0,)]
    assert assert_landed_whole(topic.target, topic.bootstrap, topic.database) == 3_000
