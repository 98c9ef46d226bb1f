from dataclasses import replace
from operator import attrgetter
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_sensors.batches import Batch
from kafka_sensors.decoding import MAX_GAP_S, event_hours, integers_that_fit, prepare
from kafka_sensors.offsets import OffsetRange
from kafka_sensors.target import Target
from tests.fake_message import EIGHT, FakeMessage

EIGHT_S = int(EIGHT.timestamp())


class Reading(msgspec.Struct):
    read_at: int
    level: int | None = None
    name: str | None = None


TARGET = Target(
    topic="readings",
    table="bronze.readings",
    columns={"read_at": "timestamptz", "level": "int2"},
    decode=msgspec.json.Decoder(Reading).decode,
    row=attrgetter("read_at", "level"),
    event_at_s=attrgetter("read_at"),
)


def batch_of(*values: bytes | None) -> Batch:
    messages = [FakeMessage(10 + index, value) for index, value in enumerate(values)]
    return Batch(0, OffsetRange(10, 10 + len(values)), EIGHT, messages)


def test_every_message_is_a_row_or_rejected_in_its_place() -> None:
    prepared = prepare(batch_of(b'{"read_at":1}', b"no", b'{"read_at":3,"level":4}'), TARGET)
    assert list(prepared.offsets) == [10, 12]
    assert list(prepared.rows) == [(1, None), (3, 4)]
    assert list(prepared.event_times_s) == [1, 3]
    (rejected,) = prepared.rejected
    assert (rejected.message.offset(), rejected.reason) == (11, "not_json")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null_value"),
        (b"", "empty_value"),
        (b"{", "not_json"),
        (b'{"read_at":1,"name":"\xff"}', "not_utf8"),
        (b'{"read_at":"1"}', "contract"),
        (b'{"read_at":1,"x":' + b"[" * 100_000, "too_deep"),
        (b'{"read_at":1,"level":32768}', "unstorable"),
        (b'{"read_at":1,"level":-32769}', "unstorable"),
    ],
)
def test_a_bad_message_has_its_reason(value: bytes | None, reason: str) -> None:
    prepared = prepare(batch_of(value), TARGET)
    assert [each.reason for each in prepared.rejected] == [reason]
    assert not prepared.rows


@pytest.mark.parametrize("level", [32767, -32768])
def test_the_largest_integers_of_a_column_are_rows(level: int) -> None:
    prepared = prepare(batch_of(b'{"read_at":1,"level":%d}' % level), TARGET)
    assert list(prepared.rows) == [(1, level)]


class Bounded(msgspec.Struct):
    small: Annotated[int, msgspec.Meta(ge=-32_768, le=32_767)] | None
    large: Annotated[int, msgspec.Meta(ge=0, le=32_768)]
    half: Annotated[int, msgspec.Meta(ge=0)]
    text: str | None


def test_integers_that_the_contract_bounds_are_not_looked_at_again() -> None:
    columns = dict.fromkeys(("small", "large", "half"), "int2") | {"text": "text"}
    assert integers_that_fit(Bounded, columns) == {"small"}
    trusting = replace(TARGET, fitting=frozenset({"level"}))
    prepared = prepare(batch_of(b'{"read_at":1,"level":32768}'), trusting)
    assert list(prepared.rows) == [(1, 32768)]


def test_a_decoder_that_is_broken_is_no_fault_of_the_message() -> None:
    def broken(value: bytes) -> Reading:
        raise KeyError(value)

    with pytest.raises(KeyError):
        prepare(batch_of(b"{}"), replace(TARGET, decode=broken))


def test_event_hours_are_cut_at_the_hour() -> None:
    times = [EIGHT_S + 3600, EIGHT_S - 1, EIGHT_S + 3599, *range(EIGHT_S, EIGHT_S + 3600, 300)]
    assert [
        (e.hour.hour, e.first_at.minute, e.last_at.minute, e.row_count)
        for e in event_hours([*times, EIGHT_S])
    ] == [(7, 59, 59, 1), (8, 0, 59, 14), (9, 0, 0, 1)]
    assert event_hours([]) == []


def test_event_hours_are_cut_at_gaps_of_more_than_five_minutes() -> None:
    times = [EIGHT_S + 601, EIGHT_S, EIGHT_S + 300]
    assert [
        (e.hour.hour, e.first_at.minute, e.last_at.minute, e.row_count) for e in event_hours(times)
    ] == [(8, 0, 5, 2), (8, 10, 10, 1)]


@given(st.sets(st.integers(0, 7_200)), st.integers(0, 7_200))
def test_a_window_that_overlaps_a_stretch_has_an_event_of_it(times: set[int], first: int) -> None:
    last = first + MAX_GAP_S
    overlaps = any(
        e.first_at.timestamp() <= last and e.last_at.timestamp() >= first
        for e in event_hours(times)
    )
    assert overlaps == any(first <= time_s <= last for time_s in times)
