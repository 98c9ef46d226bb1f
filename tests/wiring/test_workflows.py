"""The workflow calls targets that there are, on the project's Pythons, and may read only."""

import re
import tomllib
from functools import cache
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from flight_assets.settings import PROJECT_ROOT

WORKFLOW = PROJECT_ROOT / ".github" / "workflows" / "ci.yml"
MAKE = re.compile(r"\bmake (?:--?\S+ )*([a-z][a-z-]*)")
# What the checks of a clean checkout call has to be called for its users too.
CALLED = {"lint", "test", "test-faults", "test-long", "demo"}
MINORS = [f"3.{minor}" for minor in range(9, 20)]


@cache
def jobs() -> dict[str, dict[str, Any]]:
    return yaml.safe_load(WORKFLOW.read_text())["jobs"]


def steps() -> list[dict[str, Any]]:
    return [step for job in jobs().values() for step in job["steps"]]


def targets() -> set[str]:
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))


def called() -> set[str]:
    return {name for step in steps() for name in MAKE.findall(step.get("run", ""))}


def test_every_target_that_the_workflow_calls_is_in_the_makefile() -> None:
    assert called() - targets() == set()


def test_the_workflow_calls_what_the_projects_own_checks_call() -> None:
    own = set(re.findall(r"^make ([a-z-]+)", (PROJECT_ROOT / ".ci" / "run").read_text(), re.M))
    assert own == CALLED
    assert called() >= own | {"test-compose", "sbom"}


def test_every_target_is_phony_and_says_what_it_does() -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    phony = re.findall(r"^\.PHONY:(.*)$", makefile, flags=re.MULTILINE)
    assert targets() - set(" ".join(phony).split()) == set()
    told = set(re.findall(r"^([a-z-]+):.*## .", makefile, flags=re.MULTILINE))
    assert targets() - told == set()


def test_the_tests_run_on_every_python_of_the_project_and_no_other() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    supported = [each for each in MINORS if each in SpecifierSet(project["requires-python"])]
    assert jobs()["test"]["strategy"]["matrix"]["python"] == supported
    setups = [step for step in steps() if "setup-python" in step.get("uses", "")]
    asked = {step["with"]["python-version"] for step in setups}
    assert "${{ matrix.python }}" in asked
    assert asked - {"${{ matrix.python }}"} <= set(supported)


def test_the_workflow_may_read_and_nothing_else_and_its_actions_are_pinned_to_commits() -> None:
    assert yaml.safe_load(WORKFLOW.read_text())["permissions"] == {"contents": "read"}
    assert [name for name, job in jobs().items() if "permissions" in job] == []
    used = [step["uses"] for step in steps() if "uses" in step]
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each)] == []


def test_no_job_runs_for_ever() -> None:
    assert [name for name, job in jobs().items() if job.get("timeout-minutes", 999) > 120] == []


@pytest.mark.parametrize("ecosystem", ["pip", "docker", "docker-compose", "github-actions"])
def test_what_is_pinned_is_looked_at(ecosystem: str) -> None:
    found = yaml.safe_load((PROJECT_ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert ecosystem in {each["package-ecosystem"] for each in found}
