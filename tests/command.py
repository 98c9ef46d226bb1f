"""The ``flight-assets`` command as a person calls it: another process, a home of its own."""

import os
import subprocess
import sys
from pathlib import Path

import psutil


def flight_assets(home: Path, *arguments: str, **environment: str) -> str:
    """Return what a command printed; it must end well."""
    done = subprocess.run(
        [sys.executable, "-m", "flight_assets.cli", *arguments],
        env={**os.environ, **environment, "FLIGHT_ASSETS_HOME": str(home), "COLUMNS": "160"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def processes_of(home: Path) -> list[psutil.Process]:
    """Return the processes that name the home in their command line."""
    running = psutil.process_iter(["cmdline"])
    return [p for p in running if str(home) in " ".join(p.info["cmdline"] or [])]
