"""Builds of the hourly models as a run makes them, and what each part of a build cost."""

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psycopg.conninfo import conninfo_to_dict

from benchmarks.modelling_world import HOUR, Warehouse
from flight_assets.settings import PROJECT_ROOT
from flight_assets.warehouse.building import newest_slice_id

if TYPE_CHECKING:
    from dagster_dbt import DbtProject
    from dbt.cli.main import dbtRunnerResult

HOURLY = ("--select", "tag:hourly")
REFERENCES = ("--exclude", "tag:hourly")


class BuildError(RuntimeError):
    """dbt did not succeed; says why, in its own words."""


@dataclass(frozen=True)
class Step:
    """One node of dbt in one build."""

    unique_id: str
    kind: str  # model, test, seed, …
    name: str
    seconds: float


@dataclass(frozen=True)
class Built:
    """One build: the time of all of it, of each step, and the statements of each node."""

    seconds: float
    start_seconds: float  # until the first node: parsing, and what dbt asks of the database
    steps: tuple[Step, ...]
    statements: Mapping[str, tuple[str, ...]]

    def seconds_of(self, kind: str) -> float:
        """Return the seconds of all steps of a kind, added up over dbt's threads."""
        return sum(step.seconds for step in self.steps if step.kind == kind)


@dataclass(frozen=True)
class Builder:
    """dbt on one warehouse. Keeps its parsed project apart, as it names the database."""

    warehouse: Warehouse
    home: Path

    def build(
        self,
        first: datetime,
        hours: int = 1,
        selection: Sequence[str] = HOURLY,
        *,
        rebuild: bool = True,
    ) -> Built:
        """Build the hours as ``flight_assets.assets.modelling`` does; raise ``BuildError``.

        Without ``rebuild`` as a landing run does: what has landed since the last build.
        """
        what = ("--exclude-resource-type", "unit_test", *selection)
        return self.on_hours("build", first, hours, *what, rebuild=rebuild)

    def on_hours(
        self, command: str, first: datetime, hours: int, *selection: str, rebuild: bool = True
    ) -> Built:
        """Give dbt a command about some hours, through the newest slice; raise ``BuildError``."""
        with self.warehouse.connect() as connection:
            through_slice_id = newest_slice_id(connection)
        dbt_vars = {
            "from_hour": f"{first:%Y-%m-%dT%H}:00:00Z",
            "to_hour": f"{first + hours * HOUR:%Y-%m-%dT%H}:00:00Z",
            "through_slice_id": through_slice_id,
            "run_id": "benchmark",
            "rebuild": rebuild,
        }
        return self.dbt(command, *selection, **dbt_vars)

    def build_references(self) -> None:
        """Build what has no hour."""
        self.dbt("build", "--exclude-resource-type", "unit_test", *REFERENCES)

    def dbt(self, *arguments: str, **dbt_vars: Any) -> Built:
        """Call dbt in this process, its starting included in the time."""
        from flight_assets.assets import modelling

        events: list[Mapping[str, Any]] = []
        told = ["--vars", json.dumps(dbt_vars)] if dbt_vars else []
        with environment(self.warehouse), tempfile.TemporaryDirectory() as target:
            begin = time.time()
            result = modelling.invoke(
                self.project(), [*arguments, *told, "--quiet"], Path(target), events
            )
            seconds = time.time() - begin
        if not result.success:
            raise BuildError(f"{self.warehouse.name}: {modelling.why(result)}")
        started = first_start(result) - begin
        return Built(seconds, started, tuple(steps_of(result)), statements_of(events))

    def project(self) -> "DbtProject":
        """Return the project with a place of its own for what is parsed."""
        from dagster_dbt import DbtProject

        project = PROJECT_ROOT / "dbt_project"
        target = self.home / "dbt" / self.warehouse.name
        return DbtProject(project_dir=project, profiles_dir=project, target_path=target)


@contextmanager
def environment(warehouse: Warehouse) -> Iterator[None]:
    """Let dbt's profile read of this warehouse, for the block."""
    told = conninfo_to_dict(warehouse.conninfo)
    names = {"dbname": "POSTGRES_DB"}
    new = {names.get(name, f"POSTGRES_{name.upper()}"): str(told[name]) for name in told}
    old = {name: os.environ.get(name) for name in new}
    os.environ.update(new)
    try:
        yield
    finally:
        for name, value in old.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def steps_of(result: "dbtRunnerResult") -> Iterator[Step]:
    """Yield what dbt did, in its order."""
    for done in result.result or ():  # type: ignore[union-attr]
        node = done.node
        yield Step(node.unique_id, str(node.resource_type), node.name, done.execution_time)


def first_start(result: "dbtRunnerResult") -> float:
    """Return when dbt began with the first node, in seconds since 1970."""
    timings = [timing for done in result.result or () for timing in done.timing]  # type: ignore[union-attr]
    return min(timing.started_at.replace(tzinfo=UTC).timestamp() for timing in timings)


def statements_of(events: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """Return what dbt sent to the server for each node, in its order."""
    found: dict[str, tuple[str, ...]] = {}
    for event in events:
        node = event["data"].get("node_info", {}).get("unique_id")
        if node is not None and event["info"]["name"] == "SQLQuery":
            found[node] = (*found.get(node, ()), event["data"]["sql"])
    return found


def history_tables(builder: Builder) -> list[str]:
    """Return the hourly models that keep their hours, in the order of the manifest."""
    from dbt.cli.main import dbtRunner

    with environment(builder.warehouse), tempfile.TemporaryDirectory() as target:
        project = str(PROJECT_ROOT / "dbt_project")
        where = ["--project-dir", project, "--profiles-dir", project]
        places = ["--target-path", target, "--log-path", target]
        parsed = dbtRunner().invoke(["--quiet", "parse", *where, *places])
    if not parsed.success:
        raise BuildError(str(parsed.exception))
    return [
        f"{node.schema}.{node.name}"
        for node in parsed.result.nodes.values()  # type: ignore[union-attr]
        if node.resource_type == "model"
        and "hourly" in node.tags
        and node.config.materialized == "incremental"
    ]


def in_turns(builders: Sequence[Builder], first: datetime, *, runs: int) -> dict[str, list[Built]]:
    """Build the hour in each warehouse in turn, so that noise hits all alike."""
    found: dict[str, list[Built]] = {builder.warehouse.name: [] for builder in builders}
    for run in range(runs):
        for builder in builders if run % 2 == 0 else reversed(builders):
            found[builder.warehouse.name].append(builder.build(first))
    return found
