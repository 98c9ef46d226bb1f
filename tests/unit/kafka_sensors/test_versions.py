"""Contract versions side by side: each message finds its own; one of no known version is named."""

from typing import Literal

import msgspec
import pytest

from kafka_sensors.decoding import reason_for
from kafka_sensors.versions import UnknownVersionError, Version, decoder


class OldReading(msgspec.Struct, frozen=True):
    """Version 1 has centimetres."""

    level_cm: int
    version: Literal[1] = 1


class Reading(msgspec.Struct, frozen=True):
    """Version 2 has millimetres."""

    version: Literal[2]
    level_mm: int


FIRST = Version(1, OldReading, lambda old: Reading(version=2, level_mm=old.level_cm * 10))
SECOND = Version(2, Reading)
decode = decoder(FIRST, SECOND)


@pytest.mark.parametrize("order", [(FIRST, SECOND), (SECOND, FIRST)])
def test_each_version_becomes_a_record_of_the_newest(order: tuple[Version, Version]) -> None:
    both = decoder(*order)
    assert both(b'{"version":1,"level_cm":3}') == Reading(version=2, level_mm=30)
    assert both(b'{"version":2,"level_mm":31}') == Reading(version=2, level_mm=31)
    assert both(b'{"level_mm":31,"version":2}') == Reading(version=2, level_mm=31)


def test_a_message_that_says_no_version_is_of_the_first() -> None:
    assert decode(b'{"level_cm":3}') == Reading(version=2, level_mm=30)
    with pytest.raises(msgspec.ValidationError, match="level_cm"):
        decode(b'{"level_mm":30}')


@pytest.mark.parametrize("number", [0, 3, -1, 2**70])
def test_an_unknown_version_is_named_with_those_that_are_known(number: int) -> None:
    with pytest.raises(UnknownVersionError, match=rf"Version {number} .* known: 1, 2") as caught:
        decode(b'{"version":%d,"level_mm":1}' % number)
    assert reason_for(caught.value) == "unknown_version"


@pytest.mark.parametrize(
    ("value", "reason", "said"),
    [
        (b'{"version":2,"level_mm":"x"}', "contract", r"\$\.level_mm"),
        (b'{"version":1,"level_cm":"x"}', "contract", r"\$\.level_cm"),
        (b'{"version":"2","level_mm":1}', "contract", r"\$\.version"),
        (b'{"version":true,"level_mm":1}', "contract", r"\$\.version"),
        (b'{"version":1.0,"level_cm":1}', "contract", r"\$\.version"),
        (b'{"version":null,"level_cm":1}', "contract", r"\$\.version"),
        (b"[2]", "contract", "object"),
        (b'{"version":3,', "not_json", "truncated"),
        (b'{"version":3,"x":' + b"[" * 100_000, "too_deep", "recursion"),
    ],
)
def test_what_breaks_its_own_version_says_how(value: bytes, reason: str, said: str) -> None:
    with pytest.raises((ValueError, RecursionError), match=said) as caught:
        decode(value)
    assert reason_for(caught.value) == reason


class Defaulted(msgspec.Struct):
    version: Literal[2] = 2


class Unversioned(msgspec.Struct):
    level_mm: int


@pytest.mark.parametrize(
    ("number", "record"), [(1, Reading), (2, Defaulted), (1, Unversioned)], ids=str
)
def test_a_record_that_would_take_messages_of_another_version_is_refused(
    number: int, record: type[msgspec.Struct]
) -> None:
    with pytest.raises(ValueError, match=rf"cannot be version {number}"):
        Version(number, record)


def test_a_version_is_given_once() -> None:
    with pytest.raises(ValueError, match=r"\[1, 1\]"):
        decoder(FIRST, FIRST)
