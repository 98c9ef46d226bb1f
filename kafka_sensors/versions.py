"""Versions of a message contract that live side by side in one topic.

Each message says its version in the field ``version``; one that says none is of the first. The
newest version is decoded as if there were no other, so it costs nothing that there are older
ones; an older message takes a second look, and becomes a record of the newest version.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

FIRST_VERSION = 1


class UnknownVersionError(msgspec.ValidationError):
    """The message is of a version that this decoder was not given."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version: its number, its record, and how that becomes a record of the newest version.

    The record has a field ``version`` of type ``Literal[number]``, so that it takes no other's
    messages; only in the first version may it have a default. ``to_newest`` of the newest version
    is not called.
    """

    number: int
    record: type[msgspec.Struct]
    to_newest: Callable[[Any], Any] = lambda record: record

    def __post_init__(self) -> None:
        fields = {field.name: field for field in msgspec.structs.fields(self.record)}
        says = fields.get("version")
        # a default would take a message that says no version for one of this version
        is_optional = says is not None and not says.required and self.number != FIRST_VERSION
        if says is None or says.type != Literal[self.number] or is_optional:
            raise ValueError(
                f"{self.record.__name__} cannot be version {self.number}: it needs the field "
                f"version: Literal[{self.number}]"
                + ("" if self.number == FIRST_VERSION else ", without a default")
            )


class _Envelope(msgspec.Struct):
    """What every version has."""

    version: Any = FIRST_VERSION


_envelope = msgspec.json.Decoder(_Envelope)


def decoder(*versions: Version) -> Callable[[bytes], Any]:
    """Return the function that decodes a message of any of these versions to the newest's record.

    It raises ``msgspec.DecodeError`` for what is not JSON, ``UnknownVersionError`` for a version
    that is not among these, and ``msgspec.ValidationError`` for what breaks its version.
    """
    by_number = {version.number: version for version in versions}
    if not versions or len(by_number) < len(versions):
        raise ValueError(f"versions are one or more, each once, not {[v.number for v in versions]}")
    newest = by_number[max(by_number)]
    decode_newest = msgspec.json.Decoder(newest.record).decode
    older = {
        number: (msgspec.json.Decoder(version.record).decode, version.to_newest)
        for number, version in by_number.items()
        if version is not newest
    }

    def decode(value: bytes) -> Any:
        try:
            return decode_newest(value)
        except msgspec.ValidationError:
            number = version_of(value)
            if number in older:
                decode_older, to_newest = older[number]
                return to_newest(decode_older(value))
            if number is not None and number != newest.number:
                raise UnknownVersionError(unknown(number, by_number)) from None
            raise

    return decode


def version_of(value: bytes) -> int | None:
    """Return the version that a message says it is of; ``None`` where it says nothing usable.

    >>> version_of(b'{"version": 2}'), version_of(b'{}'), version_of(b'{"version": "2"}')
    (2, 1, None)
    """
    try:
        version = _envelope.decode(value).version
    except msgspec.ValidationError:  # JSON, and no object
        return None
    return version if type(version) is int else None


def unknown(number: int, known: Iterable[int]) -> str:
    """Return what is wrong with a version, for a person."""
    names = ", ".join(map(str, sorted(known)))
    return f"Version {number} is not known here, known: {names} - at `$.version`"
