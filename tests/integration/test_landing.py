"""Landing between a real Apache Kafka and a real Postgres, into a table of its own."""

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import psycopg
import pytest

from kafka_sensors.client import Reader
from kafka_sensors.errors import (
    EarlierHoursWaitError,
)
from kafka_sensors.landing import Limits, land_waiting
from kafka_sensors.offsets import HOUR, Watermarks
from tests.landing_topic import EIGHT, NINE, NOW, Topic

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


def test_what_waits_lands_once_with_its_ledger(topic: Topic) -> None:
    topic.send_readings(2500, at=EIGHT)
    (hour,) = topic.land(limits=Limits(messages=1000))
    assert topic.land() == []
    assert topic.ledger() == [(0, 0, 1000), (0, 1000, 2000), (0, 2000, 2500)]
    assert hour.metadata() | {"rows_per_s": 0} == {
        "topic": topic.name,
        "offset_ranges": {"0": [[0, 2500]]},
        "slices": 3,
        "rows": 2500,
        "rejected": 0,
        "rejected_by_reason": {},
        "bytes": 2500 * 64,
        "first_event_at": "2025-07-20T08:00:00+00:00",
        "last_event_at": "2025-07-20T08:00:00+00:00",
        "lag": 0,
        "rows_per_s": 0,
    }
    assert topic.select(
        "select kafka_partition, min(kafka_offset), max(kafka_offset), count(*), "
        "count(distinct kafka_offset), min(read_at), min(name), min(level), min(marks), "
        "min(log_hour) from bronze.readings group by 1"
    ) == [(0, 0, 2499, 2500, 2500, EIGHT, "tide", 3, ["a", "b"], EIGHT)]
    assert topic.select(
        "select event_hour, first_event_at, last_event_at, sum(e.row_count)::int "
        "from bronze.slice_event_hours as e join bronze.landed_slices using (slice_id) "
        "where topic_id <> '' group by 1, 2, 3"
    ) == [(EIGHT, EIGHT, EIGHT, 2500)]


BAD = {
    b"": "empty_value",
    b"tide at 3": "not_json",
    b'{"read_at": 1, "name": "\xff"}': "not_utf8",
    b'{"read_at": "noon", "name": "tide"}': "contract",
    b'{"name": "tide"}': "contract",
    b"[" * 100_000: "contract",
    b'{"read_at": 1, "name": "tide", "more": ' + b"[" * 100_000: "too_deep",
    b'{"read_at": 1, "name": "ti\\u0000de"}': "unstorable",
    b'{"read_at": 1, "name": "tide", "marks": ["\\u0000"]}': "unstorable",
    b'{"read_at": 1, "name": "tide", "level": 2147483648}': "unstorable",
    None: "null_value",
}


def test_bad_messages_are_kept_with_their_bytes_and_reason(topic: Topic) -> None:
    topic.send_readings(5, at=EIGHT)
    for value in BAD:
        topic.send(
            value,
            at=EIGHT,
            key=b"k\xff",
            headers=[("poll", b"p1"), ("poll", b"\xff\0"), ("n", None)],
        )
        topic.send_readings(3, at=EIGHT)
    (hour,) = topic.land()
    assert (hour.row_count, hour.rejected_count) == (5 + 3 * len(BAD), len(BAD))
    rejected = topic.select(
        "select value, reason from bronze.rejected_messages order by kafka_offset"
    )
    assert rejected == list(BAD.items())
    assert topic.select(
        "select distinct key, headers, message_at, log_hour, detail <> '' "
        "from bronze.rejected_messages"
    ) == [(b"k\xff", [["poll", "p1"], ["poll", "\\xff\\x00"], ["n", None]], EIGHT, EIGHT, True)]
    assert topic.select("select row_count, rejected_count from bronze.landed_slices") == [
        (hour.row_count, hour.rejected_count)
    ]
    assert topic.select("select sum(row_count)::int from bronze.slice_event_hours") == [
        (hour.row_count,)
    ]


def test_a_fault_that_is_no_messages_fails_the_slice_and_leaves_nothing(topic: Topic) -> None:
    topic.send_readings(3, at=EIGHT)
    with psycopg.connect(topic.database) as connection:
        connection.execute("alter table bronze.readings add check (level < 3)")
    with pytest.raises(psycopg.errors.CheckViolation):
        topic.land()
    assert topic.ledger() == []
    assert topic.select("select * from bronze.readings") == []


def test_the_hour_turns_within_a_chunk_and_never_goes_back(topic: Topic) -> None:
    topic.send_readings(3, at=NINE - timedelta(seconds=1))
    topic.send_readings(2, at=NINE)
    topic.send_readings(4, at=EIGHT)  # a clock that went back
    hours = topic.land()
    assert [(each.partition_key, each.row_count) for each in hours] == [
        ("2025-07-20-08:00", 3),
        ("2025-07-20-09:00", 6),
    ]
    assert topic.ledger() == [(0, 0, 3), (0, 3, 9)]
    assert topic.select(
        "select event_hour, row_count::int from bronze.slice_event_hours order by slice_id, 1"
    ) == [(EIGHT, 3), (EIGHT, 4), (NINE, 2)]


def test_a_clock_ahead_of_ours_stays_in_the_present_hour(topic: Topic) -> None:
    topic.send_readings(1, at=NINE + HOUR)
    assert [each.hour for each in topic.land()] == [NINE]


def test_later_hours_wait_and_earlier_ones_are_named(topic: Topic) -> None:
    topic.send_readings(3, at=EIGHT)
    topic.send_readings(2, at=NINE)
    with pytest.raises(EarlierHoursWaitError, match="from 2025-07-20-08:00 on"):
        topic.land(first=NINE)
    (eight,) = topic.land(last=EIGHT)
    assert (eight.row_count, eight.lag) == (3, 2)
    (nine,) = topic.land(first=NINE)
    assert (nine.row_count, nine.lag) == (2, 0)


def test_days_get_their_partitions(topic: Topic) -> None:
    midnight = datetime(2025, 7, 20, tzinfo=UTC)
    topic.send_readings(1, at=midnight - timedelta(seconds=1))
    topic.send_readings(1, at=midnight)
    topic.land(first=midnight - HOUR, last=midnight)
    assert topic.select(
        "select inhrelid::regclass::text from pg_inherits "
        "where inhparent = 'bronze.readings'::regclass order by 1"
    ) == [("bronze.readings_p20250719",), ("bronze.readings_p20250720",)]


def test_two_runs_at_once_land_everything_once(wide_topic: Topic) -> None:
    topic = wide_topic
    for partition in range(3):
        topic.send_readings(4000, at=EIGHT, partition=partition)
    begin = threading.Barrier(3)
    landed: list[int] = []

    def run() -> None:
        begin.wait()
        landed.append(sum(hour.row_count for hour in topic.land(limits=Limits(messages=500))))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(landed) == 3
    assert sum(landed) == 12_000
    assert topic.select(
        "select count(*), count(distinct (kafka_partition, kafka_offset)) from bronze.readings"
    ) == [(12_000, 12_000)]
    assert_chained(topic.ledger(), partitions=3, end=4000)


def assert_chained(ledger: Sequence[tuple[int, int, int]], *, partitions: int, end: int) -> None:
    for partition in range(partitions):
        chain = [(start, stop) for part, start, stop in ledger if part == partition]
        assert chain[0][0] == 0
        assert chain[-1][1] == end
        assert all(before[1] == after[0] for before, after in pairwise(chain))


class InterruptedReader(Reader):
    """A reader during whose first question for watermarks another run lands all that there is."""

    topic_at_work: Topic | None = None

    def watermarks(self, partition: int) -> Watermarks:
        watermarks = super().watermarks(partition)
        topic, self.topic_at_work = self.topic_at_work, None
        if topic is not None:
            topic.send_readings(5, at=EIGHT)
            topic.land()
        return watermarks


def test_a_run_that_was_overtaken_lands_nothing_twice_and_is_no_failure(topic: Topic) -> None:
    topic.send_readings(10, at=EIGHT)
    asked = {"first_hour": EIGHT, "last_hour": NINE, "now": NOW, "run_id": "overtaken"}
    with (
        InterruptedReader(topic.bootstrap, topic.name) as reader,
        psycopg.connect(topic.database) as connection,
    ):
        reader.topic_at_work = topic
        assert land_waiting(topic.target, reader, connection, **asked) == []
    assert topic.ledger() == [(0, 0, 15)]
    assert topic.select("select count(*) from bronze.readings") == [(15,)]
