"""The state of the line in the terminal: tables for people, one JSON object for programs."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flight_assets.core.health import Problem, has_trouble
from flight_assets.core.report import LayerAge, Report
from flight_assets.local.status import ServerStatus

# Unit, its seconds, and from how many on it is used: limits of 26 and 50 hours are said as such.
UNITS = (("d", 86_400, 259_200), ("h", 3_600, 3_600), ("min", 60, 60), ("s", 1, 0))


def age(seconds: float | None) -> str:
    """Return seconds as a person says them, in whole units.

    >>> [age(s) for s in (None, 0.4, 59, 125, 7_300, 180_000, 300_000)]
    ['never', '0 s', '59 s', '2 min', '2 h', '50 h', '3 d']
    """
    if seconds is None:
        return "never"
    unit, unit_s, _ = next((u for u in UNITS if seconds >= u[2]), UNITS[-1])
    return f"{max(0, int(seconds // unit_s))} {unit}"


def ago(at: datetime | None, now: datetime) -> str:
    """Return an instant as its distance from now."""
    return "never" if at is None else f"{age((now - at).total_seconds())} ago"


def size(count: int) -> str:
    """Return bytes in MB, or in GB from one on.

    >>> size(64_714_431), size(3_200_000_000)
    ('65 MB', '3.2 GB')
    """
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"


def as_json(servers: Sequence[ServerStatus], report: Report, found: Sequence[Problem]) -> str:
    """Return all of it as one JSON object; instants are ISO 8601 in UTC."""
    whole = {
        "is_well": not has_trouble(found),
        "problems": [asdict(problem) for problem in found],
        "servers": [asdict(server) for server in servers],
        **asdict(report),
        "backups": _backups(report),
        "waiting": report.waiting if report.lags else None,
        "layers": [_layer(each, report.at) for each in report.layers],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False, default=_iso)


def _layer(layer: LayerAge, now: datetime) -> dict[str, Any]:
    return {**asdict(layer), "age_s": layer.age_s(now), "state": layer.state(now)}


def _backups(report: Report) -> dict[str, Any] | None:
    backups = report.backups
    if backups is None:
        return None
    return {**asdict(backups), "age_s": backups.age_s(report.at)}


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"not JSON: {value!r}")


def print_status(
    console: Console, servers: Sequence[ServerStatus], report: Report, found: Sequence[Problem]
) -> None:
    """Print what runs, how the line is and, last, where one looks, what needs a person."""
    _print_servers(console, servers)
    _print_lags(console, report)
    _print_layers(console, report)
    _print_facts(console, report)
    _print_problems(console, report, found)


def _table(title: str, *headings: str, right: Sequence[str] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if heading in right else "left")
    return table


def _print_servers(console: Console, servers: Sequence[ServerStatus]) -> None:
    table = _table("Stack", "server", "state", "address", "pid", "memory", right=("pid", "memory"))
    for server in servers:
        memory = "" if server.memory_mb is None else f"{server.memory_mb} MB"
        pid = "" if server.pid is None else str(server.pid)
        table.add_row(server.name, server.state, server.address or "", pid, memory)
    console.print(table)


def _print_lags(console: Console, report: Report) -> None:
    if not report.lags:
        return
    columns = ("topic", "partition", "Kafka has", "landed up to", "waiting")
    table = _table("Lag", *columns, right=columns[1:])
    for lag in report.lags:
        landed = "nothing" if lag.landed_end is None else f"{lag.landed_end:,}"
        counts = (f"{lag.high_watermark:,}", landed, f"{lag.waiting:,}")
        table.add_row(lag.topic, str(lag.partition), *counts)
    table.add_section()
    table.add_row("all", "", "", "", f"{report.waiting:,}")
    console.print(table)


STATE_STYLES = {"fresh": "green", "late": "yellow", "stale": "red", "never": "red"}


def _print_layers(console: Console, report: Report) -> None:
    if not report.layers:
        return
    columns = ("layer", "of", "state", "age", "late after", "stale after", "oldest asset")
    table = _table("Freshness", *columns, right=columns[3:6])
    for layer in report.layers:
        state = layer.state(report.at)
        limits = (age(layer.warn_after_s), age(layer.fail_after_s))
        shown = f"[{STATE_STYLES[state]}]{state}[/]"
        old = age(layer.age_s(report.at))
        table.add_row(layer.layer, layer.kind, shown, old, *limits, layer.asset)
    console.print(table)


def _print_facts(console: Console, report: Report) -> None:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column()
    for name, value in _facts(report):
        facts.add_row(name, escape(value))
    console.print(facts)


def _facts(report: Report) -> list[tuple[str, str]]:
    """Return what fits on a line each; what could not be found out is said as such."""

    def of(part: str, text: str) -> str:
        return text if report.knows(part) else "not known"

    on = [f"{each.name} {ago(each.last_tick_at, report.at)}" for each in report.sensors]
    reasons = ", ".join(f"{each.messages:,} {each.reason}" for each in report.rejected)
    certificates = [f"{e.name} until {e.expires_at:%Y-%m-%d}" for e in report.certificates]
    checks = [f"{each.asset} {each.name} ({each.severity})" for each in report.failing_checks]
    return [
        ("Last poll", of("last_poll", _poll(report))),
        ("Last landing", of("last_landed_at", ago(report.last_landed_at, report.at))),
        ("Sensor ticks", of("sensors", ", ".join(on) or "none")),
        ("Failed jobs", of("failed_jobs", ", ".join(e.job for e in report.failed_jobs) or "none")),
        ("Failing checks", of("failing_checks", ", ".join(checks) or "none")),
        ("Rejected, 1 day", of("rejected", reasons or "none")),
        ("Disk", of("disk", ", ".join(f"{e.what} {size(e.bytes)}" for e in report.disk))),
        ("Backup", of("backups", _backup(report))),
        ("Certificates", of("certificates", ", ".join(certificates) or "none")),
    ]


def _backup(report: Report) -> str:
    backups = report.backups
    if backups is None:
        return "off: BACKUP_DIR is not set"
    if backups.newest_at is None:
        return f"none in {backups.directory}"
    return (
        f"newest {ago(backups.newest_at, report.at)}, {backups.base_count} of "
        f"{size(backups.base_bytes)}, log {size(backups.wal_bytes)}, can restore from "
        f"{ago(backups.from_at, report.at)} to {ago(backups.to_at, report.at)}"
    )


def _poll(report: Report) -> str:
    poll = report.last_poll
    if poll is None:
        return "none has landed"
    coverage = "coverage not told" if poll.coverage_pct is None else f"{poll.coverage_pct:.2f} %"
    gaps = poll.failed_tile_count + poll.saturated_tile_count
    return (
        f"{poll.poll_id} ({poll.source}), ended {ago(poll.ended_at, report.at)}: "
        f"{poll.observation_count:,} aircraft, {coverage}"
        + (f", {gaps} tiles incomplete" if gaps else "")
    )


def _print_problems(console: Console, report: Report, found: Sequence[Problem]) -> None:
    lines = Table.grid(padding=(0, 2))
    for problem in found:
        style = "red" if problem.level == "trouble" else "yellow"
        lines.add_row(f"[{style}]{problem.level}[/]", escape(_said(problem, report.at)))
        lines.add_row("", f"[dim]{escape(problem.to_do)}[/]")
    console.print()
    console.print(lines)
    troubles = sum(problem.level == "trouble" for problem in found)
    warnings = len(found) - troubles
    verdict = f"[red]Needs a person: {troubles}.[/]" if troubles else "[green]All well.[/]"
    console.print(verdict + (f" Warnings: {warnings}." if warnings else ""))


def _said(problem: Problem, now: datetime) -> str:
    where = "" if problem.where in problem.what else f" ({problem.where})"
    since = "" if problem.since is None else f", for {age((now - problem.since).total_seconds())}"
    return f"{problem.what}{where}{since}"
