"""The tables of docs/reliability.md, made of what the fault tests say of themselves.

``python -m tests.faults.table`` writes it anew. A test's docstring says its fault, what is promised
then, and how that is seen; how often it was tried is the number of its cases in the runs in a row.
"""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.made_pages import DOCS, page_with

FAULTS = Path(__file__).parent
ROOT = FAULTS.parents[1]
PAGE = DOCS / "reliability.md"
MAKER = "tests.faults.table"
RUNS_IN_A_ROW = 3  # of the whole suite, as the page tells
PARTS = ("Fault", "Promise", "Seen")
HEAD = "| fault | promise | seen | test | times tried |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Told:
    """What one test says of itself; parts that it does not say are missing."""

    module: str
    name: str
    title: str
    parts: dict[str, str]


def told_by_tests() -> Iterator[Told]:
    """Yield what each fault test says, module after module, in the order of the file."""
    for path in sorted(FAULTS.glob("test_*.py")):
        tree = ast.parse(path.read_text())
        module_says = (ast.get_docstring(tree) or "").split("\n\n")[0]
        title = " ".join(re.split(r"[:.]", module_says)[0].split())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield Told(path.name, node.name, title, parts_of(ast.get_docstring(node) or ""))


def parts_of(docstring: str) -> dict[str, str]:
    """Return the parts of a docstring that begin with their name and a colon.

    >>> parts_of("A title.\\n\\nFault: one\\n    line.\\nPromise: two\\nSeen: three")
    {'Fault': 'one line.', 'Promise': 'two', 'Seen': 'three'}
    """
    pieces = re.split(rf"^({'|'.join(PARTS)}):", docstring, flags=re.MULTILINE)[1:]
    return {
        name: " ".join(text.split()) for name, text in zip(pieces[::2], pieces[1::2], strict=True)
    }


def cases() -> Counter[str]:
    """Return how many cases each test has in a run, by module and name."""
    command = [sys.executable, "-m", "pytest", str(FAULTS), "-m", "faults", "--collect-only", "-q"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    ids = [line for line in done.stdout.splitlines() if "::test_" in line]
    if not ids:
        raise SystemExit(f"pytest finds no fault test:\n{done.stdout}{done.stderr}")
    return Counter(Path(test.split("[")[0]).name for test in ids)


def tables(counts: Counter[str]) -> str:
    """Return a table for each module; raises ``SystemExit`` for a test without all three parts."""
    modules: dict[str, list[str]] = {}
    for told in told_by_tests():
        missing = [part for part in PARTS if part not in told.parts]
        if missing:
            raise SystemExit(f"{told.module}::{told.name} does not say {', '.join(missing)}")
        modules.setdefault(told.title, []).append(row(told, counts))
    sections = [f"## {title}\n\n{HEAD}\n" + "\n".join(rows) for title, rows in modules.items()]
    return "\n\n".join(sections)


def row(told: Told, counts: Counter[str]) -> str:
    """Return the row of a test."""
    said = [told.parts[part].replace("|", "\\|") for part in PARTS]
    place = f"[{told.name}](../tests/faults/{told.module})"
    tried = RUNS_IN_A_ROW * counts[f"{told.module}::{told.name}"]
    return f"| {' | '.join([*said, place])} | {tried} |"


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE, MAKER, tables(cases())))
