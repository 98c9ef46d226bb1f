"""A check's result knows what it is about, and lists no partitions for that."""

import dagster as dg
import pytest
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from flight_assets.check_result import CheckResult

HOURS = dg.HourlyPartitionsDefinition(start_date="2023-07-20-00:00", end_date="2025-07-21-00:00")
RANGE = {
    ASSET_PARTITION_RANGE_START_TAG: "2025-07-20-05:00",
    ASSET_PARTITION_RANGE_END_TAG: "2025-07-20-06:00",
}


@dg.asset(partitions_def=HOURS, backfill_policy=dg.BackfillPolicy.single_run())
def hourly() -> dg.MaterializeResult[None]:
    """An asset of hours."""
    return dg.MaterializeResult()


def result_of(result: type[dg.AssetCheckResult]) -> dg.AssetCheckEvaluation:
    """Return what Dagster keeps of a check of two hours in one run."""

    @dg.asset_check(asset=hourly)
    def is_well() -> dg.AssetCheckResult:
        return result(passed=True, metadata={"hours": 2})

    done = dg.materialize([hourly, is_well], tags=RANGE)
    (evaluation,) = done.get_asset_check_evaluations()
    assert evaluation.target_materialization_data is not None
    assert evaluation.target_materialization_data.run_id == done.run_id
    return evaluation


def test_a_check_is_about_the_newest_materialization_as_dagsters_own() -> None:
    ours, dagsters = result_of(CheckResult), result_of(dg.AssetCheckResult)
    assert ours.target_materialization_data.storage_id > 0  # type: ignore[union-attr]
    assert (ours.passed, ours.metadata, ours.asset_check_key) == (
        dagsters.passed,
        dagsters.metadata,
        dagsters.asset_check_key,
    )


def test_no_partitions_are_listed_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[object] = []
    listing = dg.TimeWindowPartitionsDefinition.get_partition_keys

    def counted(self: dg.TimeWindowPartitionsDefinition, *args: object, **options: object):
        listed.append(self)
        return listing(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(dg.TimeWindowPartitionsDefinition, "get_partition_keys", counted)
    result_of(CheckResult)
    assert not listed
    result_of(dg.AssetCheckResult)
    assert listed
