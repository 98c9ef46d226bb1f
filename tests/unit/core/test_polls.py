"""The poll record: what survives its message, and what is rejected."""

import msgspec
import pytest

from flight_assets.core.polls import Poll, decode, encode

POLL = Poll(
    poll_id="20250720T082010Z-1f3a5c",
    source="recorded",
    started_at=1752999610,
    ended_at=1752999610,
    observation_count=1500,
    refused_count=0,
    duplicate_count=3,
    full_count=None,
    request_count=7,
    tile_count=4,
    saturated_tile_ids=[],
    failed_tile_ids=["03"],
)


def test_a_poll_survives_its_message() -> None:
    assert decode(encode(POLL)) == POLL


def test_a_negative_count_is_rejected_by_name() -> None:
    message = msgspec.json.decode(encode(POLL))
    with pytest.raises(msgspec.ValidationError, match=r"\$\.request_count"):
        decode(msgspec.json.encode(message | {"request_count": -1}))


def test_a_poll_that_ends_before_it_starts_is_rejected() -> None:
    message = msgspec.json.decode(encode(POLL))
    began_at = message["started_at"]
    assert decode(msgspec.json.encode(message | {"ended_at": began_at})).ended_at == began_at
    with pytest.raises(msgspec.ValidationError, match="before it starts"):
        decode(msgspec.json.encode(message | {"ended_at": began_at - 1}))
