"""What must hold of a topic, its ledger and its table when all of it has landed."""

from collections import defaultdict
from typing import Any

import psycopg
from psycopg import sql

from kafka_sensors.client import Reader
from kafka_sensors.landing import Target
from kafka_sensors.offsets import OffsetRange, breaks

LANDED = """
select kafka_partition, kafka_offset from {table}
where slice_id in (select slice_id from {ledger} where topic = %(topic)s and topic_id = %(id)s)
union all
select kafka_partition, kafka_offset from {rejected}
where slice_id in (select slice_id from {ledger} where topic = %(topic)s and topic_id = %(id)s)
order by kafka_partition, kafka_offset
"""
CHAIN = """
select kafka_partition, start_offset, end_offset, kind from {ledger}
where topic = %(topic)s and topic_id = %(id)s order by kafka_partition, start_offset
"""


def assert_landed_whole(target: Target, bootstrap: str, database: str) -> int:
    """Assert that each message of the topic is a row or a rejected message, exactly once.

    And that the ledger goes from 0 to the high watermark of each partition without a break. What
    a hole covers is nowhere. The topic holds no offsets without a message. Returns the messages.
    """
    with Reader(bootstrap, target.topic) as reader, psycopg.connect(database) as connection:
        topic_id = reader.topic_id()
        high = {part: reader.watermarks(part).high for part in reader.partitions()}
        chain = select(connection, CHAIN, target, topic_id)
        landed = select(connection, LANDED, target, topic_id)
    ranges: dict[int, list[OffsetRange]] = defaultdict(list)
    expected = []
    for partition, start, end, kind in chain:
        ranges[partition].append(OffsetRange(start, end))
        expected += [(partition, at) for at in range(start, end) if kind == "landed"]
    assert landed == expected
    for partition, end in high.items():
        if end:
            assert ranges[partition][0].start == 0
        assert list(breaks(ranges[partition])) == []
        assert max((each.end for each in ranges[partition]), default=0) == end
    return len(landed)


def select(
    connection: psycopg.Connection[Any], query: str, target: Target, topic_id: str
) -> list[tuple[Any, ...]]:
    """Return what the query finds of a target's topic."""
    tables = {
        "table": target.table,
        "ledger": f"{target.ledger_schema}.landed_slices",
        "rejected": f"{target.ledger_schema}.rejected_messages",
    }
    named = {key: sql.Identifier(*table.split(".")) for key, table in tables.items()}
    parameters = {"topic": target.topic, "id": topic_id}
    return connection.execute(sql.SQL(query).format(**named), parameters).fetchall()
