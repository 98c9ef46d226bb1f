"""What `flight-assets rejected` and `holes` refuse, and how they show bytes that nobody expects."""

import pytest
from typer.testing import CliRunner

from flight_assets.cli import app
from flight_assets.commands.words import printable
from flight_assets.errors import FlightAssetsError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "flights.polls", "0", "3", "--json", "--raw"], "choose one of --json and --raw."),
        (["retry", "--offset", "3"], "--offset names one message together with --topic and"),
        (["retry", "--topic", "flights.planes"], "'flights.planes' is no topic that lands; they"),
        (["retry", "--last-hour", "noon"], "'noon' is no hour; write it as 2025-07-20T08"),
    ],
)
def test_what_cannot_be_asked_is_one_line(arguments: list[str], words: str):
    error = CliRunner().invoke(app, ["rejected", *arguments]).exception
    assert isinstance(error, FlightAssetsError)
    assert str(error).startswith(words)
    assert "\n" not in str(error)


@pytest.mark.parametrize("missing", [["--by", "ada"], ["--reason", "the disk was full"]])
def test_a_hole_is_acknowledged_with_a_name_and_a_reason(missing: list[str]):
    done = CliRunner().invoke(app, ["holes", "acknowledge", "flights.polls", *missing])
    assert done.exit_code == 2


def test_a_terminal_shows_control_characters_and_does_not_obey_them():
    assert printable("tide\x1b[2J\x00\x9b\n\té") == "tide\\x1b[2J\\x00\\x9b\n\té"
