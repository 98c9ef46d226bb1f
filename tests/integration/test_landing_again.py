"""Replays, and topics that no longer continue their ledger."""

from collections.abc import Iterator

import pytest

from kafka_sensors.backlog import measure
from kafka_sensors.errors import (
    HoleError,
    OffsetsGoneError,
    TopicRecreatedError,
)
from kafka_sensors.holes import acknowledge
from kafka_sensors.landing import Limits, SliceReport
from kafka_sensors.offsets import LAST_OFFSET, OffsetRange
from tests.landing_topic import EIGHT, NINE, NOW, Topic

pytestmark = pytest.mark.integration


@pytest.fixture
def topic(kafka_bootstrap: str, database: str) -> Iterator[Topic]:
    topic = Topic(kafka_bootstrap, database)
    yield topic
    topic.delete()


def test_a_replay_gives_the_same_rows_under_newer_slices(topic: Topic) -> None:
    topic.send_readings(2500, at=EIGHT)
    topic.send(b"bad", at=EIGHT)
    topic.send_readings(10, at=NINE)
    topic.land(limits=Limits(messages=1000))
    rows, ledger = topic.row_hash(), topic.ledger()
    newest = "select max(slice_id), min(slice_id) from bronze.landed_slices"
    ((last_id, _),) = topic.select(newest)
    (hour,) = topic.replay(EIGHT)
    assert (hour.row_count, hour.rejected_count, hour.slice_count) == (2500, 1, 3)
    assert (topic.row_hash(), topic.ledger()) == (rows, ledger)
    replayed = "log_hour = '2025-07-20 08:00Z'"
    assert topic.select(
        f"select min(slice_id) > {last_id} from bronze.landed_slices where {replayed}"
    ) == [(True,)]
    assert topic.select(
        "select count(*) from bronze.readings as r join bronze.landed_slices as s "
        "using (slice_id) where r.kafka_offset >= s.start_offset and r.kafka_offset < s.end_offset"
    ) == [(2510,)]
    assert topic.select("select count(*) from bronze.rejected_messages") == [(1,)]


def test_a_replay_within_a_replay_of_the_same_hour_doubles_nothing(topic: Topic) -> None:
    topic.send_readings(2500, at=EIGHT)
    topic.send(b"bad", at=EIGHT)
    topic.land(limits=Limits(messages=1000))
    rows, ledger = topic.row_hash(), topic.ledger()

    def again(landed: SliceReport) -> None:  # the slices that follow are no longer those read
        if landed.offsets.start == 0:
            topic.replay(EIGHT)

    topic.replay(EIGHT, on_slice=again)
    assert (topic.row_hash(), topic.ledger()) == (rows, ledger)
    assert topic.select("select count(*) from bronze.rejected_messages") == [(1,)]


def test_a_replay_of_what_is_gone_deletes_nothing(topic: Topic) -> None:
    topic.send_readings(2500, at=EIGHT)
    topic.land(limits=Limits(messages=1000))
    rows = topic.row_hash()
    topic.expire_before(1500)
    with pytest.raises(OffsetsGoneError, match=r"no longer holds 0\[0, 1000\), 0\[1000, 2000\)"):
        topic.replay(EIGHT)
    assert topic.row_hash() == rows


def test_a_hole_stops_landing_until_somebody_accepts_it(topic: Topic) -> None:
    topic.send_readings(10, at=EIGHT)
    topic.land()
    topic.send_readings(10, at=EIGHT)
    topic.expire_before(15)
    with pytest.raises(HoleError, match=r"\[10, 15\) are gone"):
        topic.land()
    with pytest.raises(HoleError):
        topic.run(measure, now=NOW)
    (hole,) = topic.run(acknowledge, by="ada", reason="the disk was full")
    assert hole.offsets == OffsetRange(10, 15)
    assert topic.run(acknowledge, by="ada", reason="once more") == []
    (hour,) = topic.land()
    assert hour.row_count == 5
    assert topic.select(
        "select kind, start_offset, end_offset, note from bronze.landed_slices order by slice_id"
    ) == [
        ("landed", 0, 10, None),
        ("hole", 10, 15, "ada: the disk was full"),
        ("landed", 15, 20, None),
    ]


def test_a_partition_that_never_landed_begins_where_the_broker_does(topic: Topic) -> None:
    topic.send_readings(10, at=EIGHT)
    topic.expire_before(4)
    (hour,) = topic.land()
    assert (hour.row_count, topic.ledger()) == (6, [(0, 4, 10)])


def test_a_topic_made_again_is_noticed_even_with_more_messages(topic: Topic) -> None:
    topic.send_readings(10, at=EIGHT)
    topic.land()
    topic.delete()
    topic.create()
    topic.send_readings(30, at=NINE)
    with pytest.raises(TopicRecreatedError, match="made again"):
        topic.land()
    with pytest.raises(OffsetsGoneError):
        topic.replay(EIGHT)
    (hole,) = topic.run(acknowledge, by="ada", reason="moved")
    assert hole.offsets == OffsetRange(10, LAST_OFFSET)
    (hour,) = topic.land()
    assert hour.row_count == 30
    assert topic.select("select count(*) from bronze.readings") == [(40,)]
