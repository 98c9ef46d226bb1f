"""A message of Kafka in memory, for unit tests."""

from dataclasses import dataclass
from datetime import UTC, datetime

EIGHT = datetime(2025, 7, 20, 8, tzinfo=UTC)


@dataclass(frozen=True)
class FakeMessage:
    """A message as the broker would give it, without key and headers."""

    at_offset: int
    content: bytes | None = b"12345"
    at: datetime = EIGHT

    def __len__(self) -> int:
        return len(self.content or b"")

    def offset(self) -> int:
        return self.at_offset

    def key(self) -> None:
        return None

    def value(self) -> bytes | None:
        return self.content

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, int(self.at.timestamp() * 1000)
