"""What README and docs/ tell a person to call is there, with the options that they name."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from flight_assets.cli import app
from flight_assets.settings import PROJECT_ROOT

PAGES = [PROJECT_ROOT / "README.md", *sorted((PROJECT_ROOT / "docs").rglob("*.md"))]
CALL = re.compile(r"^\$ (?:[A-Z_]+=\S+ )*(flight-assets|make) (.*)$", re.MULTILINE)
ENDS = {"|", "||", "&&", ">", "<", "&"}


def calls(program: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each call of a program, with the page that it is on, word by word."""
    for page in PAGES:
        for found, line in CALL.findall(page.read_text()):
            if found == program:
                yield page.name, list(up_to_its_end(shlex.split(line, comments=True)))


def up_to_its_end(words: list[str]) -> Iterator[str]:
    """Yield the words of the first command of a line."""
    for word in words:
        if word in ENDS:
            return
        yield word


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that the first words name, and the words that follow."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize(("page", "words"), calls("flight-assets"), ids=str)
def test_a_command_that_is_told_is_there_with_its_options(page: str, words: list[str]) -> None:
    command, rest = command_of(words)
    known = {name for each in command.params for name in [*each.opts, *each.secondary_opts]}
    told = {word.split("=")[0] for word in rest if word.startswith("--")}
    assert told - known - {"--help"} == set(), page


def test_a_target_that_is_told_is_in_the_makefile() -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    told = {words[0] for _, words in calls("make")}
    assert told
    assert [each for each in told if f"\n{each}:" not in makefile] == []
