"""An alert in words: what, where, since when, what to do, and where to look."""

from datetime import UTC, datetime
from typing import Any

from flight_assets.core.alerts import Alert


def subject(alert: Alert) -> str:
    """Return one line that fits a mail's subject."""
    level = alert.problem.level
    said = {"new": level, "again": f"still {level}", "over": "over"}[alert.kind]
    return " ".join(f"[flight-assets] {said}: {alert.problem.what}".split())[:200]


def as_text(alert: Alert, ui_url: str | None) -> str:
    """Return the alert for a person, a line each."""
    problem, link = alert.problem, link_of(alert, ui_url)
    lines = [subject(alert), f"where: {problem.where}", f"since: {iso(alert.since)}"]
    if alert.kind != "over":
        lines.append(f"to do: {problem.to_do}")
    if link is not None:
        lines.append(f"look:  {link}")
    return "\n".join(lines)


def as_fields(alert: Alert, ui_url: str | None) -> dict[str, Any]:
    """Return the alert for a program; ``kind`` is ``new``, ``again`` or ``over``."""
    problem = alert.problem
    return {
        "kind": alert.kind,
        "key": problem.key,
        "level": problem.level,
        "what": problem.what,
        "where": problem.where,
        "since": iso(alert.since),
        "to_do": problem.to_do,
        "link": link_of(alert, ui_url),
    }


def link_of(alert: Alert, ui_url: str | None) -> str | None:
    """Return where in Dagster's UI to look, ``None`` where its address is not set."""
    if ui_url is None:
        return None
    run_id = alert.problem.run_id
    return ui_url.rstrip("/") + ("/automation" if run_id is None else f"/runs/{run_id}")


def iso(at: datetime) -> str:
    """Return an instant as ISO 8601 in UTC, to the second.

    >>> iso(datetime(2026, 1, 31, 12, 0, 5, 9, tzinfo=UTC))
    '2026-01-31T12:00:05Z'
    """
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
