"""What runs by itself: jobs, schedules and sensors."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from flight_assets.assets.dbt import hourly_models, reference_models
from flight_assets.assets.raw_flights import RAW_FLIGHTS, RAW_POLLS, raw_flights, raw_polls
from flight_assets.assets.references import raw_aircraft_types, raw_airlines, raw_airports
from flight_assets.core.repairs import Attempt, HourRange, contiguous_ranges, hours_due
from flight_assets.partitions import FIRST_HOUR, hour_of, hourly_utc, hours_of_run, tags_for
from flight_assets.resources import FeedResource, PostgresResource
from kafka_sensors.sensors import build_landing_sensor

# A run whose worker vanished ends after this, instead of staying in progress for ever.
RUN_TAGS = {"dagster/max_runtime": "3600"}

land_and_answer_job = dg.define_asset_job(
    "land_and_answer_job",
    selection=dg.AssetSelection.assets(raw_flights, raw_polls, hourly_models),
    description="Carries hours from the broker to gold: the raw tables and every hourly model.",
    executor_def=dg.in_process_executor,
    tags=RUN_TAGS,
)
answer_hours_job = dg.define_asset_job(
    "answer_hours_job",
    selection=dg.AssetSelection.assets(hourly_models),
    description="Builds silver and gold of hours again, from what has landed.",
    executor_def=dg.in_process_executor,
    tags=RUN_TAGS,
)
references_job = dg.define_asset_job(
    "references_job",
    selection=dg.AssetSelection.assets(
        raw_airports, raw_airlines, raw_aircraft_types, reference_models
    ),
    description="Fetches airports, airlines and aircraft types and builds their silver tables.",
    executor_def=dg.in_process_executor,
    tags=RUN_TAGS,
)

references_daily_schedule = dg.ScheduleDefinition(
    name="references_daily_schedule",
    job=references_job,
    cron_schedule="10 3 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)


@dg.op
def poll_the_world(context: dg.OpExecutionContext, feed: FeedResource) -> None:
    """Sweep the world once and publish every observation of it."""
    poll = feed.poll_once()
    context.add_output_metadata(
        {
            "poll_id": poll.poll_id,
            "observations": poll.observation_count,
            "full_count": poll.full_count,
            "requests": poll.request_count,
            "failed_tiles": len(poll.failed_tile_ids),
            "saturated_tiles": len(poll.saturated_tile_ids),
        }
    )


@dg.job(executor_def=dg.in_process_executor, tags=RUN_TAGS)
def poll_job() -> None:
    """Polls the feed once. The command `flight-assets poll` does the same without Dagster."""
    poll_the_world()


poll_every_minute_schedule = dg.ScheduleDefinition(
    name="poll_every_minute_schedule", job=poll_job, cron_schedule="* * * * *"
)

raw_flights_landing_sensor = build_landing_sensor(
    name="raw_flights_landing_sensor",
    targets=[RAW_FLIGHTS, RAW_POLLS],
    job=land_and_answer_job,
    partitions_def=hourly_utc,
)

# Only hours that are partitions: a source's clock may be ahead, a capture too old.
STALE_HOURS = """
select as_of_hour from gold.stale_hours
where as_of_hour between %(first)s and now()
order by as_of_hour
limit 240
"""
GOLD_EXISTS = "select to_regclass('gold.stale_hours') is not null"


def stale_hours(postgres: PostgresResource) -> list[datetime]:
    """Return the hours whose answers no longer follow the ledger, oldest first."""
    with postgres.connect() as connection:
        exists = connection.execute(GOLD_EXISTS).fetchone()
        if not exists or not exists[0]:
            return []
        first = {"first": hour_of(FIRST_HOUR)}
        return [row[0] for row in connection.execute(STALE_HOURS, first)]


def hours_in_progress(instance: dg.DagsterInstance) -> list[HourRange]:
    """Return the hours that queued or running runs will answer."""
    jobs = (land_and_answer_job.name, answer_hours_job.name)
    runs = [
        run
        for job in jobs
        for run in instance.get_runs(dg.RunsFilter(job_name=job, statuses=NOT_FINISHED_STATUSES))
    ]
    return [hours for run in runs if (hours := hours_of_run(run.tags)) is not None]


def finished_attempts(instance: dg.DagsterInstance) -> Iterator[Attempt]:
    """Yield the latest finished runs that were to answer stale hours."""
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    job = dg.RunsFilter(job_name=answer_hours_job.name, statuses=finished)
    for record in instance.get_run_records(job, limit=100):
        hours = hours_of_run(record.dagster_run.tags)
        if hours is not None and record.end_time is not None:
            yield Attempt(
                hours=hours,
                ended_at=datetime.fromtimestamp(record.end_time, UTC),
                is_success=record.dagster_run.is_success,
            )


@dg.sensor(
    job=answer_hours_job,
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def stale_hours_sensor(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> dg.SensorResult | dg.SkipReason:
    """Asks for the hours whose answers are older than what has landed, each once."""
    stale = stale_hours(postgres)
    due = hours_due(
        stale,
        now=datetime.now(UTC),
        in_progress=hours_in_progress(context.instance),
        attempts=list(finished_attempts(context.instance)) if stale else [],
    )
    if not due:
        return dg.SkipReason(f"{len(stale)} stale hours, none of them due")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(tags=tags_for(hours)) for hours in contiguous_ranges(due)]
    )
