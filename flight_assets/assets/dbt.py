"""The dbt project as assets: keys, groups and partitions. What a model says is in dbt_project."""

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC
from fcntl import LOCK_EX, flock
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)

from flight_assets.assets import (
    OWNERS,
    REFERENCE_FRESHNESS,
    STREAM_FRESHNESS,
    lineage,
    modelling,
)
from flight_assets.assets.guidance import describe_test
from flight_assets.partitions import hourly_utc, is_repair_run
from flight_assets.resources import PostgresResource
from flight_assets.settings import PROJECT_ROOT
from flight_assets.sources import newest_change
from flight_assets.warehouse.building import alone_with_the_models
from flight_assets.warehouse.closed import closed_hours, refuse_closed
from flight_assets.warehouse.comments import write_comments
from kafka_sensors.sensors import is_landing_run

if TYPE_CHECKING:
    import psycopg

dbt_project = DbtProject(
    project_dir=PROJECT_ROOT / "dbt_project", profiles_dir=PROJECT_ROOT / "dbt_project"
)

# the dbt beside this interpreter, whatever PATH says
DBT = str(Path(sys.executable).parent / "dbt")


def parse_if_stale(project: DbtProject) -> Path:
    """Return the manifest of the project, parsed again where a file of it is newer.

    Parsing needs no server. A lock lets processes that start together parse once.
    """
    newest = newest_change([project.project_dir])
    lock = project.project_dir / "target" / ".parse.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as held:
        flock(held, LOCK_EX)
        manifest = project.manifest_path
        if not manifest.exists() or manifest.stat().st_mtime < newest:
            dbt = DbtCliResource(project_dir=project, dbt_executable=DBT)
            dbt.cli(["parse", "--quiet"], target_path=manifest.parent).wait()
    return manifest


@cache
def columns_made_of() -> dict[str, lineage.Sources]:
    """Return what the columns of each model are made of, as far as runs have worked it out."""
    state = lineage.project_state(json.loads(dbt_project.manifest_path.read_text()))
    return lineage.known_lineage(state, modelling.runs_of(dbt_project))


class Translator(DagsterDbtTranslator):
    """Keys are ``[schema, name]``, groups are schemas, so a name reads the same everywhere."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Return the key; a source's key is the key of the bronze asset that writes it."""
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the layer."""
        return str(dbt_resource_props["schema"])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """Return who answers for the model."""
        return OWNERS

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """Return the spec with the freshness of its layer, and what its columns are made of.

        Hourly models follow the stream. What columns are made of is known from the first run on.
        """
        spec = super().get_asset_spec(manifest, unique_id, project)
        props = self.get_resource_props(manifest, unique_id)
        columns = lineage.described_columns(props["columns"], columns_made_of().get(unique_id, {}))
        return spec.replace_attributes(
            freshness_policy=STREAM_FRESHNESS if "hourly" in props["tags"] else REFERENCE_FRESHNESS,
            metadata={**spec.metadata, "dagster/column_schema": columns},
        )

    def get_asset_check_spec(
        self,
        asset_spec: dg.AssetSpec,
        manifest: Mapping[str, Any],
        unique_id: str,
        project: DbtProject | None,
    ) -> dg.AssetCheckSpec | None:
        """Return the spec of a test with its claim and what to do when it does not hold."""
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        parents = [manifest["nodes"].get(parent) for parent in manifest["parent_map"][unique_id]]
        [tested] = [node for node in parents if node and self.get_asset_key(node) == spec.asset_key]
        described = describe_test(self.get_resource_props(manifest, unique_id), tested)
        return spec._replace(description=described)


translator = Translator(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))
manifest = parse_if_stale(dbt_project)


def describe(postgres: PostgresResource) -> None:
    """Comment the tables with what dbt says of them, where that is new.

    Each login does so for the tables that are its own.
    """
    described = json.loads(manifest.read_text())
    lands_apart = postgres.conninfo(writes_bronze=True) != postgres.conninfo()
    for writes_bronze in (False, True) if lands_apart else (False,):
        with postgres.connect(writes_bronze=writes_bronze) as connection:
            write_comments(connection, described)


def hourly_vars(context: dg.AssetExecutionContext, *, through_slice_id: int) -> dict[str, Any]:
    """Return what tells the hourly models which hours to build, and through which slice."""
    window = context.partition_time_window
    return {
        "from_hour": window.start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "to_hour": window.end.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "through_slice_id": through_slice_id,
        "run_id": context.run.run_id,
        # flights follow the slices by themselves; a person who builds hours means the whole of them
        "rebuild": not (is_landing_run(context.run.tags) or is_repair_run(context.run.tags)),
    }


@dbt_assets(
    manifest=manifest,
    project=dbt_project,
    select="tag:hourly",
    name="hourly_models",
    partitions_def=hourly_utc,
    backfill_policy=dg.BackfillPolicy.single_run(),
    dagster_dbt_translator=translator,
    pool="modelling",
    op_tags={"dagster/priority": "1"},  # before the checks that keep nothing from being built
)
def hourly_models(context: dg.AssetExecutionContext, postgres: PostgresResource) -> Iterator[Any]:
    """Build silver and gold for the hours of the run; a failed test keeps what is downstream."""
    with postgres.connect() as connection:
        # read before the models start: what lands while they run makes their hours stale again
        through_slice_id = alone_with_the_models(connection)
        dbt_vars = hourly_vars(context, through_slice_id=through_slice_id)
        dbt_vars["closed_hours"] = closed_to(context, connection, rebuild=dbt_vars["rebuild"])
        yield from modelling.build(context, dbt_project, dbt_vars)
    describe(postgres)


def closed_to(
    context: dg.AssetExecutionContext, connection: "psycopg.Connection[Any]", *, rebuild: bool
) -> list[str]:
    """Return the hours of the run that the models leave alone, as what they look at was pruned.

    Raises ``FlightAssetsError`` where a person asks for such an hour.
    """
    window = context.partition_time_window
    closed = closed_hours(connection, first=window.start, end=window.end)
    if closed and rebuild:
        refuse_closed(connection, closed)
    connection.commit()
    if closed:
        context.log.warning(
            f"{len(closed)} hours are left as they are, what they look at was pruned: {closed}"
        )
    return [hour.isoformat() for hour in closed]


@dbt_assets(
    manifest=manifest,
    project=dbt_project,
    exclude="tag:hourly",
    name="reference_models",
    dagster_dbt_translator=translator,
    pool="reference_models",
)
def reference_models(
    context: dg.AssetExecutionContext, postgres: PostgresResource
) -> Iterator[Any]:
    """Build what has no hour: seeds, airports, airlines and aircraft types."""
    postgres.require_usable()
    yield from modelling.build(context, dbt_project, {})
    describe(postgres)
