"""The tables of settings in docs/operations.md, made of ``settings.py`` and ``.env.example``.

``python -m tests.settings_table`` writes them anew. What a setting may be and what it is otherwise
are the code's; what it is for is the comment above it in ``.env.example``, where one comment may
stand above several.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flight_assets.settings import PROJECT_ROOT, SECRETS, Settings
from tests.made_pages import DOCS, page_with

PAGE = DOCS / "operations.md"
MAKER = "tests.settings_table"
HEAD = "| setting | default | values | what |\n|---|---|---|---|"
SECTION = re.compile(r"# --- (.+?) ---")
EXAMPLE = re.compile(r"#([A-Z][A-Z0-9_]+)=")


@dataclass(frozen=True)
class Explained:
    """A setting as ``.env.example`` has it; ``what`` is empty where the one before says it."""

    section: str
    name: str
    what: str


def explained(example: str) -> Iterator[Explained]:
    """Yield the settings of an example with their comments.

    >>> [each] = explained("# --- A ---\\n# One\\n# line.\\n#NAME=1\\n")
    >>> each
    Explained(section='A', name='NAME', what='One line.')
    """
    section, comment = "", list[str]()
    for line in example.splitlines():
        if found := SECTION.match(line):
            section, comment = found[1], []
        elif found := EXAMPLE.match(line):
            yield Explained(section, found[1], " ".join(comment))
            comment = []
        else:
            comment = [*comment, line.removeprefix("# ")] if line.startswith("# ") else []


def tables() -> str:
    """Return a table for each section of the example."""
    properties = Settings.model_json_schema()["properties"]
    sections: dict[str, list[str]] = {}
    for each in explained((PROJECT_ROOT / ".env.example").read_text()):
        sections.setdefault(each.section, []).append(row(each, properties[each.name]))
    return "\n\n".join(f"### {name}\n\n{HEAD}\n" + "\n".join(of) for name, of in sections.items())


def row(each: Explained, schema: dict[str, Any]) -> str:
    """Return the row of a setting."""
    default = schema.get("default")
    shown = "" if default is None else f"`{default}`".replace(f"{PROJECT_ROOT}/", "")
    if isinstance(default, bool):
        shown = shown.lower()
    what = each.what.replace("|", "\\|") or "as above"
    said = [f"`{each.name}`", shown, values(each.name, schema), what]
    return f"| {' | '.join(said)} |"


def values(name: str, schema: dict[str, Any]) -> str:
    """Return what a setting may be, in a few words."""
    if name in SECRETS:
        return "a secret"
    kind = next(each for each in schema.get("anyOf", [schema]) if each.get("type") != "null")
    if choices := kind.get("enum"):
        return ", ".join(f"`{choice}`" for choice in choices)
    if kind["type"] == "boolean":
        return "`true`, `false`"
    if kind["type"] in ("integer", "number"):
        return bounds(kind)
    return "a path" if kind.get("format") == "path" else "text"


def bounds(kind: dict[str, Any]) -> str:
    """Return the bounds of a number.

    >>> bounds({"exclusiveMinimum": 0, "maximum": 600})
    'over 0, to 600'
    """
    words = {"minimum": "from", "exclusiveMinimum": "over", "maximum": "to"}
    said = [f"{word} {kind[bound]}" for bound, word in words.items() if bound in kind]
    return ", ".join(said) or "a number"


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE, MAKER, tables()))
