"""The contract: what a feed row becomes, and what is refused with which reason."""

import msgspec
import pytest

from flight_assets.core.observations import (
    Observation,
    RefusedRow,
    decode,
    encode,
    from_feed_row,
)
from kafka_sensors.versions import UnknownVersionError

# fmt: off
ROW = ["4CA2C1", 53.4, -6.2, 90, 1200, 140, "7000", "F-EIDW1", "A320", "EI-DEE", 1753000000,
       "DUB", "LHR", "EI152", 0, 900, "EIN152", 0, "EIN"]
# fmt: on


def made_of(**slots: object) -> Observation | RefusedRow:
    row = list(ROW)
    for name, value in slots.items():
        row[int(name.removeprefix("slot_"))] = value
    return from_feed_row("3a3e4634", row, poll_id="p1", tile_id="02")


def test_a_row_becomes_an_observation_field_by_field() -> None:
    assert made_of() == Observation(
        poll_id="p1",
        tile_id="02",
        flight_id="3a3e4634",
        observed_at=1753000000,
        lat_deg=53.4,
        lon_deg=-6.2,
        heading_deg=90,
        altitude_ft=1200,
        ground_speed_kt=140,
        vertical_speed_fpm=900,
        is_on_ground=False,
        icao24="4CA2C1",
        callsign="EIN152",
        flight_number="EI152",
        registration="EI-DEE",
        type_code="A320",
        airline_icao="EIN",
        origin_iata="DUB",
        destination_iata="LHR",
        squawk="7000",
    )


@pytest.mark.parametrize("mark", ["", "N/A", None])
def test_both_marks_for_missing_become_null(mark: str | None) -> None:
    observation = made_of(slot_8=mark, slot_11=mark)
    assert isinstance(observation, Observation)
    assert observation.type_code is None
    assert observation.origin_iata is None


@pytest.mark.parametrize(
    ("slots", "said"),
    [
        ({"slot_1": 90.01}, "$.lat_deg"),
        ({"slot_1": float("nan")}, "$.lat_deg"),
        ({"slot_2": -180.5}, "$.lon_deg"),
        ({"slot_3": 361}, "$.heading_deg"),
        ({"slot_4": "1200"}, "$.altitude_ft"),
        ({"slot_4": 200_001}, "$.altitude_ft"),
        ({"slot_5": -1}, "$.ground_speed_kt"),
        ({"slot_10": ""}, "$.observed_at"),
        ({"slot_10": 946_684_799}, "$.observed_at"),
        ({"slot_14": 2}, "$.is_on_ground"),
        ({"slot_16": 152}, "$.callsign"),
        ({"slot_9": "EI-\x00DE"}, "unprintable"),
        ({"slot_9": "EI-\ud800"}, "unprintable"),
    ],
)
def test_an_impossible_value_is_refused_by_name(slots: dict[str, object], said: str) -> None:
    refused = made_of(**slots)
    assert isinstance(refused, RefusedRow)
    assert said in refused.refused
    assert len(refused.row) == 19


@pytest.mark.parametrize(
    "slots",
    [{"slot_1": 90}, {"slot_2": -180}, {"slot_3": 360}, {"slot_4": -5_000}, {"slot_14": True}],
)
def test_values_at_the_limits_are_taken(slots: dict[str, object]) -> None:
    assert isinstance(made_of(**slots), Observation)


@pytest.mark.parametrize("row", [None, "row", {"lat": 1}, 4, ROW[:18], [*ROW, 0]])
def test_what_is_no_row_of_19_slots_is_refused(row: object) -> None:
    refused = from_feed_row("3a3e4634", row, poll_id="p1", tile_id="0")  # type: ignore[arg-type]
    assert isinstance(refused, RefusedRow)


def test_a_refused_row_never_outgrows_a_message() -> None:
    refused = from_feed_row("3" * 5_000, ["x" * 5_000_000], poll_id="p1", tile_id="0")
    assert len(encode(refused)) < 2_000


def test_an_observation_survives_its_message() -> None:
    observation = made_of()
    assert isinstance(observation, Observation)
    assert decode(encode(observation)) == observation


@pytest.mark.parametrize("slots", [{"slot_4": "high"}, {"slot_9": "\ud800"}])
def test_a_refused_row_is_a_message_that_the_contract_rejects(slots: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(encode(made_of(**slots)))


def test_another_version_is_rejected_by_name() -> None:
    message = msgspec.json.decode(encode(made_of()))
    with pytest.raises(UnknownVersionError, match=r"Version 2 .* known: 1 - at `\$\.version`"):
        decode(msgspec.json.encode(message | {"version": 2}))
