"""What runs by itself: jobs, schedules and sensors."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from flight_assets.assets.dbt import hourly_models, reference_models
from flight_assets.assets.raw_flights import RAW_FLIGHTS, RAW_POLLS, raw_flights, raw_polls
from flight_assets.assets.references import raw_aircraft_types, raw_airlines, raw_airports
from flight_assets.core.repairs import (
    LONGEST_DELAY,
    MAX_HOURS_A_RUN,
    Failure,
    HourRange,
    hours_due,
    next_runs,
)
from flight_assets.partitions import (
    FIRST_HOUR,
    REPAIR_TAGS,
    hour_of,
    hourly_utc,
    hours_of_run,
    is_repair_run,
    tags_for,
)
from flight_assets.resources import FeedResource, PostgresResource
from kafka_sensors.sensors import build_landing_sensor

# A run whose worker vanished ends after this, instead of staying in progress for ever.
RUN_TAGS = {"dagster/max_runtime": "3600"}
# Of the jobs that a sensor asks for: it measures what a run that crashed has left, and asks again.
# Dagster's own retry would do the same work a second time.
SENSOR_RUN_TAGS = {**RUN_TAGS, "dagster/max_retries": "0"}

land_and_answer_job = dg.define_asset_job(
    "land_and_answer_job",
    selection=dg.AssetSelection.assets(raw_flights, raw_polls, hourly_models),
    description="Carries hours from the broker to gold: the raw tables and every hourly model.",
    executor_def=dg.in_process_executor,
    tags=SENSOR_RUN_TAGS,
)
answer_hours_job = dg.define_asset_job(
    "answer_hours_job",
    selection=dg.AssetSelection.assets(hourly_models),
    description="Builds silver and gold of hours again, from what has landed.",
    executor_def=dg.in_process_executor,
    # behind what lands: hundreds of late hours must not keep the present one waiting
    tags={**SENSOR_RUN_TAGS, "dagster/priority": "-1"},
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
select stale_hours.as_of_hour, answered_hours.answered_at
from gold.stale_hours
left join gold.answered_hours using (as_of_hour)
where as_of_hour between %(first)s and now()
order by as_of_hour
"""
GOLD_EXISTS = "select to_regclass('gold.stale_hours') is not null"
ANSWERS = dg.AssetKey(["gold", "answered_hours"])
# Long enough to count all failures that lengthen the delay: with an hour between them
FAILURES_COUNT_FOR = 12 * LONGEST_DELAY


def stale_hours(postgres: PostgresResource) -> dict[datetime, datetime | None]:
    """Return the hours whose answers no longer follow the ledger, oldest first, and when each was
    answered.
    """
    with postgres.connect() as connection:
        exists = connection.execute(GOLD_EXISTS).fetchone()
        if not exists or not exists[0]:
            return {}
        first = {"first": hour_of(FIRST_HOUR)}
        return dict(connection.execute(STALE_HOURS, first).fetchall())


def in_progress(instance: dg.DagsterInstance) -> list[tuple[HourRange, bool]]:
    """Return the hours that queued or running runs will answer, whoever asked for them, and
    whether this sensor did.
    """
    jobs = (land_and_answer_job.name, answer_hours_job.name)
    return [
        (hours, is_repair_run(run.tags))
        for run in instance.get_runs(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
        if (run.job_name in jobs or ANSWERS in (run.asset_selection or ()))
        and (hours := hours_of_run(run.tags)) is not None
    ]


def failures(instance: dg.DagsterInstance, *, since: datetime) -> Iterator[Failure]:
    """Yield the runs that were to answer stale hours, did not, and ended lately."""
    ended = dg.RunsFilter(
        job_name=answer_hours_job.name,
        statuses=[dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED],
        updated_after=since,
    )
    for record in instance.get_run_records(ended):
        hours = hours_of_run(record.dagster_run.tags)
        if hours is not None and record.end_time is not None:
            yield Failure(hours=hours, ended_at=datetime.fromtimestamp(record.end_time, UTC))


@dg.sensor(
    job=answer_hours_job,
    minimum_interval_seconds=8,  # every second round of the daemon, which has one in 5 seconds
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def stale_hours_sensor(
    context: dg.SensorEvaluationContext, postgres: PostgresResource
) -> dg.SensorResult | dg.SkipReason:
    """Asks for the hours whose answers are older than what has landed, each once."""
    # in this order: an hour of a run that ends in between is then not asked for again
    busy = in_progress(context.instance)
    stale = stale_hours(postgres)
    now = datetime.now(UTC)
    failed = list(failures(context.instance, since=now - FAILURES_COUNT_FOR)) if stale else []
    due = hours_due(stale, now=now, in_progress=[hours for hours, _ in busy], failures=failed)
    # a short queue: each hour asked for costs Dagster a second, and what is newer comes first
    repairing = sum(hours.count for hours, is_repair in busy if is_repair)
    runs = next_runs(due, room=MAX_HOURS_A_RUN - repairing)
    if not runs:
        return dg.SkipReason(f"{len(stale)} stale hours, none of them due")
    return dg.SensorResult(
        run_requests=[dg.RunRequest(tags={**tags_for(hours), **REPAIR_TAGS}) for hours in runs]
    )
