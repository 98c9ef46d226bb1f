"""Messages that keep no contract, by name and by the hundred thousand: each is a row or is kept
with its bytes, and its neighbours land."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from flight_assets.assets.raw_flights import RAW_FLIGHTS, RAW_POLLS
from kafka_sensors.landing import Target
from tests.faults.judge import OBSERVATION, POLL, Takes, judge
from tests.faults.mutations import DEEP, fields_of, fuzzed, good_observation, good_poll, joined
from tests.faults.proofs import Sent, log_of
from tests.faults.streams import LARGEST_MESSAGE, Stream

pytestmark = [pytest.mark.integration, pytest.mark.faults]

SEED = 20_250_720
OBSERVATIONS, POLLS = 80_000, 20_000
BAD_SHARE = 0.8
PARTITIONS = 3
MEGABYTES_10 = 10 * 2**20
KEYS = (None, b"", b"3a3e4634", b"\xff\x00")
Streams = Callable[..., Stream]


@pytest.fixture
def streams(kafka_bootstrap: str, database: str) -> Iterator[Streams]:
    """Make streams; their topics are deleted afterwards."""
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    topics: list[str] = []

    def make(target: Target, *, partitions: int = 1, **config: str) -> Stream:
        name = f"{target.topic}.{uuid.uuid4().hex[:8]}"
        config = {each.replace("_", "."): value for each, value in config.items()}
        admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result()
        topics.append(name)
        return Stream(kafka_bootstrap, database, replace(target, topic=name))

    yield make
    for topic in topics:
        admin.delete_topics([topic])[topic].result()


def with_value(name: str, token: bytes) -> bytes:
    """Return a good message with another value in one field."""
    fields = fields_of(good_observation(Random(SEED))) or []
    wanted = json.dumps(name).encode()
    assert wanted in dict(fields)
    return joined([(each, token if each == wanted else value) for each, value in fields])


GOOD = with_value("lat_deg", b"53.4")
# Each by name: the message and the reasons of which it may be given one.
NAMED: dict[str, tuple[bytes | None, set[str]]] = {
    "no value at all": (None, {"null_value"}),
    "an empty value": (b"", {"empty_value"}),
    "not JSON": (b"hello", {"not_json"}),
    "HTML": (b"<html></html>", {"not_json"}),
    "truncated": (GOOD[:-20], {"not_json"}),
    "two objects": (GOOD + GOOD, {"not_json"}),
    "a NUL behind it": (GOOD + b"\0", {"not_json"}),
    "JSON, but no object": (b"[1]", {"contract"}),
    "a later version": (with_value("version", b"2"), {"contract", "unknown_version"}),
    "no version of all": (with_value("version", b"0"), {"contract", "unknown_version"}),
    "a version in words": (with_value("version", b'"1"'), {"contract", "unknown_version"}),
    "text for a number": (with_value("altitude_ft", b'"1200"'), {"contract"}),
    "a number for text": (with_value("callsign", b"1200"), {"contract"}),
    "a fraction for a whole number": (with_value("heading_deg", b"90.5"), {"contract"}),
    "true for a number": (with_value("heading_deg", b"true"), {"contract"}),
    "null where there must be something": (with_value("flight_id", b"null"), {"contract"}),
    "NaN": (with_value("lat_deg", b"NaN"), {"not_json"}),
    "infinity": (with_value("lat_deg", b"-Infinity"), {"not_json"}),
    "a number beyond all floats": (with_value("lat_deg", b"1e400"), {"contract"}),
    "a latitude of 91 degrees": (with_value("lat_deg", b"91"), {"contract"}),
    "an altitude of 2 million feet": (with_value("altitude_ft", b"2000000"), {"contract"}),
    "a number of 5,000 digits": (with_value("altitude_ft", b"9" * 5_000), {"contract"}),
    "a time of the year 3000": (with_value("observed_at", b"32503680000"), {"contract"}),
    "a byte that UTF-8 has not": (with_value("callsign", b'"\xff"'), {"not_utf8"}),
    "a character in too many bytes": (with_value("callsign", b'"\xc0\xaf"'), {"not_utf8"}),
    "half of a character": (with_value("callsign", rb'"\ud800"'), {"not_json"}),
    "a NUL character": (with_value("callsign", rb'"\u0000"'), {"unstorable"}),
    "an empty text": (with_value("callsign", b'""'), {"contract"}),
    "a text of 65 characters": (with_value("callsign", b'"%s"' % (b"x" * 65)), {"contract"}),
    "a key twice, once wrong": (GOOD[:-1] + b', "lat_deg": 99}', {"contract"}),
    "brackets in brackets": (b"[" * DEEP, {"too_deep", "not_json", "contract"}),
    "objects in objects": (
        GOOD[:-1] + b', "more": ' + b'{"a":' * DEEP + b"1" + b"}" * (DEEP + 1),
        {"too_deep"},
    ),
}  # fmt: skip


def test_a_message_of_every_bad_kind_is_kept_with_its_reason_between_neighbours_that_land(
    streams: Streams,
) -> None:
    """Bad messages, kind by kind.

    Fault: messages that are not JSON, truncated, empty, null, of a wrong version, of wrong types,
    with NaN and infinity, absurd numbers, invalid UTF-8, a key twice, deep nesting.
    Promise: each is in ``rejected_messages`` once with its bytes, its key and a reason of its kind;
    the good messages before and behind it land.
    Seen: the reason by kind; the topic's log is compared with the rows and the rejected messages.
    """
    stream = streams(RAW_FLIGHTS)
    values = [each for bad, _ in NAMED.values() for each in (GOOD, bad)]
    stream.send([Sent(b"3a3e4634", value) for value in [*values, GOOD]])
    stream.land()
    stream.assert_landed_once()
    reasons = stream.reasons()
    wrong = {
        name: reasons.get(2 * number + 1)
        for number, (name, (_, allowed)) in enumerate(NAMED.items())
        if reasons.get(2 * number + 1) not in allowed
    }
    assert wrong == {}
    assert sorted(at for _, at in stream.rows()) == list(range(0, 2 * len(NAMED) + 1, 2))


def test_a_message_of_ten_megabytes_is_kept_whole_between_neighbours_that_land(
    streams: Streams,
) -> None:
    """A string of 10 MB.

    Fault: messages with a text of 10 MB in a field of the contract, and 10 MB that are no JSON, on
    a topic that allows them.
    Promise: each is in ``rejected_messages`` once with all of its bytes; their neighbours land.
    Seen: the stored bytes are compared with those of the topic's log.
    """
    stream = streams(RAW_FLIGHTS, max_message_bytes=str(LARGEST_MESSAGE))
    large = with_value("callsign", b'"' + b"x" * MEGABYTES_10 + b'"')
    junk = Random(SEED).randbytes(MEGABYTES_10)
    stream.send([Sent(None, value) for value in (GOOD, large, GOOD, junk, large, GOOD)])
    stream.land()
    stream.assert_landed_once()
    assert stream.reasons() == {1: "contract", 3: "not_json", 4: "contract"}
    assert sorted(stream.rows()) == [(0, 0), (0, 2), (0, 5)]


def assert_judged_alike(stream: Stream, contract: Mapping[str, Takes]) -> int:
    """Assert that what landed is what a second reading takes; return how many messages it took."""
    rows, taken = stream.rows(), 0
    for place, sent in log_of(stream.bootstrap, stream.target.topic).items():
        verdict, row = judge(sent.value, contract), rows.get(place)
        taken += verdict.row is not None
        if row is None and verdict.has_more:
            continue
        assert row == verdict.row, (place, sent.value)
    return taken


@pytest.mark.parametrize(
    ("target", "good", "contract", "count"),
    [
        pytest.param(RAW_FLIGHTS, good_observation, OBSERVATION, OBSERVATIONS, id="observations"),
        pytest.param(RAW_POLLS, good_poll, POLL, POLLS, id="polls"),
    ],
)
def test_of_a_hundred_thousand_fuzzed_messages_each_lands_as_it_says_or_is_kept_as_it_came(
    streams: Streams,
    target: Target,
    good: Callable[[Random], bytes],
    contract: Mapping[str, Takes],
    count: int,
) -> None:
    """A hundred thousand messages from a fuzzer.

    Fault: 80,000 observations and 20,000 polls through Kafka, four of five of them changed at
    random (a fixed seed): bits, bytes, values, names, versions, nesting, encodings.
    Promise: each is in the table once or in ``rejected_messages`` once with its bytes; what landed
    keeps the contract; landing does not fail.
    Seen: the topic's log is compared with both tables; a second reading of the contract, which
    shares no code with the first, takes the same messages and the same values from them.
    """
    stream = streams(target, partitions=PARTITIONS)
    random = Random(SEED)
    values = fuzzed(random, good, count=count, share=BAD_SHARE)
    stream.send([Sent(random.choice(KEYS), value) for value in values], partitions=PARTITIONS)
    stream.land()
    stream.assert_landed_once()
    taken = assert_judged_alike(stream, contract)
    assert count * 0.2 < taken < count * 0.5
