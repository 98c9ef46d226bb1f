"""Processes that land, as a test sees them: what they say, what Postgres holds of them, their end.

The processes are those of ``landing_worker``.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue

import msgspec
from confluent_kafka import KafkaError, Message, Producer

from tests.faults.proofs import Place, select
from tests.landing_topic import EIGHT, Reading, Topic, seconds

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0  # for the next word of a process, on a busy machine

ACTIVITY = """
select state, backend_xid is not null, lower(query)
from pg_stat_activity where application_name = %s
"""


@dataclass
class Life:
    """One process: what it has said so far, word by word."""

    workers: "Workers"
    run_id: str
    said: list[list[str]] = field(default_factory=list)

    def hear(self, *kinds: str) -> list[str]:
        """Wait for the next line of one of these kinds, or of its end; return it in words."""
        while True:
            try:
                line = self.workers.lines.get(timeout=PATIENCE_S)
            except Empty:
                raise AssertionError(f"nothing of {kinds} after {self.said}") from None
            self.said.append(line)
            if line[0] in kinds or line[0] == "died":
                return line

    def kinds(self) -> list[str]:
        """Return the first word of each line."""
        return [line[0] for line in self.said]

    def kill(self) -> None:
        """Kill it with SIGKILL, and see that this is what it died of."""
        if "born" not in self.kinds():
            self.hear("born")
        pid = next(line[1] for line in self.said if line[0] == "born")
        os.kill(int(pid), signal.SIGKILL)
        assert self.hear("died") == ["died", "-9"], self.said

    def activity(self, database: str) -> list[tuple[str, bool, str]]:
        """Return what Postgres says of its session: state, whether it has written, query."""
        return select(database, ACTIVITY, [self.run_id])


class Workers:
    """Starts one life after another, without a new interpreter for each."""

    def __init__(self, topic: Topic) -> None:
        module = [sys.executable, "-m", "tests.faults.landing_worker"]
        self.process = subprocess.Popen(
            [*module, topic.bootstrap, topic.name, topic.database],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
        )
        self.lines: Queue[list[str]] = Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            self.lines.put(line.split())

    def start(self, run_id: str, action: str = "land", point: str = "-", nth: int = 0) -> Life:
        """Let a process be born that stops at a point, if it is given one."""
        assert self.process.stdin is not None
        print(action, run_id, point.replace(" ", "-"), nth, file=self.process.stdin, flush=True)
        return Life(self, run_id)

    def close(self) -> None:
        """End them all."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@contextmanager
def workers(topic: Topic, count: int = 1) -> Iterator[list[Workers]]:
    """Give so many workers, which land at the same time; end them afterwards."""
    started = [Workers(topic) for _ in range(count)]
    try:
        yield started
    finally:
        for each in started:
            each.close()


class Publisher(threading.Thread):
    """Publishes what it is told, then a steady flow until it is stopped. Names count from 0.

    ``acknowledged`` has the place of each message that Kafka acknowledged, told by itself.
    """

    def __init__(self, topic: Topic, *, partitions: int, per_second: int = 0) -> None:
        super().__init__(daemon=True)
        self.topic, self.partitions, self.per_second = topic, partitions, per_second
        self.producer = Producer({"bootstrap.servers": topic.bootstrap, "linger.ms": 20})
        self.is_over = threading.Event()
        self.acknowledged: dict[Place, str] = {}
        self.published = 0

    def publish(self, count: int) -> None:
        """Publish so many readings, a hundred to each second of event time."""
        for number in range(self.published, self.published + count):
            at_s = seconds(EIGHT) + number // 100
            marks = ["odd"] if number % 7 == 0 else []  # that is not plain: both ways are taken
            self.producer.produce(
                self.topic.name,
                msgspec.json.encode(Reading(read_at=at_s, name=str(number), marks=marks)),
                partition=number % self.partitions,
                timestamp=at_s * 1000,
                on_delivery=self._delivered,
            )
            if number % 1000 == 0:
                self.producer.poll(0)
        self.published += count
        assert self.producer.flush(30) == 0

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        place = (message.partition() or 0, message.offset() or 0)
        self.acknowledged[place] = msgspec.json.decode(message.value() or b"", type=Reading).name

    def run(self) -> None:
        """Publish until it is over."""
        while not self.is_over.wait(0.1):
            self.publish(self.per_second // 10)

    def stop(self) -> None:
        """Stop the flow."""
        self.is_over.set()
        self.join()
