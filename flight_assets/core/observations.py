"""The message contract of ``flights.positions``: a feed row becomes an Observation, or a reason.

What a message means, its units and its limits are decided here and nowhere else. How messages
travel (``feed.producer``) and how they land (``kafka_sensors``) is not.
"""

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from kafka_sensors.versions import Version, decoder

POSITIONS_TOPIC = "flights.positions"
CONTRACT_VERSION: Final = 1

# Limits of what an aircraft can report. A value outside is an error of the source, not a flight:
# the highest balloons fly near 180,000 ft, the fastest aircraft near 2,000 kt.
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
LatitudeDeg = Annotated[float, msgspec.Meta(ge=-90, le=90)]
LongitudeDeg = Annotated[float, msgspec.Meta(ge=-180, le=180)]
HeadingDeg = Annotated[int, msgspec.Meta(ge=0, le=360)]
AltitudeFt = Annotated[int, msgspec.Meta(ge=-5_000, le=200_000)]
GroundSpeedKt = Annotated[int, msgspec.Meta(ge=0, le=5_000)]
VerticalSpeedFpm = Annotated[int, msgspec.Meta(ge=-100_000, le=100_000)]
# 2000-01-01 to 2100-01-01, Unix seconds.
UnixS = Annotated[int, msgspec.Meta(ge=946_684_800, le=4_102_444_800)]


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One aircraft at one instant, as the source reported it: one Kafka message, version 1.

    Times are Unix seconds, UTC. ``None`` is a value that the source did not give.
    """

    version: Literal[1] = CONTRACT_VERSION
    poll_id: Text
    tile_id: Text
    flight_id: Text
    observed_at: UnixS
    lat_deg: LatitudeDeg
    lon_deg: LongitudeDeg
    heading_deg: HeadingDeg | None
    altitude_ft: AltitudeFt | None
    ground_speed_kt: GroundSpeedKt | None
    vertical_speed_fpm: VerticalSpeedFpm | None
    is_on_ground: bool
    icao24: Text | None
    callsign: Text | None
    flight_number: Text | None
    registration: Text | None
    type_code: Text | None
    airline_icao: Text | None
    origin_iata: Text | None
    destination_iata: Text | None
    squawk: Text | None


class RefusedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A feed row that is no observation, and why. Published as it came, so that it is seen.

    It breaks the contract on purpose: landing keeps it in ``rejected_messages``.
    """

    refused: str
    poll_id: str
    tile_id: str
    flight_id: str
    row: Any


FEED_ROW_SLOTS = 19
# A refused row is kept as it came, unless it is so large that no broker takes it.
MAX_REFUSED_ROW_LENGTH = 10_000
MAX_REFUSED_ID_LENGTH = 200
MISSING_MARKS = ("", "N/A")  # the feed has two marks for "missing"

_encoder = msgspec.json.Encoder()
# Every version that a topic may hold. docs/contracts.md says how another one is made.
VERSIONS = (Version(CONTRACT_VERSION, Observation),)

# Returns the observation in a message of any of these versions. Raises msgspec.DecodeError for what
# is not JSON and its subclass msgspec.ValidationError for JSON that breaks the contract, of which
# UnknownVersionError is one; all name the reason.
decode: Callable[[bytes], Observation] = decoder(*VERSIONS)


def from_feed_row(
    flight_id: str, row: Sequence[Any], *, poll_id: str, tile_id: str
) -> Observation | RefusedRow:
    """Return the observation in a 19-slot row of ``feed.js``, or the row with its refusal.

    The slots are those that FlightRadarAPI 1.6.3 names in ``entities/flight.py``: altitude in
    feet, ground speed in knots, vertical speed in feet per minute, time in Unix seconds.

    >>> row = ["4CA2C1", 53.4, -6.2, 90, 1200, 140, "", "", "A320", "EI-DEE", 1753000000,
    ...        "DUB", "", "EI152", 0, 900, "EIN152", 0, "EIN"]
    >>> from_feed_row("3a3e4634", row, poll_id="p1", tile_id="0").destination_iata is None
    True
    >>> from_feed_row("3a3e4634", row[:7], poll_id="p1", tile_id="0").refused
    'row has 7 slots, the feed has 19'
    """

    def refuse(reason: str) -> RefusedRow:
        return RefusedRow(
            refused=reason,
            poll_id=poll_id,
            tile_id=tile_id,
            flight_id=flight_id[:MAX_REFUSED_ID_LENGTH],
            row=row if len(repr(row)) <= MAX_REFUSED_ROW_LENGTH else repr(row)[:1_000],
        )

    if not isinstance(row, Sequence) or isinstance(row, str):
        return refuse(f"row is {type(row).__name__}, not a list of {FEED_ROW_SLOTS} slots")
    if len(row) != FEED_ROW_SLOTS:
        return refuse(f"row has {len(row)} slots, the feed has {FEED_ROW_SLOTS}")
    text = "".join([flight_id, *(slot for slot in row if isinstance(slot, str))])
    if (
        not text.isprintable()
    ):  # no aircraft has such; half of a surrogate or a NUL stops a database
        return refuse(f"unprintable character in {text[:200]!a}")
    slots = [None if slot in MISSING_MARKS else slot for slot in row]
    fields = {
        "poll_id": poll_id,
        "tile_id": tile_id,
        "flight_id": flight_id,
        "icao24": slots[0],
        "lat_deg": slots[1],
        "lon_deg": slots[2],
        "heading_deg": slots[3],
        "altitude_ft": slots[4],
        "ground_speed_kt": slots[5],
        "squawk": slots[6],
        "type_code": slots[8],
        "registration": slots[9],
        "observed_at": slots[10],
        "origin_iata": slots[11],
        "destination_iata": slots[12],
        "flight_number": slots[13],
        "is_on_ground": bool(slots[14]) if slots[14] in (0, 1) else slots[14],
        "vertical_speed_fpm": slots[15],
        "callsign": slots[16],
        "airline_icao": slots[18],
    }
    try:
        return msgspec.convert(fields, Observation)
    except msgspec.ValidationError as error:
        return refuse(str(error))


def encode(record: Observation | RefusedRow) -> bytes:
    """Return the record as the JSON bytes of one message."""
    try:
        return _encoder.encode(record)
    except UnicodeEncodeError:  # half of a surrogate, which the refusal spells out
        text = json.dumps(msgspec.to_builtins(record), ensure_ascii=False)
        return text.encode(errors="replace")
