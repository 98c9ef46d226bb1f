"""The line in this process: references, landing and models, run by Dagster one after the other.

What the daemon does in ``dagster dev`` by sensors and a queue, a demo does at once: it asks the
same sensors what to run, and runs it here, until they ask for nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

import dagster as dg

from flight_assets.definitions import defs
from flight_assets.errors import FlightAssetsError
from flight_assets.partitions import hours_of_run
from flight_assets.resources import resources


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """How one asset check ended in one run."""

    asset: str
    name: str
    is_passed: bool
    is_warning: bool


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """How one run ended: what it was over and its checks."""

    job: str
    hours: str
    duration_s: float
    checks: list[CheckResult]


def build_references(instance: dg.DagsterInstance) -> RunResult:
    """Fetch the references and build their models."""
    return run_job(instance, "references_job", {})


def land_and_answer(instance: dg.DagsterInstance) -> Iterator[RunResult]:
    """Run what the landing and the stale-hours sensor ask for, until they ask for nothing."""
    for name in ("raw_flights_landing_sensor", "stale_hours_sensor"):
        sensor = defs.resolve_sensor_def(name)
        while requests := _requests(instance, sensor):
            for request in requests:
                yield run_job(instance, sensor.job_name, dict(request.tags))


def _requests(instance: dg.DagsterInstance, sensor: dg.SensorDefinition) -> list[dg.RunRequest]:
    context = dg.build_sensor_context(
        instance=instance, resources=dict(resources()), sensor_name=sensor.name
    )
    return list(sensor.evaluate_tick(context).run_requests or [])


def run_job(instance: dg.DagsterInstance, job: str, tags: dict[str, str]) -> RunResult:
    """Run a job over the hours that the tags name; raises ``FlightAssetsError`` where it fails."""
    began_at = monotonic()
    result = defs.resolve_job_def(job).execute_in_process(
        instance=instance, tags=tags, raise_on_error=False
    )
    if not result.success:
        raise FlightAssetsError(
            f"the run {result.run_id} of {job} failed: {first_error(result)} "
            "(`flight-assets dev` shows the whole of it under Runs)"
        )
    hours = hours_of_run(tags)
    return RunResult(
        job=job,
        hours=f"{hours.first:%Y-%m-%dT%H} to {hours.last:%Y-%m-%dT%H}" if hours else "",
        duration_s=monotonic() - began_at,
        checks=[
            CheckResult(
                asset=evaluation.asset_key.to_user_string(),
                name=evaluation.check_name,
                is_passed=evaluation.passed,
                is_warning=evaluation.severity == dg.AssetCheckSeverity.WARN,
            )
            for evaluation in result.get_asset_check_evaluations()
        ],
    )


def first_error(result: dg.ExecuteInProcessResult) -> str:
    """Return the first line of the innermost error of a failed run."""
    for event in result.all_events:
        if event.is_failure and getattr(event.event_specific_data, "error", None):
            error = event.event_specific_data.error
            while error.cause is not None:
                error = error.cause
            return error.message.strip().splitlines()[0]
    return "no event says why"
