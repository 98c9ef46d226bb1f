"""The message contracts read a second time, by the standard library's JSON alone.

What it takes from a message is compared with what landed. It shares no code with the contracts,
and repeats their limits on purpose.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from typing import Any

Takes = Callable[[Any], bool]
DIGITS = 30  # of an integer that any limit could allow; Python refuses to read thousands of them
INT4 = 2**31 - 1


def whole(low: int, high: int) -> Takes:
    """An integer from low to high; true and false are none."""
    return lambda value: type(value) is int and low <= value <= high


def number(low: float, high: float) -> Takes:
    """A finite number from low to high."""
    return lambda value: type(value) in (int, float) and isfinite(value) and low <= value <= high


def text(value: Any) -> bool:
    """1 to 64 characters, none of them half of one."""
    return (
        isinstance(value, str)
        and 1 <= len(value) <= 64
        and not any("\ud800" <= char <= "\udfff" for char in value)
    )


def texts(value: Any) -> bool:
    """A list of texts."""
    return type(value) is list and all(map(text, value))


def flag(value: Any) -> bool:
    """True or false."""
    return type(value) is bool


def or_null(takes: Takes) -> Takes:
    """That, or null."""
    return lambda value: value is None or takes(value)


INSTANT = whole(946_684_800, 4_102_444_800)
COUNT = whole(0, 10**DIGITS)
VERSION = {"version": whole(1, 1)}
OBSERVATION = VERSION | {
    "poll_id": text,
    "tile_id": text,
    "flight_id": text,
    "observed_at": INSTANT,
    "lat_deg": number(-90, 90),
    "lon_deg": number(-180, 180),
    "heading_deg": or_null(whole(0, 360)),
    "altitude_ft": or_null(whole(-5_000, 200_000)),
    "ground_speed_kt": or_null(whole(0, 5_000)),
    "vertical_speed_fpm": or_null(whole(-100_000, 100_000)),
    "is_on_ground": flag,
    "icao24": or_null(text),
    "callsign": or_null(text),
    "flight_number": or_null(text),
    "registration": or_null(text),
    "type_code": or_null(text),
    "airline_icao": or_null(text),
    "origin_iata": or_null(text),
    "destination_iata": or_null(text),
    "squawk": or_null(text),
}
POLL = VERSION | {
    "poll_id": text,
    "source": text,
    "started_at": INSTANT,
    "ended_at": INSTANT,
    "observation_count": COUNT,
    "refused_count": COUNT,
    "duplicate_count": COUNT,
    "full_count": or_null(COUNT),
    "request_count": COUNT,
    "tile_count": COUNT,
    "saturated_tile_ids": texts,
    "failed_tile_ids": texts,
}


@dataclass(frozen=True)
class Verdict:
    """What a message says, by column; ``None`` where it keeps to no contract.

    ``has_more``: it has fields of no known name. What is in them nobody looks at, so that a
    decoder may be stricter there.
    """

    row: Mapping[str, Any] | None
    has_more: bool = False


REFUSED = Verdict(None)


class Pairs(list[tuple[str, Any]]):
    """The fields of an object, also those that it has twice."""


def judge(value: bytes | None, contract: Mapping[str, Takes]) -> Verdict:
    """Return what a message says, or that it breaks the contract.

    Each of several fields of one name must be valid; the last one counts. A message that says no
    version is of the first.
    """
    try:
        found = json.loads(
            (value or b"").decode(errors="surrogateescape"),
            object_pairs_hook=Pairs,
            parse_constant=refuse,
            parse_int=lambda digits: int(digits) if len(digits) <= DIGITS else float(digits),
        )
    except (ValueError, RecursionError):
        return REFUSED
    if not isinstance(found, Pairs):
        return REFUSED
    known = {name: each for name, each in found if name in contract}
    if not all(contract[name](each) for name, each in found if name in contract):
        return REFUSED
    if contract.keys() - known.keys() - {"version"}:
        return REFUSED
    if not fits(known):
        return REFUSED
    row = {name: stored(name, each) for name, each in known.items() if name != "version"}
    return Verdict(row, has_more=any(name not in contract for name, _ in found))


def fits(known: Mapping[str, Any]) -> bool:
    """Tell whether the values that count are such as the tables can keep, and go together."""
    parts = [part for each in known.values() for part in (each if type(each) is list else [each])]
    counts = [each or 0 for name, each in known.items() if name.endswith("_count")]
    return (
        "\0" not in "".join(filter(text, parts))
        and max(counts, default=0) <= INT4
        and known.get("started_at", 0) <= known.get("ended_at", 0)
    )


def refuse(constant: str) -> None:
    """NaN and the infinities are not JSON."""
    raise ValueError(constant)


def stored(name: str, value: Any) -> Any:
    """Return a value as its column has it."""
    if name.endswith("_at"):
        return datetime.fromtimestamp(value, UTC)
    return float(value) if name in ("lat_deg", "lon_deg") else value
