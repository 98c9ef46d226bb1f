"""The report of this machine's line: with the addresses and the disk of the local servers."""

from dataclasses import replace

from flight_assets.core.report import Disk, Report
from flight_assets.health.collect import collect
from flight_assets.local.status import kafka_log_bytes, reachable
from flight_assets.settings import Settings


def report_here(settings: Settings) -> Report:
    """Return the report of the line that the settings describe, local servers included."""
    report = collect(reachable(settings))
    kafka_bytes = kafka_log_bytes(settings)
    if kafka_bytes is None:
        return report
    return replace(report, disk=(*report.disk, Disk(what="Kafka's log", bytes=kafka_bytes)))
