"""The daily job that prunes what grows: bronze, rejected messages, fleets and Dagster's runs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from flight_assets.assets.dbt import hourly_models
from flight_assets.assets.raw_flights import raw_flights, raw_polls
from flight_assets.automation import RUN_TAGS
from flight_assets.partitions import hourly_utc
from flight_assets.resources import PostgresResource
from flight_assets.settings import load_settings
from flight_assets.warehouse.dropped_days import Pruned
from flight_assets.warehouse.retention import prune_bronze, prune_fleets, prune_rejected


@dg.op
def prune_warehouse(context: dg.OpExecutionContext, postgres: PostgresResource) -> None:
    """Drop the days of bronze and of rejected messages that are old, and the old fleets."""
    settings, now = load_settings(), datetime.now(UTC)
    asked: dict[str, Any] = {"now": now, "run_id": context.run_id}
    bronze_days, rejected_days = settings.retention_bronze_days, settings.retention_rejected_days
    with postgres.connect(writes_bronze=True) as raw, postgres.connect() as models:
        bronze = prune_bronze(raw, age_days=bronze_days, models=models, **asked)
        rejected = prune_rejected(raw, age_days=rejected_days, **asked)
        fleets = prune_fleets(models, age_days=settings.retention_fleets_days)
    for day, reason in {**rejected.kept, **bronze.kept}.items():
        context.log.warning(f"{day} is old and stays: {reason}")
    context.add_output_metadata(
        {**shown("bronze", bronze), **shown("rejected", rejected), "observed_fleets_rows": fleets}
    )


def shown(what: str, pruned: Pruned) -> dict[str, Any]:
    """Return what was pruned as the page of the run shows it."""
    return {
        f"{what}_days": len(pruned.days),
        f"{what}_rows": sum(day.row_count for day in pruned.days),
        f"{what}_bytes": pruned.byte_count,
        f"{what}_days_by_name": [str(day.day) for day in pruned.days],
        f"{what}_kept": {str(day): reason for day, reason in pruned.kept.items()},
    }


@dg.op(ins={"after": dg.In(dg.Nothing)})
def prune_dagster(context: dg.OpExecutionContext) -> None:
    """Delete Dagster's old runs with their events, and old results of checks."""
    from flight_assets.run_history import prune_runs

    days = load_settings().retention_dagster_days
    if not days:
        return
    pruned = prune_runs(
        context.instance,
        before=datetime.now(UTC) - timedelta(days=days),
        partitioned=[raw_flights.key, raw_polls.key, *hourly_models.keys],
        partitions_def=hourly_utc,
    )
    context.add_output_metadata(
        {
            "runs": pruned.run_count,
            "check_results": pruned.check_count,
            "more_are_old": pruned.are_more,
        }
    )


@dg.job(executor_def=dg.in_process_executor, tags={**RUN_TAGS, "dagster/priority": "-2"})
def retention_job() -> None:
    """Prunes what is older than the RETENTION_ settings say, and never what is not modelled yet."""
    prune_dagster(after=prune_warehouse())


# On by itself, as a line that runs by itself fills its disk by itself: 3 GB a day.
retention_daily_schedule = dg.ScheduleDefinition(
    name="retention_daily_schedule",
    job=retention_job,
    cron_schedule="40 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
