"""When the project's own files were last changed: what is kept of them is made anew then."""

import os
from collections.abc import Iterable
from pathlib import Path

from flight_assets.settings import PROJECT_ROOT

DBT_PROJECT = PROJECT_ROOT / "dbt_project"
PACKAGES = (PROJECT_ROOT / "flight_assets", PROJECT_ROOT / "kafka_sensors")
SUFFIXES = {".py", ".sql", ".yml", ".csv", ".md"}
MADE_HERE = {"target", "logs", "__pycache__"}


def newest_change(folders: Iterable[Path]) -> float:
    """Return when a source file in any of the folders was last changed, Unix seconds."""
    return max(
        (
            (Path(place) / name).stat().st_mtime
            for folder in folders
            for place, inner, names in os.walk(folder)
            if _without_made(inner)
            for name in names
            if Path(name).suffix in SUFFIXES
        ),
        default=0.0,
    )


def _without_made(inner: list[str]) -> bool:
    """Keep the walk out of what is made here."""
    inner[:] = [name for name in inner if name not in MADE_HERE]
    return True
