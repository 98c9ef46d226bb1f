"""A log that is no longer what the ledger followed: cut by retention, made again, widened."""

import time
from collections.abc import Iterator

import dagster as dg
import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourceType,
)
from psycopg.conninfo import conninfo_to_dict

from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.feed.producer import PollProducer
from flight_assets.resources import KafkaResource, PostgresResource
from kafka_sensors.backlog import measure
from kafka_sensors.client import Reader
from kafka_sensors.errors import (
    HoleError,
    OffsetsGoneError,
    TopicRecreatedError,
    UnknownTopicError,
)
from kafka_sensors.holes import acknowledge
from kafka_sensors.landing import Limits, SliceReport
from kafka_sensors.offsets import LAST_OFFSET, OffsetRange
from kafka_sensors.sensors import build_landing_sensor
from tests.faults.cluster import PATIENCE_S, Cluster
from tests.faults.kafka_proofs import assert_landed_whole
from tests.faults.kafka_steps import PATIENT_S, land_feed, select
from tests.landing_topic import EIGHT, NINE, NOW, Topic
from tests.sweeps import a_sweep

pytestmark = [pytest.mark.integration, pytest.mark.faults]

HOURS = dg.HourlyPartitionsDefinition(start_date="2025-01-01-00:00", end_offset=1)
COUNT = 40_000  # of LARGE bytes: more than a reader fetches ahead
LARGE = 1_000
CHAIN = "select kind, start_offset, end_offset, note from bronze.landed_slices order by slice_id"


@pytest.fixture
def topic(broker: Cluster, database: str) -> Iterator[Topic]:
    topic = Topic(broker.bootstrap, database)
    topic.timeout_s = PATIENT_S
    yield topic
    topic.delete()


def set_retention_ms(topic: Topic, retention_ms: int) -> None:
    entry = ConfigEntry(
        "retention.ms", str(retention_ms), incremental_operation=AlterConfigOpType.SET
    )
    resource = ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=[entry])
    for changed in topic.admin.incremental_alter_configs([resource]).values():
        changed.result()


def wait_for_low(topic: Topic, offset: int) -> None:
    """Wait until the broker has deleted what is before an offset."""
    give_up_at = time.monotonic() + PATIENCE_S
    with Reader(topic.bootstrap, topic.name) as reader:
        while reader.watermarks(0).low < offset:
            assert time.monotonic() < give_up_at, "the broker deletes nothing"
            time.sleep(0.1)


def make_again(topic: Topic) -> None:
    """Delete the topic and create it by the same name, as soon as the broker lets it."""
    topic.delete()
    topic.create()


def add_partitions(admin: AdminClient, name: str, count: int) -> None:
    """Let a topic have so many partitions, and wait until the broker says so."""
    admin.create_partitions([NewPartitions(name, count)])[name].result()
    give_up_at = time.monotonic() + PATIENCE_S
    while len(admin.list_topics(name, timeout=10).topics[name].partitions) < count:
        assert time.monotonic() < give_up_at, f"{name} has no {count} partitions"


def tick(topic: Topic) -> str:
    """Return the first and the last hour that the landing sensor asks for, or why it does not."""

    @dg.asset(partitions_def=HOURS, backfill_policy=dg.BackfillPolicy.single_run())
    def readings() -> None:
        """One row per reading."""

    job = dg.define_asset_job("landing_job", selection=[readings])
    sensor = build_landing_sensor(
        name="readings_sensor", targets=[topic.target], job=job, partitions_def=HOURS
    )
    resources = {
        "kafka": KafkaResource(bootstrap_servers=topic.bootstrap),
        "postgres": PostgresResource(**postgres_fields(topic.database)),
    }
    with dg.DagsterInstance.ephemeral() as instance:
        definitions = dg.Definitions([readings], jobs=[job], sensors=[sensor], resources=resources)
        context = dg.build_sensor_context(
            instance=instance, resources=resources, definitions=definitions
        )
        outcome = sensor.evaluate_tick(context)
    asked = [request.partition_key or request.tags for request in outcome.run_requests or []]
    return str(asked) if asked else outcome.skip_message or ""


def postgres_fields(conninfo: str) -> dict[str, object]:
    fields = conninfo_to_dict(conninfo)
    return {
        **{name: fields[name] for name in ("host", "user", "password", "dbname")},
        "port": int(fields["port"]),
    }


def test_retention_that_overtakes_the_ledger_stops_landing_until_it_is_acknowledged(
    topic: Topic,
) -> None:
    """
    Fault: nothing lands for longer than the topic's retention; the broker deletes what waits.
    Promise: neither the sensor nor a run goes past it in silence: both fail and name the offsets
        that are gone. A person acknowledges them, the ledger keeps that, and landing goes on.
    Seen: after ``retention.ms`` of a second ``HoleError`` names ``[10, 20)``; acknowledged, the
        five messages behind land, and the ledger is landed, hole, landed without a gap.
    """
    topic.send_readings(10, at=EIGHT)
    topic.land()
    topic.send_readings(10, at=EIGHT)
    set_retention_ms(topic, 1_000)
    wait_for_low(topic, 20)
    set_retention_ms(topic, -1)
    topic.send_readings(5, at=NINE)

    for refuse in (topic.land, lambda: tick(topic)):
        with pytest.raises(HoleError, match=rf"{topic.name}/0: the offsets \[10, 20\) are gone"):
            refuse()
    (hole,) = topic.run(acknowledge, by="ada", reason="the disk was full")
    assert hole.offsets == OffsetRange(10, 20)
    assert "2025-07-20-09:00" in tick(topic)
    topic.land()
    assert topic.select(CHAIN) == [
        ("landed", 0, 10, None),
        ("hole", 10, 20, "ada: the disk was full"),
        ("landed", 20, 25, None),
    ]
    assert assert_landed_whole(topic.target, topic.bootstrap, topic.database) == 15


def test_retention_that_overtakes_a_run_ends_it_and_the_hole_is_exact(topic: Topic) -> None:
    """
    Fault: while a run reads, the broker deletes messages that the run has not come to.
    Promise: the run fails instead of going on behind the gap; what landed before stays, and the
        hole that is acknowledged is exactly what never landed.
    Seen: ``OffsetsGoneError``, then ``HoleError`` from the end of the ledger to the low watermark;
        rows and hole together are all messages that were sent.
    """
    send_large(topic, "old")
    kept_from = COUNT - 1_000

    def expire_at_second(landed: SliceReport) -> None:
        if landed.offsets.start == 0:
            topic.expire_before(kept_from)

    with pytest.raises(OffsetsGoneError):
        topic.land(limits=Limits(messages=500), on_slice=expire_at_second)
    landed_end = topic.ledger()[-1][2]
    with pytest.raises(HoleError, match=rf"\[{landed_end}, {kept_from}\) are gone"):
        topic.land()
    (hole,) = topic.run(acknowledge, by="ada", reason="the disk was full")
    assert hole.offsets == OffsetRange(landed_end, kept_from)
    topic.land()
    landed = assert_landed_whole(topic.target, topic.bootstrap, topic.database)
    assert landed + hole.offsets.length == COUNT


def send_large(topic: Topic, word: str, count: int = COUNT) -> None:
    """Send messages of a thousand bytes whose name begins with the word."""
    name = word.ljust(LARGE, ".")
    value = f'{{"read_at":{int(EIGHT.timestamp())},"name":"{name}"}}'.encode()
    topic.send(*[value] * count, at=EIGHT)


@pytest.mark.parametrize("count", [3, 10, 30], ids=["fewer", "as_many", "more"])
def test_a_topic_made_again_between_runs_is_not_taken_for_the_old_one(
    topic: Topic, count: int
) -> None:
    """
    Fault: after ten messages have landed the topic is deleted and made again by the same name; the
        new one has three, ten or thirty messages.
    Promise: its offsets are never taken for a continuation, also where its high watermark is beyond
        the ledger; a person acknowledges the loss, and the new topic lands from offset 0.
    Seen: the sensor and a run raise ``TopicRecreatedError``; acknowledged, the old chain is closed,
        every message of the new topic is one row, and the ten old rows are still there.
    """
    topic.send_readings(10, at=EIGHT)
    topic.land()
    make_again(topic)
    topic.send_readings(count, at=NINE)
    for refuse in (topic.land, lambda: tick(topic)):
        with pytest.raises(TopicRecreatedError, match="up to offset 10 of partition 0"):
            refuse()
    assert topic.select("select count(*) from bronze.readings") == [(10,)]
    (hole,) = topic.run(acknowledge, by="ada", reason="moved")
    assert hole.offsets == OffsetRange(10, LAST_OFFSET)
    topic.land()
    assert assert_landed_whole(topic.target, topic.bootstrap, topic.database) == count
    assert topic.select("select count(*) from bronze.readings") == [(10 + count,)]


def test_a_topic_made_again_while_a_run_reads_does_not_land_in_the_old_ones_place(
    topic: Topic,
) -> None:
    """
    Fault: while a run reads, the topic is deleted and made again; the new one soon has more
        messages than the old one had.
    Promise: the run ends; no message of the new topic lands at an offset of the old one. After the
        loss is acknowledged the new topic lands from offset 0.
    Seen: the run raises; all rows so far are of the old topic and in its chain; the next run raises
        ``TopicRecreatedError``; acknowledged, every new message is one row.
    """
    send_large(topic, "old")

    def replace_at_first(landed: SliceReport) -> None:
        if landed.offsets.start == 0:
            make_again(topic)
            send_large(topic, "new", COUNT + 1_000)

    with pytest.raises((TopicRecreatedError, UnknownTopicError)):
        topic.land(limits=Limits(messages=500), on_slice=replace_at_first)
    ((landed_count,),) = topic.select("select sum(row_count)::int from bronze.landed_slices")
    kept = "select left(name, 3), count(*) from bronze.readings group by 1 order by 1"
    assert topic.select(kept) == [("old", landed_count)]
    with pytest.raises(TopicRecreatedError):
        topic.land()
    topic.run(acknowledge, by="ada", reason="moved")
    topic.land()
    assert topic.select(kept) == [("new", COUNT + 1_000), ("old", landed_count)]
    assert assert_landed_whole(topic.target, topic.bootstrap, topic.database) == COUNT + 1_000


def test_a_deleted_topic_ends_the_run_that_reads_it(topic: Topic) -> None:
    """
    Fault: the topic is deleted while a run reads it.
    Promise: the run ends and names the topic that is missing; what landed stays.
    Seen: ``UnknownTopicError`` with the topic's name; the ledger counts the rows that are there.
    """
    send_large(topic, "old")
    with pytest.raises(UnknownTopicError, match=f"no topic {topic.name}"):
        topic.land(limits=Limits(messages=500), on_slice=lambda landed: delete_once(topic, landed))
    assert topic.select("select count(*) from bronze.readings") == topic.select(
        "select sum(row_count)::bigint from bronze.landed_slices"
    )
    topic.create()


def delete_once(topic: Topic, landed: SliceReport) -> None:
    if landed.offsets.start == 0:
        topic.delete()


def test_partitions_added_while_a_run_reads_land_from_their_first_message(topic: Topic) -> None:
    """
    Fault: partitions are added to the topic while a run reads it, and are written at once.
    Promise: the run lands what it began with; the next tick sees the new partitions and its run
        takes them from offset 0.
    Seen: the sensor asks for the hour of their messages; after its run each offset of all three
        partitions is one row, and each ledger chain begins at 0.
    """
    topic.send_readings(3_000, at=EIGHT)

    def widen_at_first(landed: SliceReport) -> None:
        if landed.offsets.start == 0:
            add_partitions(topic.admin, topic.name, 3)
            topic.send_readings(100, at=NINE, partition=1)
            topic.send_readings(200, at=NINE, partition=2)

    topic.land(limits=Limits(messages=500), on_slice=widen_at_first)
    backlog = topic.run(measure, now=NOW)
    assert (backlog.offset_count, backlog.partition_count) == (300, 2)
    assert "2025-07-20-09:00" in tick(topic)
    topic.land()
    assert assert_landed_whole(topic.target, topic.bootstrap, topic.database) == 3_300


def test_partitions_added_while_polls_go_on_lose_no_poll(feed: str, database: str) -> None:
    """
    Fault: partitions are added to ``flights.positions`` while pollers publish.
    Promise: no poll fails; a poller that knew the old partitions goes on, a new one writes to the
        new ones too; all of it lands.
    Seen: four polls are acknowledged, two before and two after; each flight of each poll is one
        row; the new partitions have rows, from offset 0 on.
    """
    old = PollProducer(feed)
    for _ in range(2):
        old.publish(a_sweep(1_000))
    add_partitions(AdminClient({"bootstrap.servers": feed}), POSITIONS_TOPIC, 8)
    old.publish(a_sweep(1_000))
    PollProducer(feed).publish(a_sweep(1_000))
    assert land_feed(feed, database) == (4_000, 4)
    assert select(
        database,
        "select count(distinct (poll_id, flight_id)) from bronze.raw_flights union all "
        "select count(distinct kafka_partition) from bronze.raw_flights where kafka_partition > 5",
    ) == [(4_000,), (2,)]
