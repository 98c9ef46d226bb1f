"""A topic of its own for a real target: messages go in as they are, and land."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from confluent_kafka import Producer

from kafka_sensors.client import Reader
from kafka_sensors.landing import Target, land_waiting
from tests.faults.proofs import Sent, assert_landed_once, assert_ledger_counts_rows, select
from tests.landing_topic import EIGHT, NINE, NOW, seconds

LARGEST_MESSAGE = 12 * 2**20


@dataclass(frozen=True)
class Stream:
    """A topic of its own, with the real target of a real one."""

    bootstrap: str
    database: str
    target: Target

    def send(self, messages: Sequence[Sent], *, partitions: int = 1) -> None:
        """Publish messages; all are acknowledged when this returns."""
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "message.max.bytes": LARGEST_MESSAGE,
                "linger.ms": 20,
                "enable.idempotence": True,
            }
        )
        at_ms = seconds(EIGHT) * 1000
        for number, sent in enumerate(messages):
            while True:
                try:
                    producer.produce(
                        self.target.topic,
                        sent.value,
                        sent.key,
                        partition=number % partitions,
                        timestamp=at_ms,
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(60) == 0

    def land(self) -> None:
        """Land all that waits."""
        with (
            Reader(self.bootstrap, self.target.topic) as reader,
            psycopg.connect(self.database) as connection,
        ):
            land_waiting(
                self.target,
                reader,
                connection,
                first_hour=EIGHT,
                last_hour=NINE,
                now=NOW,
                run_id="run",
            )

    def assert_landed_once(self) -> None:
        """Assert what holds after every fault."""
        table, topic = self.target.table, self.target.topic
        assert_landed_once(self.database, self.bootstrap, topic, table)
        assert_ledger_counts_rows(self.database, topic, table)

    def rows(self) -> dict[tuple[int, int], dict[str, Any]]:
        """Return the rows that landed, by place."""
        columns = list(self.target.columns)
        found = select(
            self.database,
            f"select kafka_partition, kafka_offset, {', '.join(columns)} from {self.target.table}",
        )
        return {(part, at): dict(zip(columns, row, strict=True)) for part, at, *row in found}

    def reasons(self) -> dict[int, str]:
        """Return why messages of the first partition were rejected, by offset."""
        found = select(
            self.database,
            "select kafka_offset, reason from bronze.rejected_messages "
            "where topic = %s and kafka_partition = 0",
            [self.target.topic],
        )
        return dict(found)
