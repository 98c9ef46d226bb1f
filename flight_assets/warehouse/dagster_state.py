"""What Dagster's own database tells: checks, sensors, failed jobs, ages of assets.

Its tables are read as they are, for importing Dagster takes seconds and `flight-assets status` and
the poller ask often. They belong to the Dagster that `pyproject.toml` pins; a test writes through
that Dagster and reads here.
"""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import psycopg

from flight_assets.core.freshness import Layer
from flight_assets.core.report import LANDING_JOB, FailedJob, FailingCheck, LayerAge, Sensor

Connection = psycopg.Connection[tuple[Any, ...]]

HAS_TABLES = """
select to_regclass('public.asset_check_executions') is not null
and to_regclass('public.instigators') is not null
"""

# Dagster keeps every evaluation there ever was, some 200 a run. So each check is found by a step
# along the index, and its newest evaluation is that of its asset's newest materialization. One that
# was only planned has none. A check without which its asset has been materialized for a day is one
# that the code no longer has.
CHECKS = """
with recursive checks as (
    (
        select asset_key, check_name
        from asset_check_executions
        order by asset_key, check_name
        limit 1
    )
    union all
    select next.asset_key, next.check_name
    from checks
    cross join lateral (
        select other.asset_key, other.check_name
        from asset_check_executions as other
        where (other.asset_key, other.check_name) > (checks.asset_key, checks.check_name)
        order by other.asset_key, other.check_name
        limit 1
    ) as next
)

select checks.asset_key, check_name, run_id, evaluation_event_timestamp, evaluation_event
from checks
cross join lateral (
    select run_id, execution_status, evaluation_event_timestamp, evaluation_event
    from asset_check_executions as evaluations
    where evaluations.asset_key = checks.asset_key
    and evaluations.check_name = checks.check_name
    and materialization_event_storage_id is not null
    order by materialization_event_storage_id desc, id desc
    limit 1
) as newest
left join asset_keys on asset_keys.asset_key = checks.asset_key
where execution_status = 'FAILED'
and coalesce(last_materialization_timestamp < evaluation_event_timestamp + interval '1 day', true)
order by checks.asset_key, check_name
"""

SENSORS = """
select instigator_body, instigators.status, newest.timestamp, newest.status, newest.tick_body
from instigators
left join lateral (
    select timestamp, status, tick_body
    from job_ticks
    where job_ticks.selector_id = instigators.selector_id and job_ticks.status <> 'STARTED'
    order by timestamp desc
    limit 1
) as newest on true
where instigator_type = 'SENSOR'
"""

# A week, because older failures of a job that nobody starts any more are no news.
FAILED_JOBS = """
select pipeline_name, run_id, end_time
from (
    select distinct on (pipeline_name) pipeline_name, run_id, end_time, status
    from runs
    where status in ('SUCCESS', 'FAILURE')
    and update_timestamp > (now() at time zone 'utc') - interval '7 days'
    order by pipeline_name, end_time desc nulls last, id desc
) as newest
where status = 'FAILURE'
order by pipeline_name
"""

LANDING_SINCE = """
select min(start_time) from runs where pipeline_name = %s and status in ('STARTING', 'STARTED')
"""

MATERIALIZED = """
select asset_key, last_materialization_timestamp
from asset_keys
where asset_key = any(%s) and last_materialization_timestamp is not null
"""


def has_run(connection: Connection) -> bool:
    """Return whether Dagster has ever made its tables here."""
    row = connection.execute(HAS_TABLES).fetchone()
    return bool(row and row[0])


def failing_checks(connection: Connection) -> tuple[FailingCheck, ...]:
    """Return the checks whose newest evaluation failed or warned."""
    return tuple(
        FailingCheck(
            asset="/".join(json.loads(asset_key)),
            name=name,
            severity="WARN" if _severity(event) == "WARN" else "ERROR",
            evaluated_at=at.replace(tzinfo=UTC),
            run_id=run_id,
        )
        for asset_key, name, run_id, at, event in connection.execute(CHECKS)
    )


def _severity(event: str) -> str:
    """Return the severity in a stored evaluation."""
    evaluation = json.loads(event)["dagster_event"]["event_specific_data"]
    severity = evaluation.get("severity") or {}
    return str(severity.get("__enum__", "")).removeprefix("AssetCheckSeverity.")


def sensors(connection: Connection) -> tuple[Sensor, ...]:
    """Return the sensors that the daemon knows, by name, with their last finished tick.

    A code location that was loaded under another name has left older ones of the same names.
    """
    found = [
        Sensor(
            name=json.loads(body)["origin"]["job_name"],
            is_on=status != "STOPPED",
            last_tick_at=None if ticked_at is None else ticked_at.replace(tzinfo=UTC),
            error=_error(tick) if tick_status == "FAILURE" else None,
        )
        for body, status, ticked_at, tick_status, tick in connection.execute(SENSORS)
    ]
    never = datetime.min.replace(tzinfo=UTC)
    found.sort(key=lambda sensor: (sensor.name, sensor.last_tick_at or never))
    return tuple({sensor.name: sensor for sensor in found}.values())


def _error(tick_body: str) -> str:
    """Return the line that a failed tick ended with: that of the innermost cause."""
    error = json.loads(tick_body).get("error") or {}
    while error.get("cause"):
        error = error["cause"]
    lines = str(error.get("message") or "no word of why").strip().splitlines()
    return re.sub(r"^(\w+\.)+(?=\w+: )", "", lines[0])  # the name of the error, without its module


def failed_jobs(connection: Connection) -> tuple[FailedJob, ...]:
    """Return the jobs whose newest finished run of the last week failed."""
    return tuple(
        FailedJob(job=job, run_id=run_id, ended_at=datetime.fromtimestamp(end_time or 0, UTC))
        for job, run_id, end_time in connection.execute(FAILED_JOBS)
    )


def landing_since(connection: Connection) -> datetime | None:
    """Return when the landing run that is at work began, ``None`` where none is."""
    row = connection.execute(LANDING_SINCE, [LANDING_JOB]).fetchone()
    return datetime.fromtimestamp(row[0], UTC) if row and row[0] else None


def layer_ages(connection: Connection, layers: Iterable[Layer]) -> tuple[LayerAge, ...]:
    """Return the age of each layer: that of its oldest asset; never materialized is the oldest."""
    layers = tuple(layers)
    keys = [json.dumps([layer.name, asset]) for layer in layers for asset in layer.assets]
    at = {
        tuple(json.loads(key)): stamp.replace(tzinfo=UTC)
        for key, stamp in connection.execute(MATERIALIZED, [keys])
    }
    return tuple(_age(layer, at) for layer in layers)


def _age(layer: Layer, at: dict[tuple[str, ...], datetime]) -> LayerAge:
    never = datetime.min.replace(tzinfo=UTC)
    oldest = min(layer.assets, key=lambda asset: at.get((layer.name, asset), never))
    return LayerAge(
        layer=layer.name,
        kind=layer.kind,
        asset=f"{layer.name}/{oldest}",
        materialized_at=at.get((layer.name, oldest)),
        warn_after_s=int(layer.window.warn.total_seconds()),
        fail_after_s=int(layer.window.fail.total_seconds()),
    )
