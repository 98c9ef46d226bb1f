"""What is left of Dagster's runs when the old ones are deleted, on its storage in Postgres."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.test_utils import create_run_for_test

from flight_assets.run_history import prune_runs

pytestmark = pytest.mark.integration

HOURS = dg.HourlyPartitionsDefinition(start_date="2025-07-20-00:00", end_date="2025-07-21-00:00")
KEYS = HOURS.get_partition_keys()
SOON = timedelta(minutes=1)


@dg.asset(partitions_def=HOURS)
def hourly() -> None:
    """An asset of hours."""


@dg.asset_check(asset=hourly)
def is_well() -> dg.AssetCheckResult:
    """Always."""
    return dg.AssetCheckResult(passed=True)


@pytest.fixture
def instance(postgres_instance: dg.DagsterInstance) -> dg.DagsterInstance:
    return postgres_instance


def materialize(instance: dg.DagsterInstance, key: str) -> str:
    return dg.materialize([hourly, is_well], instance=instance, partition_key=key).run_id


def prune(instance: dg.DagsterInstance, *, most: int = 100) -> tuple[int, int, bool]:
    """Prune what ended until now; return how many runs and checks, and whether there are more."""
    pruned = prune_runs(
        instance,
        before=datetime.now(UTC) + SOON,
        partitioned=[hourly.key],
        partitions_def=HOURS,
        most=most,
    )
    return pruned.run_count, pruned.check_count, pruned.are_more


def materialized(instance: dg.DagsterInstance) -> list[str]:
    """Return the hours that Dagster shows as materialised."""
    status = get_and_update_asset_status_cache_value(instance, hourly.key, HOURS)
    assert status is not None
    return sorted(status.deserialize_materialized_partition_subsets(HOURS).get_partition_keys())


def test_old_runs_go_and_no_hour_looks_missing(instance: dg.DagsterInstance) -> None:
    runs = [materialize(instance, key) for key in KEYS[:3]]
    unfinished = create_run_for_test(instance, "a_job", status=dg.DagsterRunStatus.STARTED).run_id
    run_count, check_count, are_more = prune(instance)
    assert (run_count, are_more) == (3, False)
    assert check_count >= 2, "of three results of the check the newest stays"
    [check] = instance.event_log_storage.get_latest_asset_check_execution_by_key(
        [is_well.check_key]
    ).values()
    assert check.status == AssetCheckExecutionRecordStatus.SUCCEEDED
    assert check.run_id == runs[2]
    assert [run.run_id for run in instance.get_runs()] == [unfinished]
    assert not any(instance.all_logs(run_id) for run_id in runs)
    assert materialized(instance) == KEYS[:3]
    runs = [materialize(instance, KEYS[5])]
    assert materialized(instance) == [*KEYS[:3], KEYS[5]]
    newest = instance.get_latest_materialization_event(hourly.key)
    assert newest is not None
    assert newest.run_id == runs[0]


def test_a_run_that_ended_later_stays(instance: dg.DagsterInstance) -> None:
    run_id = materialize(instance, KEYS[0])
    pruned = prune_runs(
        instance, before=datetime.now(UTC) - SOON, partitioned=[hourly.key], partitions_def=HOURS
    )
    assert (pruned.run_count, pruned.check_count, pruned.are_more) == (0, 0, False)
    assert instance.get_run_by_id(run_id) is not None


def test_the_oldest_go_first_where_they_are_too_many_for_once(
    instance: dg.DagsterInstance,
) -> None:
    runs = [materialize(instance, key) for key in KEYS[:3]]
    assert prune(instance, most=2)[::2] == (2, True)
    assert [run.run_id for run in instance.get_runs()] == [runs[2]]
    assert prune(instance, most=2)[::2] == (1, False)
