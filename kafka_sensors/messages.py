"""What landing needs of a message and of a reader. ``client`` is the real one, tests have fakes."""

from collections.abc import Generator, Mapping, Sequence
from typing import Protocol

from kafka_sensors.offsets import OffsetRange, Watermarks


class Message(Protocol):
    """One message, as the Kafka client gives it."""

    def offset(self) -> int: ...
    def key(self) -> bytes | None: ...
    def value(self) -> bytes | None: ...
    def headers(self) -> Sequence[tuple[str, bytes | None]] | None: ...
    def __len__(self) -> int:
        """Return the bytes of the value, 0 where there is none."""

    def timestamp(self) -> tuple[int, int]:
        """Return the kind of timestamp and the Unix milliseconds."""


class TopicReader(Protocol):
    """Reads one topic."""

    topic: str

    def topic_id(self) -> str:
        """Return the identity of the topic, another one when it is made again by its name."""

    def partitions(self) -> list[int]:
        """Return the numbers of the topic's partitions."""

    def watermarks(self, partition: int) -> Watermarks:
        """Return where the partition begins and ends now."""

    def read(
        self, partition: int, offsets: OffsetRange
    ) -> Generator[Sequence[Message], None, None]:
        """Yield the messages of a range, in order, in chunks; end at the range's end."""

    def timestamps_ms(self, positions: Mapping[int, int]) -> dict[int, int]:
        """Return for each partition the timestamp of the first message at or after an offset."""

    def commit(self, positions: Mapping[int, int]) -> None:
        """Tell the broker how far each partition has landed, for tools that show lag."""
