"""The list of what is in the lock: each pinned package by its name and version, and no more."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from flight_assets.settings import PROJECT_ROOT

LOCKED = re.compile(r"^([a-z0-9][a-z0-9.-]*)(?:\[.+?\])?==(\S+)", re.MULTILINE)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_list_has_every_locked_package(tmp_path: Path) -> None:
    pytest.importorskip("cyclonedx_py", reason="this .venv is older than the lock: make install")
    made = tmp_path / "sbom.cdx.json"
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements"]
    places = ["requirements.lock", "--pyproject", "pyproject.toml", "--output-file", str(made)]
    options = ["--short-PURLs", "--output-reproducible", "--no-validate"]
    subprocess.run([*command, *places, *options], cwd=PROJECT_ROOT, check=True, timeout=120)
    listed = json.loads(made.read_text())
    assert listed["bomFormat"] == "CycloneDX"
    assert listed["metadata"]["component"]["name"] == "flight-assets"
    found = {(normal(each["name"]), each["version"]) for each in listed["components"]}
    lock = (PROJECT_ROOT / "requirements.lock").read_text()
    assert found == {(normal(name), version) for name, version in LOCKED.findall(lock)}
    assert len(found) > 100
