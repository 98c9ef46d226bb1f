"""The lock pins what the project asks for, and its list has each pinned package and no more."""

import json
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flight_assets.settings import PROJECT_ROOT
from tests.locked import locked

PROJECT = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
ASKED = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]


@pytest.mark.parametrize("line", ASKED)
def test_the_lock_pins_what_is_asked_for(line: str) -> None:
    asked = Requirement(line)
    pinned = {version for name, version in locked() if name == canonicalize_name(asked.name)}
    assert pinned, "call make lock"
    assert [each for each in pinned if each not in asked.specifier] == [], "call make lock"


def test_every_pinned_package_has_its_hashes() -> None:
    lines = (PROJECT_ROOT / "requirements.lock").read_text().splitlines()
    pins = [(line, after) for line, after in pairwise([*lines, ""]) if not line.startswith(" ")]
    assert pins
    assert [pin for pin, after in pins if not after.startswith("    --hash=sha256:")] == []


def test_the_list_has_every_locked_package(tmp_path: Path) -> None:
    pytest.importorskip("cyclonedx_py", reason="this .venv is older than the lock: make install")
    made = tmp_path / "sbom.cdx.json"
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements"]
    places = ["requirements.lock", "--pyproject", "pyproject.toml", "--output-file", str(made)]
    options = ["--short-PURLs", "--output-reproducible", "--no-validate"]
    subprocess.run([*command, *places, *options], cwd=PROJECT_ROOT, check=True, timeout=120)
    listed = json.loads(made.read_text())
    assert listed["bomFormat"] == "CycloneDX"
    assert listed["metadata"]["component"]["name"] == PROJECT["name"]
    found = {(canonicalize_name(each["name"]), each["version"]) for each in listed["components"]}
    assert found == locked()
