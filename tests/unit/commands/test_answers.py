"""What `flight-assets answers` refuses, before it looks for a server."""

import pytest
from typer.testing import CliRunner

from flight_assets.cli import app
from flight_assets.errors import FlightAssetsError


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--json", "--csv"], "choose one of --csv and --json."),
        (["--question", "top_planes"], "'top_planes' is no question; they are top_airlines, "),
    ],
)
def test_what_cannot_be_asked_is_one_line(options: list[str], words: str):
    error = CliRunner().invoke(app, ["answers", *options]).exception
    assert isinstance(error, FlightAssetsError)
    assert str(error).startswith(words)
    assert "\n" not in str(error)
