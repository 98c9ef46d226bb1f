from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from kafka_sensors.batches import Batch, Limits, cut
from kafka_sensors.offsets import HourRule, OffsetRange
from tests.fake_message import EIGHT, FakeMessage

NINE = datetime(2025, 7, 20, 9, tzinfo=UTC)
RULE = HourRule(earliest=datetime(2022, 1, 1, tzinfo=UTC), now=NINE + timedelta(minutes=40))


def batches(
    chunks: Sequence[Sequence[FakeMessage]],
    *,
    end: int,
    previous_hour: datetime | None = None,
    limits: Limits | None = None,
) -> list[Batch]:
    return list(
        cut(
            chunks,
            OffsetRange(0, end),
            partition=0,
            previous_hour=previous_hour,
            rule=RULE,
            limits=limits or Limits(),
        )
    )


def shape(found: list[Batch]) -> list[tuple[int, int, datetime, int]]:
    return [(b.offsets.start, b.offsets.end, b.log_hour, len(b.messages)) for b in found]


def test_a_batch_ends_before_it_exceeds_the_messages() -> None:
    chunks = [[FakeMessage(0), FakeMessage(1)], [FakeMessage(2), FakeMessage(3)]]
    assert len(batches(chunks, end=4, limits=Limits(messages=4))) == 1
    assert shape(batches(chunks, end=4, limits=Limits(messages=3))) == [
        (0, 2, EIGHT, 2),
        (2, 4, EIGHT, 2),
    ]


def test_a_chunk_larger_than_a_batch_is_cut() -> None:
    chunk = [FakeMessage(offset) for offset in range(5)]
    assert [b.offsets.end for b in batches([chunk], end=5, limits=Limits(messages=2))] == [2, 4, 5]


def test_a_batch_ends_when_it_has_the_bytes() -> None:
    chunks = [[FakeMessage(0)], [FakeMessage(1)], [FakeMessage(2)]]
    assert len(batches(chunks, end=3, limits=Limits(bytes=11))) == 1
    assert shape(batches(chunks, end=3, limits=Limits(bytes=10))) == [
        (0, 2, EIGHT, 2),
        (2, 3, EIGHT, 1),
    ]


def test_a_batch_never_spans_two_hours() -> None:
    chunk = [FakeMessage(0), FakeMessage(1, at=NINE), FakeMessage(2)]
    first, second = batches([chunk], end=3)
    assert shape([first, second]) == [(0, 1, EIGHT, 1), (1, 3, NINE, 2)]
    assert second.first_ms == chunk[2].timestamp()[1]
    assert second.last_ms == chunk[1].timestamp()[1]


def test_offsets_without_a_message_belong_to_the_batch_before_them() -> None:
    chunks = [[FakeMessage(3), FakeMessage(7)], [FakeMessage(9)]]
    assert shape(batches(chunks, end=12, limits=Limits(messages=2))) == [
        (0, 8, EIGHT, 2),
        (8, 12, EIGHT, 1),
    ]


def test_a_range_without_any_message_is_passed_in_the_current_hour() -> None:
    assert shape(batches([], end=2, previous_hour=EIGHT)) == [(0, 2, NINE, 0)]
    assert batches([], end=0) == []


def test_bytes_are_those_of_the_values_and_null_has_none() -> None:
    (batch,) = batches([[FakeMessage(0), FakeMessage(1, content=None)]], end=2)
    assert batch.byte_count == 5
