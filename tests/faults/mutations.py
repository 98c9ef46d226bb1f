"""Messages that keep their contract, and ten thousand ways in which they do not.

All of it follows from the random numbers it is given: the same seed makes the same messages.
"""

import json
from collections.abc import Callable, Iterator
from random import Random

import msgspec

from flight_assets.core import observations, polls
from flight_assets.core.observations import Observation
from flight_assets.core.polls import Poll

TEXTS = ("A320", "EI-DEE", "DUB", "N/A", " ", "x" * 64, "Ł\N{AIRPLANE}", "\\", '"', "a\tb")
DEEP = 20_000
SHARE_OF_MORE = 0.3  # of the changed messages, that are changed again

# What may stand in a field instead of what belongs there, as it stands in the message.
ODD_NUMBERS = (
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "1e5", "0.1e1", "-0", "-0.0",
    "00", "+1", ".5", "5.", "0x10", "90", "90.0000001", "-91", "180", "-181", "360", "361", "-1",
    "0", "1", "1.0", "5001", "200001", "946684799", "946684800", "4102444800", "4102444801",
    "2147483647", "2147483648", "-2147483649", "9223372036854775808", "9" * 30, "9" * 5_000,
    "0." + "3" * 5_000,
)  # fmt: skip
ODD_TEXTS = (
    '""', '" "', '"A"', f'"{"x" * 64}"', f'"{"x" * 65}"', f'"{"x" * 10_000}"', '"90"', '"true"',
    r'"\u0000"', r'"A\u0000"', r'"\ud800"', r'"\udc00\ud800"', r'"\u202e"', r'"a\nb"', r'"\x"',
    '"a\nb"', '"\x00"', '"unclosed', "'A'", "A", f'"{"é" * 64}"', f'"{"é" * 65}"',
)  # fmt: skip
ODD_BYTES = (b'"\xff\xfe"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"', b'"\xc3"')
ODD_SHAPES = (
    "null", "true", "false", "[]", "{}", "[1]", '["A"]', '[""]', "[null]", '{"a": 1}', "",
    "[" * 200 + "]" * 200, "[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP,
)  # fmt: skip
ODD = (
    *(token.encode() for token in (*ODD_NUMBERS, *ODD_TEXTS, *ODD_SHAPES)),
    *ODD_BYTES,
)
# What is no object of fields at all. None is a message without a value, a tombstone.
ODD_MESSAGES = (
    None, b"", b" ", b"\x00", b"\xff" * 20, b"null", b"[]", b"{}", b"1", b'"text"', b"hello",
    b"<html></html>", b"\x00\x01\x02", b"[" * DEEP, b'{"a":' * DEEP, b"{" * 50, b"\xef\xbb\xbf{}",
)  # fmt: skip

Fields = list[tuple[bytes, bytes]]  # names and values as they stand in the message


def good_observation(random: Random) -> bytes:
    """Return a message of ``flights.positions``, its values anywhere within their limits."""

    def maybe(low: int, high: int) -> int | None:
        return random.choice((low, high, None, random.randint(low, high), random.randint(0, 360)))

    texts = {
        name: random.choice((*TEXTS, None))
        for name in (
            "icao24", "callsign", "flight_number", "registration", "type_code", "airline_icao",
            "origin_iata", "destination_iata", "squawk",
        )
    }  # fmt: skip
    observation = Observation(
        poll_id="20250720T082010Z-1f3a5c",
        tile_id=str(random.randrange(4)),
        flight_id=f"{random.getrandbits(32):08x}",
        observed_at=random.choice((946_684_800, 4_102_444_800, random.randint(10**9, 2 * 10**9))),
        lat_deg=random.choice((-90.0, 90.0, 0.0, random.uniform(-90, 90))),
        lon_deg=random.choice((-180.0, 180.0, -0.0, random.uniform(-180, 180))),
        heading_deg=maybe(0, 360),
        altitude_ft=maybe(-5_000, 200_000),
        ground_speed_kt=maybe(0, 5_000),
        vertical_speed_fpm=maybe(-100_000, 100_000),
        is_on_ground=random.random() < 0.5,
        **texts,
    )
    return observations.encode(observation)


def good_poll(random: Random) -> bytes:
    """Return a message of ``flights.polls``."""
    started_at = random.randint(10**9, 2 * 10**9)
    poll = Poll(
        poll_id=f"{random.getrandbits(32):08x}",
        source=random.choice(("live", "simulated", "recorded")),
        started_at=started_at,
        ended_at=started_at + random.randint(0, 600),
        observation_count=random.choice((0, 12_000, 2**31 - 1)),
        refused_count=random.randint(0, 9),
        duplicate_count=random.randint(0, 999),
        full_count=random.choice((None, 0, 12_000)),
        request_count=random.randint(0, 99),
        tile_count=random.randint(0, 99),
        saturated_tile_ids=random.sample(TEXTS, random.randint(0, 3)),
        failed_tile_ids=random.sample(TEXTS, random.randint(0, 3)),
    )
    return polls.encode(poll)


def fuzzed(
    random: Random, good: Callable[[Random], bytes], *, count: int, share: float
) -> Iterator[bytes | None]:
    """Yield so many messages, of which a share was changed, once or a few times."""
    for _ in range(count):
        message: bytes | None = good(random)
        more = share
        while message and random.random() < more:
            message, more = random.choice(MUTATIONS)(random, message), SHARE_OF_MORE
        yield message


def fields_of(message: bytes) -> Fields | None:
    """Return the fields of an object, or ``None`` where it is none any more."""
    try:
        found = msgspec.json.decode(message, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return None
    return [(json.dumps(name).encode(), bytes(value)) for name, value in found.items()]


def joined(fields: Fields) -> bytes:
    """Return the message of these fields."""
    return b"{" + b", ".join(name + b": " + value for name, value in fields) + b"}"


def odd_value(random: Random, message: bytes) -> bytes:
    """Put something else into one field."""
    fields = fields_of(message)
    if not fields:
        return message
    at = random.randrange(len(fields))
    fields[at] = (fields[at][0], random.choice(ODD))
    return joined(fields)


def odd_version(random: Random, message: bytes) -> bytes:
    """Claim another version."""
    versions = (b"0", b"2", b"-1", b'"1"', b"1.0", b"null", b"99999999999999999999", b"true")
    fields = [each for each in fields_of(message) or [] if each[0] != b'"version"']
    return joined([*fields, (b'"version"', random.choice(versions))])


def missing_field(random: Random, message: bytes) -> bytes:
    """Leave a field out."""
    fields = fields_of(message)
    if fields:
        del fields[random.randrange(len(fields))]
    return joined(fields or [])


def another_field(random: Random, message: bytes) -> bytes:
    """Add a field that the contract does not have."""
    name = random.choice((b'"more"', b'""', b'"\\u0000"', b'"LAT_DEG"', b'"lat_deg "', b'"\xff"'))
    return joined([*(fields_of(message) or []), (name, random.choice(ODD))])


def same_field_again(random: Random, message: bytes) -> bytes:
    """Have a field twice, with the same value or another one."""
    fields = fields_of(message)
    if not fields:
        return message
    name, value = random.choice(fields)
    fields.insert(random.randint(0, len(fields)), (name, random.choice((value, *ODD))))
    return joined(fields)


def escaped_name(random: Random, message: bytes) -> bytes:
    """Write a name in another way that means the same."""
    return message.replace(b"_", rb"\u005f", random.randint(1, 9))


def wrapped(random: Random, message: bytes) -> bytes:
    """Put it into something, or something around it."""
    around = ((b"[", b"]"), (b'{"a": ', b"}"), (b" \n", b"\t "), (b"", b"x"), (b"", b"\x00"),
              (b"", b"{}"), (b"\xef\xbb\xbf", b""))  # fmt: skip
    before, after = random.choice(around)
    return before + message + after


def in_another_encoding(random: Random, message: bytes) -> bytes:
    """Write it in an encoding that JSON messages do not have."""
    encoding = random.choice(("utf-16", "utf-32", "utf-7", "latin-1"))
    return message.decode(errors="replace").encode(encoding, errors="replace")


def flipped_bits(random: Random, message: bytes) -> bytes:
    """Turn bits over, as a bad memory does."""
    changed = bytearray(message)
    for _ in range(random.choice((1, 1, 1, 2, 8))):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def cut_off(random: Random, message: bytes) -> bytes:
    """Keep the beginning, or the end."""
    at = random.randrange(len(message))
    return random.choice((message[:at], message[at:]))


def span_changed(random: Random, message: bytes) -> bytes:
    """Take a stretch out, double it, or put random bytes there."""
    start = random.randrange(len(message))
    end = min(len(message), start + random.randint(1, 12))
    middle = random.choice((b"", message[start:end] * 2, random.randbytes(end - start)))
    return message[:start] + middle + message[end:]


def something_else(random: Random, message: bytes) -> bytes | None:
    """Send another thing altogether."""
    return random.choice(ODD_MESSAGES)


MUTATIONS: tuple[Callable[[Random, bytes], bytes | None], ...] = (
    odd_value, odd_value, odd_value, odd_version, missing_field, another_field, same_field_again,
    escaped_name, wrapped, in_another_encoding, flipped_bits, cut_off, span_changed, something_else,
)  # fmt: skip
