"""The one file that talks to Kafka: reads ranges of one topic, and tells where it begins and ends.

Partitions are assigned, never subscribed to: the ledger knows the positions, and no rebalance can
take them away.
"""

import logging
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack
from time import monotonic
from typing import Any, Self

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from kafka_sensors.errors import (
    KafkaSensorsError,
    KafkaUnavailableError,
    NotAllowedError,
    OffsetsGoneError,
    UnknownTopicError,
)
from kafka_sensors.messages import Message
from kafka_sensors.offsets import OffsetRange, Watermarks

log = logging.getLogger(__name__)

GROUP_ID = "kafka-sensors-landing"
TIMEOUT_S = 15.0  # without any answer from the brokers
CHUNK = 1_000  # messages a call; more do not make it faster
POLL_S = 0.25  # how long a call waits for a chunk to fill
GONE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
FORBIDDEN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
}
UNKNOWN = {KafkaError.UNKNOWN_TOPIC_OR_PART}
# the client's own words: it says so too while no broker answers
PERHAPS_UNKNOWN = {KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}
BUILT_IN_CLUSTER = "mockCluster"  # how librdkafka names it

# Offsets are never guessed: one that is gone is an error. A small prefetch bounds the memory, a
# short back-off refills it in time (the default of a second makes reading wait).
CONSUMER = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "fetch.queue.backoff.ms": 5,
    # a fetch at a partition's end holds the connection until this is over, and so the next one
    "fetch.wait.max.ms": 10,
    "queued.min.messages": 50_000,
    "queued.max.messages.kbytes": 16 * 1024,
    "fetch.max.bytes": 16 * 2**20,
    "socket.timeout.ms": 10_000,
}


class Reader:
    """Reads one topic. Opens its connections when they are first needed; close it after use."""

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        *,
        group_id: str = GROUP_ID,
        timeout_s: float = TIMEOUT_S,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe a reader; ``options`` go to librdkafka as they are (security, for instance)."""
        self.topic = topic
        self._servers = bootstrap_servers
        self._group_id = group_id
        self._timeout_s = timeout_s
        self._last_error = ""
        client = {
            "bootstrap.servers": bootstrap_servers,
            "error_cb": self._remember,
            "logger": log,
            **(options or {}),
        }
        consumer = Consumer({**client, **CONSUMER, "group.id": group_id})
        self._clients = ExitStack()
        # not left to the garbage collector: the client and this reader know each other
        self._admin = self._clients.enter_context(AdminClient(client))
        self._consumer = self._clients.enter_context(consumer)
        self._metadata: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the reader is of no use afterwards."""
        self._clients.close()

    def topic_id(self) -> str:
        """Return the identity of the topic: another one when it is made again by its name.

        librdkafka's built-in cluster has no topic ids, but an id of its own at every start.
        """
        cluster_id = str(self._described().cluster_id)
        if cluster_id.startswith(BUILT_IN_CLUSTER):
            return cluster_id
        described = self._admin.describe_topics(
            TopicCollection([self.topic]), request_timeout=self._timeout_s
        )
        try:
            return str(described[self.topic].result().topic_id)
        except KafkaException as error:
            raise self._explained(error) from error

    def partitions(self) -> list[int]:
        """Return the numbers of the topic's partitions, as they were at the first call."""
        found = self._described().topics[self.topic]
        if found.error is not None:
            raise self._explained(KafkaException(found.error))
        return sorted(found.partitions)

    def watermarks(self, partition: int) -> Watermarks:
        """Return where the partition begins and ends now."""
        low, high = self._ask(
            self._consumer.get_watermark_offsets,
            TopicPartition(self.topic, partition),
            timeout=self._timeout_s,
        )
        return Watermarks(low, high)

    def read(self, partition: int, offsets: OffsetRange) -> Generator[list[Message], None, None]:
        """Yield the messages of a range, in order, in chunks of at most a thousand.

        Ends where the range ends, also where its last offsets hold no message. Raises
        ``OffsetsGoneError`` where the broker no longer has them.
        """
        position = offsets.start
        self._assign({partition: position})
        heard_at = monotonic()
        try:
            while position < offsets.end:
                # never more than are left: the call would wait for them until its time is over
                messages, ends = self._consume(min(CHUNK, offsets.end - position))
                reached = position_behind(messages, ends)
                if reached is None or reached <= position:
                    self._give_up_after(heard_at, partition, position)
                    continue
                position, heard_at = reached, monotonic()
                if position > offsets.end:
                    messages = [each for each in messages if each.offset() < offsets.end]
                if messages:
                    yield messages
                    heard_at = monotonic()  # the time that the caller took is not the broker's
        finally:
            self._consumer.unassign()

    def timestamps_ms(self, positions: Mapping[int, int]) -> dict[int, int]:
        """Return for each partition the timestamp of the first message at or after an offset.

        A partition without such a message is missing.
        """
        found: dict[int, int] = {}
        open_partitions = set(positions)
        self._assign(positions)
        heard_at = monotonic()
        try:
            while open_partitions:
                messages, ends = self._consume(1)
                for event in (*messages, *ends):
                    partition = event.partition()
                    if event.error() is None and partition in open_partitions:
                        found[partition] = event.timestamp()[1]
                    if partition in open_partitions:
                        # not paused: a pause outlives the assignment
                        self._consumer.incremental_unassign([TopicPartition(self.topic, partition)])
                    open_partitions.discard(partition)
                    heard_at = monotonic()
                if open_partitions:
                    waiting = min(open_partitions)
                    self._give_up_after(heard_at, waiting, positions[waiting])
        finally:
            self._consumer.unassign()
        return found

    def commit(self, positions: Mapping[int, int]) -> None:
        """Tell the broker how far each partition has landed; a refusal is logged, no more.

        Only tools that show lag look at it: the ledger says where landing goes on. A broker that
        has gone is asked for first, for the client waits most of a minute to commit, or to close
        behind a commit.
        """
        if not positions:
            return
        try:
            self._consumer.list_topics(self.topic, timeout=self._timeout_s)
            self._consumer.commit(offsets=self._at(positions), asynchronous=False)
        except KafkaException as error:
            log.warning("%s: the group's offsets stay behind: %s", self.topic, error)

    def _described(self) -> Any:
        """Return what the brokers first said of the cluster and the topic; asking takes a while.

        That there is no such topic is asked again.
        """
        if self._metadata is not None:
            return self._metadata
        metadata = self._ask(self._consumer.list_topics, self.topic, timeout=self._timeout_s)
        if metadata.topics[self.topic].error is None:
            self._metadata = metadata
        return metadata

    def _at(self, positions: Mapping[int, int]) -> list[TopicPartition]:
        return [TopicPartition(self.topic, part, at) for part, at in positions.items()]

    def _assign(self, positions: Mapping[int, int]) -> None:
        try:
            self._consumer.assign(self._at(positions))
        except KafkaException as error:
            raise self._explained(error) from error

    def _consume(self, count: int) -> tuple[list[Any], list[Any]]:
        """Return the next messages, and apart from them the ends of partitions that were met.

        Raises for any other event, which is an error.
        """
        try:
            events = self._consumer.consume(count, timeout=POLL_S)
        except KafkaException as error:
            raise self._explained(error) from error
        messages = [event for event in events if event.error() is None]
        if len(messages) == len(events):
            return messages, []
        ends = [event for event in events if event.error() is not None]
        for fault in [event.error() for event in ends]:
            if fault is not None and fault.code() != KafkaError._PARTITION_EOF:
                raise self._explained(KafkaException(fault))
        return messages, ends

    def _ask(self, question: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return question(*arguments, **options)
        except KafkaException as error:
            raise self._explained(error) from error

    def _give_up_after(self, heard_at: float, partition: int, position: int) -> None:
        if monotonic() - heard_at > self._timeout_s:
            raise KafkaUnavailableError(
                f"{self.topic}/{partition}: {self._servers} gave nothing from offset {position} on "
                f"for {self._timeout_s:.0f} s{self._because()}: see whether the brokers run"
            )

    def _remember(self, error: KafkaError) -> None:
        # that all are down says less than why
        if error.code() != KafkaError._ALL_BROKERS_DOWN or not self._last_error:
            self._last_error = error.str()

    def _because(self) -> str:
        return f" ({self._last_error})" if self._last_error else ""

    def _is_missing(self) -> bool:
        """Ask the brokers whether they have no such topic; ``False`` where none answers."""
        try:
            metadata = self._consumer.list_topics(self.topic, timeout=self._timeout_s)
        except KafkaException:
            return False
        error = metadata.topics[self.topic].error
        return error is not None and error.code() in UNKNOWN

    def _explained(self, error: KafkaException) -> KafkaSensorsError:
        """Return librdkafka's error as one of ours."""
        reason: KafkaError = error.args[0]
        if reason.code() in GONE:
            return OffsetsGoneError(f"{self.topic}: the broker no longer has it: {reason.str()}")
        if reason.code() in FORBIDDEN:
            return NotAllowedError(
                f"{self.topic}: {self._servers} does not let this user: {reason.str()}: "
                f"give it the right to read the topic and the group {self._group_id}"
            )
        is_unknown = reason.code() in UNKNOWN
        if is_unknown or (reason.code() in PERHAPS_UNKNOWN and self._is_missing()):
            return UnknownTopicError(
                f"{self._servers} has no topic {self.topic}: create it, or correct its name"
            )
        self._consumer.poll(0)  # what the client has heard meanwhile, of a log-in for instance
        return KafkaUnavailableError(
            f"{self.topic}: {self._servers} does not answer: {reason.str()}{self._because()}: "
            "see whether the brokers run and the address is right"
        )


def position_behind(messages: list[Any], ends: list[Any]) -> int | None:
    """Return the position behind all of them, ``None`` where there is nothing.

    A partition's end says its position itself; that passes offsets which hold no message.
    """
    positions = [end.offset() for end in ends]
    if messages:
        positions.append(messages[-1].offset() + 1)
    return max(positions, default=None)
