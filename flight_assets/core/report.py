"""What is seen of the running line at an instant: figures, of which some may not be known.

They are gathered in ``flight_assets.health``; nothing is asked of any server here.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from flight_assets.core.backups import Backups

Age = Literal["fresh", "late", "stale", "never"]

LANDING_SENSOR = "raw_flights_landing_sensor"
LANDING_JOB = "land_and_answer_job"


@dataclass(frozen=True, kw_only=True)
class Lag:
    """What one topic-partition holds and the ledger does not; ``landed_end`` is ``None`` where
    nothing of it ever landed.
    """

    topic: str
    partition: int
    high_watermark: int
    landed_end: int | None
    waiting: int


@dataclass(frozen=True, kw_only=True)
class LastPoll:
    """The newest poll that has landed; ``coverage_pct`` is ``None`` where the source told none."""

    poll_id: str
    source: str
    ended_at: datetime
    observation_count: int
    coverage_pct: float | None
    failed_tile_count: int
    saturated_tile_count: int


@dataclass(frozen=True, kw_only=True)
class LayerAge:
    """How old a layer is by its policy. ``asset`` is the oldest of those that speak for it."""

    layer: str
    kind: str
    asset: str
    materialized_at: datetime | None
    warn_after_s: int
    fail_after_s: int

    def age_s(self, now: datetime) -> float | None:
        """Return the seconds since its materialization, ``None`` where there was none."""
        return (
            None if self.materialized_at is None else (now - self.materialized_at).total_seconds()
        )

    def state(self, now: datetime) -> Age:
        """Return what the policy says of it now."""
        age_s = self.age_s(now)
        if age_s is None:
            return "never"
        if age_s > self.fail_after_s:
            return "stale"
        return "late" if age_s > self.warn_after_s else "fresh"


@dataclass(frozen=True, kw_only=True)
class FailingCheck:
    """An asset check whose newest evaluation did not pass."""

    asset: str
    name: str
    severity: Literal["ERROR", "WARN"]
    evaluated_at: datetime
    run_id: str


@dataclass(frozen=True, kw_only=True)
class FailedJob:
    """A job whose newest finished run failed."""

    job: str
    run_id: str
    ended_at: datetime


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """A sensor as Dagster has it. ``error`` is what its last tick failed with."""

    name: str
    is_on: bool
    last_tick_at: datetime | None
    error: str | None


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """Messages rejected in the last day, for one reason."""

    reason: str
    messages: int


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Bytes on disk of one thing: the database, a schema, Kafka's log."""

    what: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate by the name of its file, and when it ends."""

    name: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """Something that could not be found out, and why."""

    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What was found out at an instant. What is ``None`` or missing is named in ``unknown``."""

    at: datetime
    lags: tuple[Lag, ...] = ()
    last_poll: LastPoll | None = None
    last_landed_at: datetime | None = None
    layers: tuple[LayerAge, ...] = ()
    failing_checks: tuple[FailingCheck, ...] = ()
    failed_jobs: tuple[FailedJob, ...] = ()
    sensors: tuple[Sensor, ...] = ()
    landing_since: datetime | None = None  # a landing run is at work since then
    rejected: tuple[Rejected, ...] = ()
    disk: tuple[Disk, ...] = ()
    backups: Backups | None = None  # BACKUP_DIR is not set, or it could not be looked at
    certificates: tuple[Certificate, ...] = ()
    unknown: tuple[Unknown, ...] = ()

    def knows(self, what: str) -> bool:
        """Return whether a part of the report was found out."""
        return all(each.what != what for each in self.unknown)

    @property
    def waiting(self) -> int:
        """The offsets that wait in all topics together."""
        return sum(lag.waiting for lag in self.lags)
