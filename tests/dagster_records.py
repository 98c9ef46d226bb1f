"""What Dagster writes down, written by Dagster: checks, runs, ticks of the landing sensor."""

import time
from datetime import timedelta

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.selector import InstigatorSelector
from dagster._core.remote_origin import (
    GrpcServerCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster_shared.error import SerializableErrorInfo

from flight_assets.core.report import LANDING_SENSOR


def checked(instance: dg.DagsterInstance, *, passes: bool, checks_only: bool = False) -> None:
    """Materialize an asset whose two checks pass or do not, or evaluate only these."""

    def check(name: str, severity: dg.AssetCheckSeverity) -> dg.AssetChecksDefinition:
        @dg.asset_check(asset=states, name=name)
        def judge() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=passes, severity=severity)

        return judge

    @dg.asset(key=["silver", "flight_states"])
    def states() -> None: ...

    checks = [
        check("claim", dg.AssetCheckSeverity.ERROR),
        check("hint", dg.AssetCheckSeverity.WARN),
    ]
    wanted = dg.AssetSelection.checks(*checks) if checks_only else None
    dg.materialize([states, *checks], instance=instance, selection=wanted)


def run(instance: dg.DagsterInstance, *, ends_well: bool) -> dg.ExecuteInProcessResult:
    """Run a job that ends well or fails."""

    @dg.op
    def work() -> None:
        if not ends_well:
            raise dg.Failure("told to fail")

    @dg.job
    def some_job() -> None:
        work()

    return some_job.execute_in_process(instance=instance, raise_on_error=False)


def ticked(
    instance: dg.DagsterInstance,
    status: InstigatorStatus,
    *,
    error: str | None = None,
    ago: timedelta = timedelta(0),
) -> None:
    """Write the landing sensor's state and a tick, as the daemon does."""
    location = GrpcServerCodeLocationOrigin(host="localhost", port=1, location_name="flight_assets")
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(location, "__repository__"), LANDING_SENSOR
    )
    selector_id = InstigatorSelector(
        location_name="flight_assets", repository_name="__repository__", name=LANDING_SENSOR
    ).get_id()
    state = InstigatorState(
        origin, InstigatorType.SENSOR, status, SensorInstigatorData(min_interval=5)
    )
    known = instance.get_instigator_state(origin.get_id(), selector_id)
    (instance.add_instigator_state if known is None else instance.update_instigator_state)(state)
    cause = SerializableErrorInfo(f"{error}\n", [], "HoleError")
    instance.create_tick(
        TickData(
            instigator_origin_id=origin.get_id(),
            instigator_name=LANDING_SENSOR,
            instigator_type=InstigatorType.SENSOR,
            status=TickStatus.SKIPPED if error is None else TickStatus.FAILURE,
            timestamp=time.time() - ago.total_seconds(),
            selector_id=selector_id,
            error=None
            if error is None
            else SerializableErrorInfo("SensorExecutionError: in the sensor\n", [], "E", cause),
        )
    )
