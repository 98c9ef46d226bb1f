"""What of the running line needs a person, and how urgently: plain decisions over a report."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from flight_assets.core.backups import Backups
from flight_assets.core.report import (
    LANDING_SENSOR,
    FailedJob,
    FailingCheck,
    LayerAge,
    Report,
    Sensor,
    Unknown,
)

Level = Literal["trouble", "warning"]

# A sensor ticks every few seconds.
QUIET_AFTER = timedelta(minutes=10)
# A run lands first and then models what it landed, while more comes. Dagster ends it after an hour.
LANDING_RUN_ENDS_WITHIN = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What needs a person: what, where, since when (``None``: not known) and what to do.

    ``key`` is the same as long as it is the same problem. ``may_pass``: a server or a daemon that
    starts again looks like this for a moment.
    """

    key: str
    level: Level
    what: str
    where: str
    since: datetime | None
    to_do: str
    run_id: str | None = None
    may_pass: bool = False
    parts: tuple[str, ...] = ()  # of the report, without which it could not have been seen


def problems(report: Report, *, quiet_after: timedelta = QUIET_AFTER) -> list[Problem]:
    """Return what needs a person, trouble before warnings."""
    found = [
        *_of_the_unknown(report.unknown),
        *_of_landing(report, quiet_after),
        *_of_sensors(report.sensors, report.at),
        *map(of_failed_job, report.failed_jobs),
        *map(_of_check, report.failing_checks),
        *_of_layers(report),
        *_of_backups(report),
        *_of_certificates(report),
    ]
    return sorted(found, key=lambda problem: problem.level)


def has_trouble(found: Iterable[Problem]) -> bool:
    """Return whether anything in there cannot wait."""
    return any(problem.level == "trouble" for problem in found)


def of_failed_job(failed: FailedJob, *, error: str | None = None) -> Problem:
    """Return the problem that a job's failed run is, with the first line of its error."""
    line = (error or "").strip().partition("\n")[0]
    return Problem(
        key=f"job {failed.job}",
        level="trouble",
        what=f"the last run of {failed.job} failed" + (f": {line}" if line else ""),
        where=f"run {failed.run_id}",
        since=failed.ended_at,
        to_do="read the run's error in Dagster's UI; what it was to land or answer is asked for "
        "again by the sensors, other jobs are started by hand",
        run_id=failed.run_id,
        parts=("failed_jobs",),
    )


PARTS = {
    "last_poll": "last poll",
    "last_landed_at": "last landing",
    "rejected": "rejected messages",
    "disk": "disk use",
    "lags": "lag",
    "failing_checks": "failing checks",
    "failed_jobs": "failed jobs",
    "sensors": "sensors",
    "landing_since": "landing runs",
    "layers": "freshness",
    "backups": "backups",
    "certificates": "certificates",
}


def _of_the_unknown(unknown: Iterable[Unknown]) -> Iterator[Problem]:
    """Yield one problem a cause: one server that is down hides several parts."""
    hidden: dict[str, list[str]] = {}
    for each in unknown:
        hidden.setdefault(each.why, []).append(PARTS.get(each.what, each.what))
    for why, parts in hidden.items():
        yield Problem(
            key=f"unknown {parts[0]}",
            level="trouble",
            what=f"not known: {', '.join(parts)}",
            where=why.split(": ")[0],
            since=None,
            to_do=why,
            may_pass=True,
        )


OF_LANDING = ("lags", "last_landed_at", "sensors", "landing_since")


def _of_landing(report: Report, quiet_after: timedelta) -> Iterator[Problem]:
    """Yield what keeps waiting messages from landing; at rest, nothing is wrong."""
    if not report.waiting or not report.knows("sensors"):
        return
    quiet = _quiet(report, quiet_after)
    if quiet is not None:
        yield quiet
        return
    landed_at, busy_since = report.last_landed_at, report.landing_since
    if busy_since is not None and report.at - busy_since <= LANDING_RUN_ENDS_WITHIN:
        return
    if landed_at is not None and report.at - landed_at > quiet_after:
        yield Problem(
            key="landing",
            level="trouble",
            what=f"{report.waiting} messages wait and nothing lands",
            where=", ".join(sorted({lag.topic for lag in report.lags if lag.waiting})),
            since=landed_at,
            to_do=f"look at the last ticks of {LANDING_SENSOR} and at the queue of runs",
            may_pass=True,
            parts=OF_LANDING,
        )


def _quiet(report: Report, quiet_after: timedelta) -> Problem | None:
    """Return the problem of a landing sensor that is off, or that has not ticked for too long."""
    sensor = next((each for each in report.sensors if each.name == LANDING_SENSOR), None)
    ticked_at = sensor.last_tick_at if sensor else None
    if sensor is not None and not sensor.is_on:
        what, to_do = "is turned off", "turn it on in Dagster's UI (Automation)"
    elif ticked_at is None:
        what, to_do = "has never ticked", "start Dagster: `flight-assets dev`, or `dagster dev`"
    elif report.at - ticked_at > quiet_after:
        what = "has gone quiet"
        to_do = "see whether Dagster's daemon runs, and whether its code location loads"
    else:
        return None
    return Problem(
        key="quiet",
        level="trouble",
        what=f"{LANDING_SENSOR} {what} while {report.waiting} messages wait",
        where="Dagster's sensors",
        since=ticked_at,
        to_do=to_do,
        may_pass=sensor is None or sensor.is_on,
        parts=OF_LANDING,
    )


# A sensor that the code no longer has keeps its last tick for ever.
FORGOTTEN_AFTER = timedelta(days=1)


def _of_sensors(sensors: Iterable[Sensor], now: datetime) -> Iterator[Problem]:
    for sensor in sensors:
        ticked_at = sensor.last_tick_at
        if ticked_at is None or now - ticked_at > FORGOTTEN_AFTER:
            continue
        if sensor.is_on and sensor.error is not None:
            yield Problem(
                key=f"sensor {sensor.name}",
                level="trouble",
                what=f"{sensor.name} fails: {sensor.error}",
                where="Dagster's sensors",
                since=ticked_at,
                to_do="do what its error says",
                parts=("sensors",),
            )


def _of_check(check: FailingCheck) -> Problem:
    return Problem(
        key=f"check {check.asset} {check.name}",
        level="trouble" if check.severity == "ERROR" else "warning",
        what=f"{check.name} {'fails' if check.severity == 'ERROR' else 'warns'}",
        where=check.asset,
        since=check.evaluated_at,
        to_do="its description in Dagster's UI says what to look at and what to do",
        run_id=check.run_id,
        parts=("failing_checks",),
    )


def _of_layers(report: Report) -> Iterator[Problem]:
    for layer in report.layers:
        state = layer.state(report.at)
        if state == "fresh":
            continue
        is_stream = layer.kind == "stream"
        yield Problem(
            key=f"freshness {layer.layer} {layer.kind}",
            level="warning" if state == "late" else "trouble",
            what=f"the {layer.kind} of {layer.layer} "
            + ("was never materialized" if state == "never" else f"is {state}"),
            where=layer.asset,
            since=_late_since(layer),
            to_do="see that the poller runs and that its runs succeed"
            if is_stream
            else "run references_job, or `flight-assets references`",
            may_pass=True,
            parts=("layers",),
        )


def _late_since(layer: LayerAge) -> datetime | None:
    at = layer.materialized_at
    return None if at is None else at + timedelta(seconds=layer.warn_after_s)


def _of_backups(report: Report) -> Iterator[Problem]:
    """Yield what a restore would suffer from."""
    backups = report.backups
    if backups is None:
        return
    if backups.is_too_old(report.at):
        yield _of_backup(
            backups,
            "age",
            "there is no base backup"
            if backups.newest_at is None
            else f"the newest base backup, {backups.newest_label}, is too old",
            since=backups.newest_at,
            to_do="see why backup_job does not succeed, or call `flight-assets backup now`",
        )
    if backups.missing is not None:
        yield _of_backup(
            backups,
            "gap",
            f"the log after the newest base backup lacks {backups.missing}",
            since=None,
            to_do="put the file back, or call `flight-assets backup now` for a base backup that "
            "does not need it; `flight-assets backup list` has what can be restored until then",
        )
    if backups.archiving_fails_since is not None:
        yield _of_backup(
            backups,
            "archiver",
            "Postgres's log does not reach the archive, and fills Postgres's own disk",
            since=backups.archiving_fails_since,
            to_do="read Postgres's log, see that BACKUP_DIR is there and not full, and that "
            "`flight-assets backup receive` runs where that is used",
        )


def _of_backup(
    backups: Backups, key: str, what: str, *, since: datetime | None, to_do: str
) -> Problem:
    return Problem(
        key=f"backup {key}",
        level="trouble",
        what=what,
        where=backups.directory,
        since=since,
        to_do=to_do,
        parts=("backups",),
    )


# Long enough to renew it on a working day, and to start again what reads it.
CERTIFICATE_WARNS_BEFORE = timedelta(days=30)


def _of_certificates(report: Report) -> Iterator[Problem]:
    for certificate in report.certificates:
        left = certificate.expires_at - report.at
        if left > CERTIFICATE_WARNS_BEFORE:
            continue
        has_ended = left <= timedelta(0)
        yield Problem(
            key=f"certificate {certificate.name}",
            level="trouble" if has_ended else "warning",
            what=f"{certificate.name} " + ("has ended" if has_ended else f"ends in {left.days} d"),
            where="certificates",
            since=certificate.expires_at if has_ended else None,
            to_do="call `flight-assets secrets certificates --renew`, then start again the servers "
            "that read it; one of another authority is renewed there",
            parts=("certificates",),
        )
