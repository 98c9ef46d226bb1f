"""The message contract of ``flights.polls``: one record per sweep of the world."""

from collections.abc import Callable
from typing import Annotated, Final, Literal

import msgspec

from flight_assets.core.observations import Text, UnixS
from kafka_sensors.versions import Version, decoder

POLLS_TOPIC = "flights.polls"
CONTRACT_VERSION: Final = 1

Count = Annotated[int, msgspec.Meta(ge=0)]


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """One sweep of the world, published when every observation of it is acknowledged, version 1.

    Times are Unix seconds, UTC, on the clock of the source. ``observation_count`` counts what was
    published as observations, each flight once; ``full_count`` is the source's own number of
    aircraft, the largest it gave during the sweep, ``None`` where it gave none.
    """

    version: Literal[1] = CONTRACT_VERSION
    poll_id: Text
    source: Text  # "live", "simulated", "recorded"
    started_at: UnixS
    ended_at: UnixS
    observation_count: Count
    refused_count: Count  # rows that were no observation, published to be rejected by name
    duplicate_count: Count  # rows of a flight that this poll already had: seams, movement
    full_count: Count | None
    request_count: Count
    tile_count: Count
    saturated_tile_ids: list[Text]  # tiles that stayed at the cap
    failed_tile_ids: list[Text]  # tiles that gave no usable answer

    def __post_init__(self) -> None:
        # an hour is answered for the end of its last poll: one that lies before would move it
        if self.ended_at < self.started_at:
            raise ValueError(f"the poll ends at {self.ended_at}, before it starts")


_encoder = msgspec.json.Encoder()
# Every version that a topic may hold. docs/contracts.md says how another one is made.
VERSIONS = (Version(CONTRACT_VERSION, Poll),)

# Returns the poll in a message; raises as observations.decode does.
decode: Callable[[bytes], Poll] = decoder(*VERSIONS)


def encode(poll: Poll) -> bytes:
    """Return the poll as the JSON bytes of one message."""
    return _encoder.encode(poll)
