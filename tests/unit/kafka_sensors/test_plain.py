"""The short way gives the rows of the long way, and leaves to it what it does not know."""

import math
import struct
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flight_assets.assets.raw_flights import FLIGHT_COLUMNS, RAW_FLIGHTS
from flight_assets.core.observations import Observation, encode
from flight_assets.core.polls import Poll
from kafka_sensors import plain
from kafka_sensors.columns import POSTGRES_EPOCH_S
from kafka_sensors.plain import NotPlainError, Plan, plan_of
from tests.fake_message import EIGHT, FakeMessage

PARTITION, SLICE_ID = 3, 2**40 + 7
FORMS = {
    "int2": "!h", "int4": "!i", "int8": "!q", "timestamptz": "!q", "float8": "!d", "bool": "!?",
}  # fmt: skip

pytestmark = pytest.mark.skipif(not plain.IS_COMPILED, reason="no compiler was there")


def formed(
    *values: bytes | None, plan: Plan | None = RAW_FLIGHTS.plan
) -> tuple[plain.PlainRows, list[int]]:
    """Return the rows of some messages, and the offsets of those that are not plain."""
    assert plan is not None
    messages = [FakeMessage(100 + index, value) for index, value in enumerate(values)]
    rows, others = plan.form(messages, log_hour=EIGHT, partition=PARTITION)
    return rows, [message.offset() for message in others]


def read(rows: plain.PlainRows, columns: dict[str, str]) -> list[tuple[Any, ...]]:
    """Return rows as Postgres reads them: what landing fills, then the columns."""
    kinds = ["timestamptz", "int8", "int4", "int8", *columns.values()]
    data, at, found = bytes(rows.of_slice(SLICE_ID)), 0, []
    while at < len(data):
        assert struct.unpack_from("!h", data, at) == (len(kinds),)
        at += 2
        row: list[Any] = []
        for kind in kinds:
            (length,) = struct.unpack_from("!i", data, at)
            at += 4
            row.append(value_of(kind, data[at : at + length]) if length >= 0 else None)
            at += max(length, 0)
        found.append(tuple(row))
    assert at == len(data)
    return found


def value_of(kind: str, form: bytes) -> Any:
    if kind == "text":
        return form.decode()
    if kind == "text[]":
        assert form == struct.pack("!iii", 0, 0, 25)
        return []
    (value,) = struct.unpack(FORMS[kind], form)
    return value // 1_000_000 + POSTGRES_EPOCH_S if kind == "timestamptz" else value


def long_way(value: bytes, offset: int = 100) -> tuple[Any, ...]:
    """Return the row that the contract's decoder gives for a message."""
    row = RAW_FLIGHTS.row(RAW_FLIGHTS.decode(value))
    return (int(EIGHT.timestamp()), SLICE_ID, PARTITION, offset, *row)


def same(left: Sequence[Any], right: Sequence[Any]) -> bool:
    """Return whether two rows are the same to the bit: 1 is not 1.0, and -0.0 is not 0.0."""
    return repr(left) == repr(right)


ascii_texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=64)
plain_texts = ascii_texts.filter(lambda text: not set(text) & set('"\\'))
degrees = st.floats(-90, 90) | st.floats(-90, 90).map(lambda number: round(number, 4))


def sky(texts: st.SearchStrategy[str], reals: st.SearchStrategy[float]) -> Any:
    """Return a strategy of observations."""
    maybe = st.none() | texts
    return st.builds(
        Observation,
        poll_id=texts, tile_id=texts, flight_id=texts,
        observed_at=st.integers(946_684_800, 4_102_444_800),
        lat_deg=reals, lon_deg=reals,
        heading_deg=st.none() | st.integers(0, 360),
        altitude_ft=st.none() | st.integers(-5_000, 200_000),
        ground_speed_kt=st.none() | st.integers(0, 5_000),
        vertical_speed_fpm=st.none() | st.integers(-100_000, 100_000),
        is_on_ground=st.booleans(),
        icao24=maybe, callsign=maybe, flight_number=maybe, registration=maybe, type_code=maybe,
        airline_icao=maybe, origin_iata=maybe, destination_iata=maybe, squawk=maybe,
    )  # fmt: skip


@given(sky(plain_texts, st.integers(-900_000, 900_000).map(lambda number: number / 10_000)))
def test_what_our_producers_write_is_plain_and_gives_the_row_of_the_long_way(
    observation: Observation,
) -> None:
    value = encode(observation)
    rows, others = formed(value)
    if b"-0.0," in value:  # no number of its own in the short way
        assert others == [100]
        return
    assert others == []
    assert list(rows.event_times_s) == [observation.observed_at]
    [row] = read(rows, FLIGHT_COLUMNS)
    assert same(row, long_way(value))


@given(sky(ascii_texts | st.text(min_size=1, max_size=64), degrees))
def test_any_observation_gives_the_row_of_the_long_way_or_is_left_to_it(
    observation: Observation,
) -> None:
    value = encode(observation)
    rows, others = formed(value)
    assert len(rows) + len(others) == 1
    for row in read(rows, FLIGHT_COLUMNS):
        assert same(row, long_way(value))


TOKENS = [
    b"null", b"true", b"false", b"0", b"00", b"01", b"-0", b"-0.0", b"-1", b"1.0", b"1.", b".5",
    b"1e5", b"1E-2", b"0.1e1",
    b"9007199254740993", b"999999999999999999", b"9999999999999999999", b"-",
    b"89.99999999999999", b"90.00000000000001", b"53.123456789012345678", b"NaN", b"Infinity",
    b'""', b'"a"', b'"\\n"', b'"\xc3\xa9"', b'"\xff"', b'"\x00"', b'"' + b"x" * 65 + b'"', b"[]",
    b"{}", b" 1",
    b"1 ", b"4102444801", b"946684799", b"361", b'"1"', b"2147483648", b"+1", b"1_0", b"0x1",
]  # fmt: skip


@given(
    sky(plain_texts, st.just(53.5)).map(encode),
    st.lists(
        st.tuples(
            st.floats(0, 1), st.integers(0, 3), st.binary(max_size=3) | st.sampled_from(TOKENS)
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_a_message_that_was_changed_anywhere_is_read_as_the_long_way_does_or_left_to_it(
    value: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    for where, taken, put in changes:
        at = round(where * len(value))
        value = value[:at] + put + value[at + taken :]
    rows, others = formed(value)
    assert len(rows) + len(others) == 1
    for row in read(rows, FLIGHT_COLUMNS):
        assert same(row, long_way(value))


GOOD = Observation(
    poll_id="p", tile_id="t", flight_id="f", observed_at=1_753_000_000, lat_deg=53.5, lon_deg=-6.25,
    heading_deg=90, altitude_ft=1200, ground_speed_kt=140, vertical_speed_fpm=-640,
    is_on_ground=False, icao24="4CA2C1", callsign="EIN152", flight_number="EI152",
    registration="EI-DEE", type_code="A320", airline_icao="EIN", origin_iata="DUB",
    destination_iata=None, squawk="2215",
)  # fmt: skip


@pytest.mark.parametrize("name", list(FLIGHT_COLUMNS))
@pytest.mark.parametrize("token", TOKENS)
def test_a_value_of_any_kind_in_any_field_is_read_as_the_long_way_does_or_left_to_it(
    name: str, token: bytes
) -> None:
    fields = msgspec.to_builtins(GOOD) | {name: msgspec.Raw(token)}
    value = msgspec.json.encode(fields)
    rows, others = formed(value)
    assert len(rows) + len(others) == 1
    for row in read(rows, FLIGHT_COLUMNS):
        assert same(row, long_way(value))


@given(st.integers(0, 10**15 - 1), st.integers(0, 14))
def test_a_decimal_of_fifteen_digits_is_the_nearest_double(digits: int, decimals: int) -> None:
    text = f"{digits:0{decimals + 1}d}"
    whole, fraction = text[: len(text) - decimals], text[len(text) - decimals :]
    token = f"{whole}.{fraction}" if fraction else whole
    number = float(token)
    value = encode(GOOD).replace(b"53.5", token.encode())
    rows, _ = formed(value)
    assert len(rows) == (-90 <= number <= 90 and len(text) <= 15)
    for row in read(rows, FLIGHT_COLUMNS):
        assert row[5] == number


def test_messages_keep_their_offsets_and_the_others_are_named() -> None:
    good = encode(GOOD)
    rows, others = formed(good, None, b"", good[:-1], good + b" ", good, b"{}")
    assert others == [101, 102, 103, 104, 106]
    assert [row[3] for row in read(rows, FLIGHT_COLUMNS)] == [100, 105]
    assert len(rows) == 2


def test_no_message_gives_no_row() -> None:
    rows, others = formed()
    assert (len(rows), bytes(rows.of_slice(1)), others) == (0, b"", [])


class Small(msgspec.Struct):
    """One field of each kind."""

    version: Literal[2]
    at: int
    small: Annotated[int, msgspec.Meta(ge=0)] | None
    medium: int
    large: int
    real: float
    is_so: bool
    name: str
    marks: list[str]


SMALL_COLUMNS = {
    "name": "text", "at": "timestamptz", "small": "int2", "medium": "int4", "large": "int8",
    "real": "float8", "is_so": "bool", "marks": "text[]",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "is_plain"),
    [
        ("small", 2**15 - 1, True),
        ("small", 2**15, False),
        ("small", -1, False),
        ("small", None, True),
        ("medium", -(2**31), True),
        ("medium", 2**31, False),
        ("medium", None, False),
        ("large", 10**18 - 1, True),
        ("large", 10**18, False),
        ("at", 253_402_300_799, True),
        ("at", 253_402_300_800, False),
        ("real", -1e13, True),
        ("real", -1e14, False),
        ("name", "", True),
        ("version", 1, False),
        ("marks", [""], False),
        ("marks", None, False),
    ],
)
def test_a_column_takes_what_fits_it_and_the_contract(
    name: str, value: object, is_plain: bool
) -> None:
    good = {
        "version": 2, "at": 0, "small": 1, "medium": 2, "large": 3, "real": 0.5, "is_so": True,
        "name": "a", "marks": [],
    }  # fmt: skip
    if isinstance(value, float):
        value = msgspec.Raw(f"{value:.1f}".encode())
    plan = plan_of(Small, SMALL_COLUMNS, event_at="at")
    rows, others = formed(msgspec.json.encode(good | {name: value}), plan=plan)
    assert (len(rows), others) == ((1, []) if is_plain else (0, [100]))
    for row in read(rows, SMALL_COLUMNS):
        assert dict(zip(SMALL_COLUMNS, row[4:], strict=True)).get(name) in (value, -1e13)


class WithList(msgspec.Struct):
    at: int
    marks: Annotated[list[str], msgspec.Meta(min_length=1)]


class WithStep(msgspec.Struct):
    at: int
    level: Annotated[int, msgspec.Meta(multiple_of=2)]


class WithPattern(msgspec.Struct):
    at: int
    name: Annotated[str, msgspec.Meta(pattern="a+")]


class WithTwoTypes(msgspec.Struct):
    at: int
    name: str | int


@pytest.mark.parametrize(
    ("record", "columns", "named"),
    [
        (WithList, {"at": "timestamptz", "marks": "text[]"}, "marks"),
        (WithStep, {"at": "timestamptz", "level": "int4"}, "level"),
        (WithPattern, {"at": "timestamptz", "name": "text"}, "name"),
        (WithTwoTypes, {"at": "timestamptz", "name": "text"}, "name"),
        (Poll, {}, "Poll is more than its fields"),
        (WithPattern, {"at": "timestamptz"}, "WithPattern.name has no column"),
        (WithList, {"at": "timestamptz", "marks": "text", "more": "text"}, "marks"),
    ],
)
def test_what_the_short_way_does_not_know_is_said(
    record: type[msgspec.Struct], columns: dict[str, str], named: str
) -> None:
    with pytest.raises(NotPlainError, match=named):
        plan_of(record, columns, event_at="at")


def test_without_a_compiler_there_is_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "IS_COMPILED", False)
    assert plan_of(Observation, FLIGHT_COLUMNS, event_at="observed_at") is None


def test_what_python_gives_is_checked() -> None:
    compiled = plain._plain_rows
    field = (b'{"at":', plain.KINDS.index("timestamptz"), 0, 0, 0, 1, 0.0, math.inf)
    plan = compiled.make_plan((field,), b"}", 0)
    rows, starts, _, _ = compiled.form(plan, (b'{"at":1}',), (0,), 0, 0)
    with pytest.raises(ValueError, match="outside"):
        compiled.set_slice(rows, struct.pack("q", 20), 1)
    with pytest.raises(ValueError, match="outside"):
        compiled.set_slice(rows, struct.pack("q", -1), 1)
    compiled.set_slice(rows, starts, 1)
    with pytest.raises(ValueError, match="as many"):
        compiled.form(plan, (b"",), (), 0, 0)
    with pytest.raises(ValueError, match="no such column"):
        compiled.make_plan(((*field[:3], 1, *field[4:]),), b"}", 0)
    with pytest.raises(ValueError, match="a column of its own"):
        compiled.make_plan((field, field), b"}", 0)
    with pytest.raises(ValueError, match="1 to 64 fields"):
        compiled.make_plan((field,) * 65, b"}", 0)
    with pytest.raises(ValueError, match="invalid PyCapsule"):
        compiled.form(object(), (), (), 0, 0)
