"""What Dagster keeps of runs: pruned by age, so that no hour looks as if it were missing.

Deleting a run deletes its events, and with them what Dagster knows of the partitions that it
materialised, unless that is in the status which Dagster keeps beside each asset. So that status is
brought up to date before.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
from dagster._core.storage.dagster_run import FINISHED_STATUSES, NOT_FINISHED_STATUSES
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from sqlalchemy import delete, func, select

# One run of the job ends within its time, whatever waited: deleting a run takes some 20 ms.
MOST_RUNS = 20_000
RUNS_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class PrunedRuns:
    """How many runs and results of checks went, and whether more are old."""

    run_count: int
    check_count: int
    are_more: bool


def prune_runs(
    instance: dg.DagsterInstance,
    *,
    before: datetime,
    partitioned: Iterable[dg.AssetKey],
    partitions_def: dg.PartitionsDefinition,
    most: int = MOST_RUNS,
) -> PrunedRuns:
    """Delete the runs that ended before an instant, oldest first, at most so many, and the results
    of checks from before it.

    Keeps runs that are not finished, the newest materialisation of each asset, which of the
    partitions are materialised, and the newest result of each check.
    """
    for key in partitioned:
        get_and_update_asset_status_cache_value(instance, key, partitions_def)
    deleted = 0
    while deleted < most:
        run_ids = finished_before(instance, before, most=min(RUNS_AT_ONCE, most - deleted))
        if not run_ids:
            break
        for run_id in run_ids:
            instance.delete_run(run_id)
        deleted += len(run_ids)
    return PrunedRuns(
        run_count=deleted,
        check_count=prune_checks(instance, before=before),
        are_more=bool(finished_before(instance, before, most=1)),
    )


def finished_before(instance: dg.DagsterInstance, before: datetime, *, most: int) -> list[str]:
    """Return the ids of the oldest runs that ended before an instant."""
    ended = dg.RunsFilter(statuses=FINISHED_STATUSES, updated_before=before)
    records = instance.get_run_records(ended, limit=most, ascending=True)
    return [record.dagster_run.run_id for record in records]


def prune_checks(instance: dg.DagsterInstance, *, before: datetime) -> int:
    """Delete results of checks from before an instant but the newest of each; return how many.

    In Dagster's own table: it has no call for it, and they are most of what a run leaves behind.
    Those of runs that are not finished stay.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0
    columns = AssetCheckExecutionsTable.c
    newest = select(func.max(columns.id)).group_by(columns.asset_key, columns.check_name)
    unfinished = instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
    old = delete(AssetCheckExecutionsTable).where(
        # as Dagster writes it: UTC, without its zone
        columns.create_timestamp < before.replace(tzinfo=None),
        columns.id.not_in(newest),
        columns.run_id.not_in([run.run_id for run in unfinished]),
    )
    with storage.index_connection() as connection:
        return int(connection.execute(old).rowcount)
