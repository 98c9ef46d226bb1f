"""The Dagster side: a sensor that measures what waits and asks for one run over its hours.

It carries nothing over from tick to tick: what has landed says the ledger, what is being landed
say the runs. A tick that fails, or a run, is made good by the next one.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import takewhile

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
)

from kafka_sensors.backlog import Backlog, hours_to_ask_for, measure
from kafka_sensors.ledger import Connection, Ledger
from kafka_sensors.target import Target

LANDING_TAG = "kafka_sensors/landing"
WAITING = "waiting"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
FIRST_DELAY = timedelta(seconds=10)
LONGEST_DELAY = timedelta(minutes=5)
RECENT_RUNS = 10
# Dagster's daemon looks at its sensors every 5 seconds. One that asks for 5 as well is often found
# a few milliseconds too young, and waits for the next round.
EVERY_ROUND_S = 3


def is_landing_run(tags: Mapping[str, str]) -> bool:
    """Return whether the landing sensor asked for a run: it lands what waits, replays nothing."""
    return tags.get(LANDING_TAG) == WAITING


def build_landing_sensor(
    *,
    name: str,
    targets: Sequence[Target],
    job: dg.JobDefinition | UnresolvedAssetJobDefinition,
    partitions_def: dg.HourlyPartitionsDefinition,
    kafka: str = "kafka",
    postgres: str = "postgres",
    minimum_interval_seconds: int = EVERY_ROUND_S,
    reach_back: timedelta = timedelta(minutes=15),
    max_hours: int = 24,
    default_status: dg.DefaultSensorStatus = dg.DefaultSensorStatus.RUNNING,
) -> dg.SensorDefinition:
    """Return the sensor that keeps the targets landed, one run of ``job`` at a time.

    ``kafka`` and ``postgres`` name resources: the first gives a reader of a topic by
    ``.reader(topic)``, the second a psycopg connection by ``.connect()``, both in a ``with``.
    The job's assets have hourly partitions in UTC and take a range of them in a single run.
    """
    earliest = partitions_def.start.astimezone(UTC)

    def tick(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        at_work = unfinished_run_id(context.instance, job.name)
        if at_work is not None:
            return dg.SkipReason(f"run {at_work} is at it")
        now = datetime.now(UTC)
        given = getattr(context.resources, kafka)
        with ExitStack() as open_readers:
            # all of them first: they connect while Postgres is asked
            readers = [open_readers.enter_context(given.reader(each.topic)) for each in targets]
            connection = open_readers.enter_context(getattr(context.resources, postgres).connect())
            backlogs = [
                measure(target, reader, connection, now=now)
                for target, reader in zip(targets, readers, strict=True)
            ]
            hours = hours_to_ask_for(
                backlogs, now=now, earliest=earliest, reach_back=reach_back, max_hours=max_hours
            )
            if hours is None:
                return dg.SkipReason(f"nothing waits that could land now; {figures(backlogs)}")
            not_before = retry_at(context.instance, job.name, targets[0], connection)
        if not_before is not None and now < not_before:
            return dg.SkipReason(
                f"the last run failed and landed nothing; the next is at {not_before:%H:%M:%S}Z; "
                + figures(backlogs)
            )
        context.log.info(f"landing {figures(backlogs)}")
        return run_request(hours, partitions_def)

    return dg.SensorDefinition(
        name=name,
        evaluation_fn=tick,
        job=job,
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=default_status,
        required_resource_keys={kafka, postgres},
        description=(
            f"Lands {', '.join(target.topic for target in targets)}: compares the topics with the "
            "ledger and asks for one run over the hours in which something waits."
        ),
    )


def run_request(
    hours: tuple[datetime, datetime], partitions_def: dg.HourlyPartitionsDefinition
) -> dg.RunRequest:
    """Return the request for one run over a range of hours.

    It has no run key: Dagster honours one for ever, also after the run has failed.
    """
    first, last = (hour.strftime(partitions_def.fmt) for hour in hours)
    return dg.RunRequest(
        tags={
            ASSET_PARTITION_RANGE_START_TAG: first,
            ASSET_PARTITION_RANGE_END_TAG: last,
            LANDING_TAG: WAITING,
        }
    )


def figures(backlogs: Iterable[Backlog]) -> str:
    """Return the backlogs in words."""
    return "; ".join(map(str, backlogs))


def unfinished_run_id(instance: dg.DagsterInstance, job_name: str) -> str | None:
    """Return a run of the job that is queued or running."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=UNFINISHED), limit=1)
    return runs[0].run_id if runs else None


def retry_at(
    instance: dg.DagsterInstance, job_name: str, target: Target, connection: Connection
) -> datetime | None:
    """Return when to ask again after runs that failed one after another, ``None`` for at once.

    A run that failed but had landed something does not count: what it left is not its fault.
    """
    asked = dg.RunsFilter(job_name=job_name, tags={LANDING_TAG: WAITING})
    records = instance.get_run_records(asked, limit=RECENT_RUNS)
    failed = list(takewhile(lambda record: record.dagster_run.is_failure, records))
    run_ids = [record.dagster_run.run_id for record in failed]
    if not failed:
        return None
    with connection.transaction():
        landed = Ledger.of(connection, target).runs_that_landed(run_ids)
    in_vain = list(takewhile(lambda record: record.dagster_run.run_id not in landed, failed))
    if not in_vain or in_vain[0].end_time is None:
        return None
    return datetime.fromtimestamp(in_vain[0].end_time, UTC) + delay_after(len(in_vain))


def delay_after(failures: int) -> timedelta:
    """Return how long to wait after so many failures in a row: doubling, up to a limit.

    >>> [delay_after(failures).seconds for failures in (1, 2, 3, 9)]
    [10, 20, 40, 300]
    """
    return min(FIRST_DELAY * (1 << (failures - 1)), LONGEST_DELAY)
