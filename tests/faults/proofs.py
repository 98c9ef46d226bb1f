"""What holds after every fault, asked of Kafka and Postgres themselves, not of the landing.

A message's place is its partition and offset. What Kafka acknowledged is read from its log by a
plain consumer, so that no code of the landing bears witness for itself; a test that keeps its own
delivery reports gives their places too.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from psycopg import sql

TIMEOUT_S = 30.0

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Sent:
    """What a message carried."""

    key: bytes | None
    value: bytes | None


def assert_landed_once(
    database: str, bootstrap: str, topic: str, table: str, *, acknowledged: Iterable[Place] = ()
) -> None:
    """Assert the promise of every fault, for a topic of which all has landed by now.

    Each message that Kafka acknowledged is in the table once or in the rejected messages once,
    with its bytes there; and the ledger has no gap from offset 0 to the end of each partition.
    """
    log = log_of(bootstrap, topic)
    missing = set(acknowledged) - set(log)
    assert not missing, f"acknowledged, yet not in the log: {sorted(missing)[:10]}"
    assert_kept_once(database, topic, table, log)
    assert_rejected_as_sent(database, topic, log)
    assert_ledger_is_whole(database, bootstrap, topic)


def assert_kept_once(database: str, topic: str, table: str, sent: Iterable[Place]) -> None:
    """Assert that each of these messages, and no other, has one row or one rejected message."""
    kept = Counter(row_places(database, table)) + Counter(rejected_places(database, topic))
    doubled = sorted(place for place, times in kept.items() if times > 1)
    assert not doubled, f"{len(doubled)} messages of {topic} are there twice: {doubled[:10]}"
    lost = sorted(set(sent) - set(kept))
    assert not lost, f"{len(lost)} messages of {topic} are nowhere: {lost[:10]}"
    strange = sorted(set(kept) - set(sent))
    assert not strange, f"{len(strange)} rows of {topic} come from no message: {strange[:10]}"


def assert_rejected_as_sent(database: str, topic: str, log: dict[Place, Sent]) -> None:
    """Assert that rejected messages have the key and the bytes that they were sent with."""
    rows = select(
        database,
        "select kafka_partition, kafka_offset, key, value from bronze.rejected_messages "
        "where topic = %s",
        [topic],
    )
    changed = [(part, at) for part, at, key, value in rows if log[part, at] != Sent(key, value)]
    assert not changed, f"{len(changed)} rejected messages are not as sent: {changed[:10]}"


def assert_ledger_is_whole(database: str, bootstrap: str, topic: str) -> None:
    """Assert that each partition's chain goes from 0 to the high watermark without a gap.

    And that the ledger counts as many rows and rejected messages as there are.
    """
    chains = chains_of(database, topic)
    for partition, high in high_watermarks(bootstrap, topic).items():
        chain = chains.pop(partition, [(0, 0)])
        assert chain[0][0] == 0, f"{topic}/{partition} begins at {chain[0][0]}"
        assert chain[-1][1] == high, f"{topic}/{partition}: {chain[-1][1]} of {high} has landed"
        gaps = [(before, after) for before, after in pairwise(chain) if before[1] != after[0]]
        assert not gaps, f"{topic}/{partition} does not join at {gaps[:10]}"
    assert not chains, f"the ledger has partitions that {topic} has not: {sorted(chains)}"


def assert_ledger_counts_rows(database: str, topic: str, table: str) -> None:
    """Assert that the ledger counts the rows and the rejected messages that there are."""
    counted = select(
        database,
        "select sum(row_count)::bigint, sum(rejected_count)::bigint from bronze.landed_slices "
        "where topic = %s",
        [topic],
    )
    there = (len(row_places(database, table)), len(rejected_places(database, topic)))
    assert counted == [there]


def log_of(bootstrap: str, topic: str) -> dict[Place, Sent]:
    """Return every message that the topic holds now, by its place."""
    ends = high_watermarks(bootstrap, topic)
    log: dict[Place, Sent] = {}
    reader = consumer(bootstrap)
    try:
        for partition, end in ends.items():
            reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
            position = 0
            while position < end:
                event = reader.poll(TIMEOUT_S)
                assert event is not None, (
                    f"{topic}/{partition}: nothing from {position} on for {TIMEOUT_S} s"
                )
                fault = event.error()
                assert fault is None or fault.code() == KafkaError._PARTITION_EOF, fault
                if fault is None:
                    log[partition, event.offset()] = Sent(event.key(), event.value())
                position = event.offset() + (fault is None)
    finally:
        reader.close()
    return log


def high_watermarks(bootstrap: str, topic: str) -> dict[int, int]:
    """Return where each partition of a topic ends now."""
    reader = consumer(bootstrap)
    try:
        found = reader.list_topics(topic, timeout=TIMEOUT_S).topics[topic].partitions
        return {
            partition: reader.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=TIMEOUT_S
            )[1]
            for partition in found
        }
    finally:
        reader.close()


def consumer(bootstrap: str) -> Consumer:
    """Return a consumer that says where a partition ends, also behind a transaction's marker."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "proofs",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 5,
        }
    )


def chains_of(database: str, topic: str) -> dict[int, list[tuple[int, int]]]:
    """Return the ledger's ranges of each partition in the order of their offsets."""
    chains: dict[int, list[tuple[int, int]]] = {}
    for partition, start, end in select(
        database,
        "select kafka_partition, start_offset, end_offset from bronze.landed_slices "
        "where topic = %s order by 1, 2, 3",
        [topic],
    ):
        chains.setdefault(partition, []).append((start, end))
    return chains


def row_places(database: str, table: str) -> list[Place]:
    """Return where the rows of a table that one topic lands in come from."""
    query = sql.SQL("select kafka_partition, kafka_offset from {}")
    return select(database, query.format(sql.Identifier(*table.split("."))))


def rejected_places(database: str, topic: str) -> list[Place]:
    """Return where the rejected messages of a topic come from."""
    return select(
        database,
        "select kafka_partition, kafka_offset from bronze.rejected_messages where topic = %s",
        [topic],
    )


def select(database: str, query: Any, parameters: Any = None) -> list[Any]:
    """Return the rows of a query, times in UTC."""
    with psycopg.connect(database, options="-c timezone=UTC") as connection:
        return connection.execute(query, parameters).fetchall()
