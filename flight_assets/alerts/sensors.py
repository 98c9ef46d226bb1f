"""The sensors that watch the line for a person. Off, at the cost of nothing, until one is named.

They look at the line from outside: at Kafka, the warehouse and Dagster's own records. So a landing
sensor that is off, quiet or failing is seen without its help.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from flight_assets.alerts.announce import Finding, Outcome, announce
from flight_assets.alerts.receivers import AlertNotSentError, Receiver, receivers_of
from flight_assets.core.health import Problem, of_failed_job, problems
from flight_assets.core.report import FailedJob
from flight_assets.health import collect
from flight_assets.settings import Settings, load_settings

OFF = "off: set ALERT_WEBHOOK_URL, or ALERT_EMAIL_TO and SMTP_HOST, and restart Dagster"


@dg.sensor(
    name="alert_sensor",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Sends an alert for what `flight-assets status` calls trouble: failing checks, stale "
        "layers, failed jobs, a landing sensor that is off or quiet while messages wait, servers "
        "that do not answer; and a word when it is over."
    ),
)
def alert_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Compare the line with what each receiver has been told."""
    settings = load_settings()
    receivers = receivers_of(settings)
    if not receivers:
        return dg.SkipReason(OFF)
    report = collect(settings)
    quiet_after = timedelta(minutes=settings.alert_quiet_minutes)
    found = worth_telling(problems(report, quiet_after=quiet_after), settings)
    finding = Finding(
        problems=found,
        at=report.at,
        is_whole=True,
        unknown_parts=[each.what for each in report.unknown],
    )
    return told(context.instance, receivers, finding, settings)


@dg.run_failure_sensor(
    name="failed_run_alert_sensor",
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Sends an alert for a run that failed, at once; for those of one job only once.",
)
def failed_run_alert_sensor(context: dg.RunFailureSensorContext) -> dg.SkipReason:
    """Tell of one failed run."""
    settings = load_settings()
    receivers = receivers_of(settings)
    if not receivers:
        return dg.SkipReason(OFF)
    now = datetime.now(UTC)
    run = context.dagster_run
    failed = FailedJob(job=run.job_name, run_id=run.run_id, ended_at=now)
    found = of_failed_job(failed, error=context.failure_event.message)
    return told(
        context.instance, receivers, Finding(problems=[found], at=now, is_whole=False), settings
    )


def worth_telling(found: list[Problem], settings: Settings) -> list[Problem]:
    """Return the problems that are told: trouble, and warnings where they are wanted."""
    return [each for each in found if each.level == "trouble" or settings.alert_warnings]


def told(
    instance: dg.DagsterInstance, receivers: list[Receiver], finding: Finding, settings: Settings
) -> dg.SkipReason:
    """Send what is due; return what the tick has to say.

    Raises ``AlertNotSentError``, so that the tick is red, where a receiver took nothing. What the
    others took is remembered all the same.
    """
    outcome: Outcome = announce(
        instance,
        receivers,
        finding,
        repeat_after=timedelta(hours=settings.alert_repeat_hours),
        ui_url=settings.dagster_ui_url,
    )
    if outcome.failures:
        raise AlertNotSentError("; ".join(outcome.failures))
    return dg.SkipReason(f"{len(finding.problems)} problems, {outcome.sent} alerts sent")
