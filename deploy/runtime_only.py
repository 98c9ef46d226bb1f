"""Print the installed distributions that the project does not need to run, one a line.

The lock holds what developers use as well; the image goes without. What is needed is what
``pyproject.toml`` says, and the metadata of the distributions that it leads to.
"""

import tomllib
from importlib.metadata import distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

KEPT = {"pip", "setuptools"}  # they install the project itself, and go after that

Asked = tuple[str, frozenset[str]]  # a distribution and the extras of it


def asked_for(lines: list[str], extras: frozenset[str] = frozenset()) -> set[Asked]:
    """Return what requirements ask for on this machine, where these extras are wanted."""
    requirements = [Requirement(line) for line in lines]
    return {
        (canonicalize_name(requirement.name), frozenset(requirement.extras))
        for requirement in requirements
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": extra}) for extra in extras | {""})
    }


def needed(first: set[Asked]) -> set[str]:
    """Return the names of the distributions that these lead to, themselves included."""
    seen: set[Asked] = set()
    waiting = set(first)
    while waiting:
        name, extras = asked = waiting.pop()
        seen.add(asked)
        waiting |= asked_for(distribution(name).requires or [], extras) - seen
    return {name for name, _ in seen}


def main() -> None:
    """Print what nothing in ``pyproject.toml`` of this folder leads to."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    installed = {canonicalize_name(each.metadata["Name"]) for each in distributions()}
    print("\n".join(sorted(installed - needed(asked_for(project["dependencies"])) - KEPT)))


if __name__ == "__main__":
    main()
