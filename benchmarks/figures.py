"""Where a benchmark keeps what it has measured."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from flight_assets.settings import PROJECT_ROOT

PLACE = PROJECT_ROOT / ".flight-assets" / "benchmarks"


def p95(values: Iterable[float]) -> float:
    """Return the 95th percentile: that of the values which is nearest to it."""
    ordered = sorted(values)
    return ordered[round(0.95 * (len(ordered) - 1))]


def keep(name: str, figures: dict[str, Any]) -> None:
    """Write the figures of a benchmark to its file, with the time of now, and say where."""
    measured_at = datetime.now(UTC).isoformat(timespec="seconds")
    results = PLACE / f"{name}.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps({**figures, "measured_at": measured_at}, indent=2) + "\n")
    Console().print(f"Figures: {results}")
