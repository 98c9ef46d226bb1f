"""A report as Prometheus metrics: the figures of `flight-assets status --json`, by their units."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from flight_assets.core.backups import Backups
from flight_assets.core.health import problems
from flight_assets.core.report import Report


def metrics_of(report: Report) -> Iterator[Metric]:
    """Yield a gauge for each figure that is known.

    What is not known has no samples and stands in ``flight_assets_unknown`` by its name.
    """
    yield _gauge(
        "report_timestamp_seconds",
        "When these figures were found out, Unix time.",
        {(): report.at.timestamp()},
    )
    yield _gauge(
        "unknown",
        "1 for each part of the report that could not be found out.",
        {(each.what,): 1 for each in report.unknown},
        "part",
    )
    yield _gauge("problems", "What needs a person, by level.", _problems(report), "level")
    yield from _of_stream(report)
    yield from _of_layers(report)
    if report.knows("failing_checks"):
        yield _gauge(
            "failing_checks",
            "Asset checks whose newest evaluation did not pass.",
            {
                (severity,): sum(check.severity == severity for check in report.failing_checks)
                for severity in ("ERROR", "WARN")
            },
            "severity",
        )
    if report.knows("rejected"):
        yield _gauge(
            "rejected_messages_last_day",
            "Messages rejected in the last 24 hours, all and by reason.",
            {
                ("all",): sum(each.messages for each in report.rejected),
                **{(each.reason,): each.messages for each in report.rejected},
            },
            "reason",
        )
    yield _gauge(
        "disk_bytes", "Bytes on disk.", {(each.what,): each.bytes for each in report.disk}, "part"
    )
    if report.backups is not None:
        yield from _of_backups(report.backups, report)
    yield _gauge(
        "certificate_expiry_timestamp_seconds",
        "When a certificate ends, Unix time.",
        {(each.name,): each.expires_at.timestamp() for each in report.certificates},
        "certificate",
    )


def _of_stream(report: Report) -> Iterator[Metric]:
    yield _gauge(
        "topic_lag_messages",
        "Offsets that Kafka has and the ledger has not.",
        {(lag.topic, str(lag.partition)): lag.waiting for lag in report.lags},
        "topic",
        "partition",
    )
    landed_at = report.last_landed_at
    if landed_at is not None:
        yield _gauge(
            "last_landing_timestamp_seconds",
            "When the newest slice committed, Unix time.",
            {(): landed_at.timestamp()},
        )
        yield _gauge(
            "last_landing_age_seconds",
            "How long ago that was.",
            {(): (report.at - landed_at).total_seconds()},
        )


def _of_layers(report: Report) -> Iterator[Metric]:
    known = {
        (layer.layer, layer.kind): age_s
        for layer in report.layers
        if (age_s := layer.age_s(report.at)) is not None
    }
    says = "Age of a layer: that of the oldest asset that speaks for it."
    yield _gauge("layer_age_seconds", says, known, "layer", "kind")
    limits = {(layer.layer, layer.kind): float(layer.fail_after_s) for layer in report.layers}
    says = "The age from which on a layer is stale by its policy."
    yield _gauge("layer_stale_after_seconds", says, limits, "layer", "kind")


def _of_backups(backups: Backups, report: Report) -> Iterator[Metric]:
    yield _gauge(
        "backup_bytes",
        "Bytes of the base backups and of the archived log.",
        {("base",): backups.base_bytes, ("wal",): backups.wal_bytes},
        "part",
    )
    age_s = backups.age_s(report.at)
    if age_s is not None:
        yield _gauge("backup_age_seconds", "Age of the newest base backup.", {(): age_s})
    says = "The age from which on the newest base backup is too old."
    yield _gauge("backup_too_old_after_seconds", says, {(): backups.max_age_s})
    if backups.to_at is not None:
        yield _gauge(
            "backup_restorable_to_timestamp_seconds",
            "The instant up to which the archived log leads, Unix time.",
            {(): backups.to_at.timestamp()},
        )


def _problems(report: Report) -> dict[tuple[str, ...], float]:
    found = problems(report)
    return {
        (level,): sum(problem.level == level for problem in found)
        for level in ("trouble", "warning")
    }


def _gauge(
    name: str, says: str, values: dict[tuple[str, ...], float], *labels: str
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"flight_assets_{name}", says, labels=labels)
    for of, value in values.items():
        family.add_metric(of, value)
    return family
