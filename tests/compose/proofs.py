"""What has to be true of a line in containers, looked up inside them."""

import json

from .stack import Stack, eventually

TOPICS = {"flights.positions": "raw_flights", "flights.polls": "raw_polls"}
HIGH_WATERMARKS = """
from confluent_kafka import Consumer, TopicPartition
reader = Consumer({**servers, "group.id": "kafka-sensors-landing"})
found = {}
for name, topic in reader.list_topics(timeout=20).topics.items():
    for partition in topic.partitions:
        place = TopicPartition(name, partition)
        found[f"{name} {partition}"] = reader.get_watermark_offsets(place, timeout=20)[1]
reader.close()
print(json.dumps(found))
"""
# as a person would who materialises hours by hand, from what has landed
BUILD_AGAIN = """
from datetime import datetime
import dagster as dg
from flight_assets.commands.line import run_job
from flight_assets.core.repairs import HourRange
from flight_assets.partitions import tags_for
hours = HourRange(
    first=datetime.fromisoformat("{first}"), last=datetime.fromisoformat("{last}")
)
with dg.DagsterInstance.get() as instance:
    run_job(instance, "answer_hours_job", tags_for(hours))
"""
HOURS = """
select to_char(min(as_of_hour), 'YYYY-MM-DD"T"HH24:MI"+00:00"'),
    to_char(max(as_of_hour), 'YYYY-MM-DD"T"HH24:MI"+00:00"')
from gold.answered_hours
"""
HASH = """
select count(*), md5(string_agg(answer::text, ' ' order by answer::text))
from (
    select as_of_hour, question, scope, rank, subject, label, value, unit, flight_count
    from gold.answers
) as answer
"""
ANSWERED = """
select distinct question
from gold.answers
where as_of_hour = (select max(as_of_hour) from gold.answers)
"""


def answered_questions(stack: Stack) -> set[str]:
    """Return the questions that the newest answered hour has answers to."""
    exists = stack.sql("select to_regclass('gold.answers') is not null")
    if exists != [["t"]]:
        return set()
    return {question for (question,) in stack.sql(ANSWERED)}


def high_watermarks(stack: Stack) -> dict[str, int]:
    """Return how many messages each partition of our topics has had, those that have had any."""
    found = json.loads(stack.kafka(HIGH_WATERMARKS))
    return {place: high for place, high in found.items() if place.split()[0] in TOPICS and high}


def landed(stack: Stack) -> dict[str, int]:
    """Return where the ledger of each partition ends, one chain without a gap from 0."""
    rows = stack.sql(
        "select topic || ' ' || kafka_partition, max(end_offset), sum(end_offset - start_offset), "
        "min(start_offset) from bronze.landed_slices group by topic, kafka_partition"
    )
    for place, end, length, first in rows:
        assert (int(first), int(length)) == (0, int(end)), f"{place} has a gap"
    return {place: int(end) for place, end, _, _ in rows}


def assert_landed_exactly_once(stack: Stack, *, within_s: float = 300) -> None:
    """Assert that each message that Kafka holds is one row, or one rejected message.

    Nothing may be published meanwhile.
    """
    high = high_watermarks(stack)
    assert high
    assert eventually(lambda: landed(stack) == high, within_s=within_s)
    for topic, table in TOPICS.items():
        messages = sum(count for place, count in high.items() if place.split()[0] == topic)
        [[rows, places]] = stack.sql(
            "select count(*), count(distinct (kafka_partition, kafka_offset)) from ("
            f"select kafka_partition, kafka_offset from bronze.{table} union all "
            "select kafka_partition, kafka_offset from bronze.rejected_messages "
            f"where topic = '{topic}') as everything"
        )
        assert (int(rows), int(places)) == (messages, messages), topic


def assert_answers_of_an_undisturbed_run(stack: Stack, *, within_s: float = 300) -> None:
    """Assert that nothing is stale, and that building all hours again changes no answer.

    Nothing may be published meanwhile.
    """
    stale = "select count(*) from gold.stale_hours"
    assert eventually(lambda: stack.sql(stale) == [["0"]], within_s=within_s)
    found = stack.sql(HASH)
    [[first, last]] = stack.sql(HOURS)
    stack.python("daemon", BUILD_AGAIN.format(first=first, last=last))
    assert stack.sql(HASH) == found
    assert int(found[0][0]) > 0
