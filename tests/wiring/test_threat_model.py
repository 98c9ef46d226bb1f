"""docs/threat-model.md names tests that there are, at least one for each attack that was tried."""

import re

from flight_assets.settings import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "threat-model.md"
LINK = re.compile(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)")


def tried() -> list[str]:
    """Return the rows of the table of what was tried."""
    _, _, rest = PAGE.read_text().partition("## What was tried\n")
    table, _, _ = rest.partition("\n## ")
    return [line for line in table.splitlines() if line.startswith("| ")][1:]


def test_every_attack_that_was_tried_names_its_test() -> None:
    assert len(tried()) > 10
    assert [row for row in tried() if not LINK.search(row)] == []


def test_every_test_that_is_named_is_there() -> None:
    named = LINK.findall(PAGE.read_text())
    lacking = [
        name for name, path in named if f"def {name}(" not in (PROJECT_ROOT / path).read_text()
    ]
    assert lacking == []
