"""dbt in the process of the run itself, on a manifest that is parsed once: no second start-up.

A run's hours come to dbt as vars, and with other vars the dbt command parses the whole project
again. Here the project is parsed without them, which finds everything as it was.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_dbt import DbtProject
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from flight_assets.assets import lineage
from flight_assets.check_result import CheckResult
from flight_assets.sources import newest_change

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult

PARTIAL_PARSE = "partial_parse.msgpack"
MOST_ERRORS = 5


def build(
    context: dg.AssetExecutionContext, project: DbtProject, dbt_vars: Mapping[str, Any]
) -> Iterator[Any]:
    """Build what the run selects; yield Dagster's events of every model and test.

    Raises ``dg.Failure`` with dbt's own words where a model or a test of severity error failed;
    what is downstream of it was then not built.
    """
    asked = get_updated_cli_invocation_params_for_context(
        context=context, manifest=None, dagster_dbt_translator=None
    )
    arguments = ["build", "--exclude-resource-type", "unit_test", *asked.selection_args]
    if asked.indirect_selection:
        arguments += ["--indirect-selection", asked.indirect_selection]
    if dbt_vars:
        arguments += ["--vars", json.dumps(dict(dbt_vars))]
    events: list[Mapping[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="dbt-") as target:
        result = invoke(project, arguments, Path(target), events)
    models, tests = compiled(result, "model"), compiled(result, "test")
    columns = lineage.lineage_of(asked.manifest, models, runs_of(project))
    for event in events:
        of_node = DbtCoreCliEventMessage(
            raw_event=dict(event), event_history_metadata={}
        ).to_default_asset_events(
            manifest=asked.manifest,
            dagster_dbt_translator=asked.dagster_dbt_translator,
            context=context,
            project=project,
        )
        unique_id = event["data"]["node_info"].get("unique_id")  # what is no node has none
        of_node = with_query(of_node, tests.get(unique_id))
        yield from lineage.with_lineage(of_node, columns.get(unique_id, {}))
    if not result.success:
        raise dg.Failure(description=why(result), allow_retries=False)


def compiled(result: "dbtRunnerResult", resource_type: str) -> dict[str, str]:
    """Return the SQL of the models, or of the tests, that were run, by unique id."""
    nodes = [each.node for each in result.result or []]
    return {
        node.unique_id: node.compiled_code
        for node in nodes
        if node.resource_type == resource_type and node.compiled_code
    }


def with_query(events: Iterator[Any], query: str | None) -> Iterator[Any]:
    """Yield a test's events, a failed check with the query that finds the rows that broke it."""
    for event in events:
        if isinstance(event, dg.AssetCheckResult):
            event = CheckResult._make(event)
            if not event.passed and query:
                shown = dg.MetadataValue.md(f"```sql\n{query.strip()}\n```")
                event = event._replace(metadata={**event.metadata, "query": shown})
        yield event


def runs_of(project: DbtProject) -> Path:
    """Return where what runs have worked out is kept for the next."""
    return Path(project.project_dir) / project.target_path / "runs"


def invoke(
    project: DbtProject, arguments: Sequence[str], target: Path, events: list[Mapping[str, Any]]
) -> "dbtRunnerResult":
    """Run dbt with its files in ``target``; append its events, as the log's JSON has them."""
    from dbt.cli.main import dbtRunner
    from google.protobuf.json_format import MessageToDict

    def keep(event: Any) -> None:
        if "node_info" in event.data.DESCRIPTOR.fields_by_name:
            events.append(MessageToDict(event, preserving_proto_field_name=True))

    found = parsed(project)
    if not found.success:
        return found
    running = dbtRunner(manifest=found.result, callbacks=[keep])
    return running.invoke([*arguments, *places(project, target)])


def parsed(project: DbtProject) -> "dbtRunnerResult":
    """Return the parsed project, kept in this process for as long as its files stay as they are.

    Of another Postgres it is another one: the manifest names the database.
    """
    servers = tuple(sorted((k, v) for k, v in os.environ.items() if k.startswith("POSTGRES_")))
    return _parsed(project, newest_change([Path(project.project_dir)]), servers)


@lru_cache(maxsize=1)
def _parsed(
    project: DbtProject, changed_at: float, servers: tuple[tuple[str, str], ...]
) -> "dbtRunnerResult":
    """Parse the project, by what the last process has kept of it."""
    from dbt.cli.main import dbtRunner

    kept = runs_of(project) / PARTIAL_PARSE
    with tempfile.TemporaryDirectory(prefix="dbt-") as folder:
        target = Path(folder)
        if kept.exists():
            shutil.copy(kept, target / PARTIAL_PARSE)
        found = dbtRunner().invoke(["--quiet", "parse", *places(project, target)])
        if found.success:
            keep_parsed(target / PARTIAL_PARSE, kept)
    return found


def places(project: DbtProject, target: Path) -> list[str]:
    """Return the options that say where dbt reads and writes.

    Nobody reads its files: what happened comes as events, and the target goes with the run.
    """
    return [
        *("--no-write-json", "--log-level-file", "none"),
        *("--project-dir", str(project.project_dir), "--profiles-dir", str(project.profiles_dir)),
        *("--target-path", str(target), "--log-path", str(target)),
    ]


def keep_parsed(new: Path, kept: Path) -> None:
    """Keep what was parsed for the next run, whole or not at all: runs may end at any instant.

    Apart from the file of the dbt command, whose profile is another one: each would spoil the
    other's.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    draft = kept.with_suffix(f".{os.getpid()}")
    shutil.copy(new, draft)
    draft.replace(kept)


def why(result: "dbtRunnerResult") -> str:
    """Return why dbt did not succeed, in its own words: one line a node."""
    if result.exception is not None:
        return f"dbt: {result.exception}"
    failed = [node for node in result.result if node.status in ("error", "fail", "runtime error")]
    lines = [f"{node.node.unique_id}: {node.message}" for node in failed[:MOST_ERRORS]]
    if len(failed) > MOST_ERRORS:
        lines.append(f"and {len(failed) - MOST_ERRORS} more")
    return "\n".join(lines)
