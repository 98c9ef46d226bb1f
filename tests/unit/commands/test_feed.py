from pathlib import Path

import pytest

from flight_assets.commands.feed import files_of, parse_duration_s
from flight_assets.errors import FlightAssetsError


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("5m", 300), ("1h", 3600), ("90", 90), ("1.5 min", 90)]
)
def test_a_duration_is_read_in_seconds(text: str, seconds: float):
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "0", "0.5s", "-5s", "60 s s"])
def test_what_is_no_duration_is_named(text: str):
    with pytest.raises(FlightAssetsError, match="no duration of a second or more"):
        parse_duration_s(text)


def test_files_without_the_flag_are_not_guessed_at():
    with pytest.raises(FlightAssetsError, match="say --recorded"):
        files_of(False, [Path("a.csv")])


def test_the_flag_needs_files():
    with pytest.raises(FlightAssetsError, match="--recorded needs files"):
        files_of(True, None)
