"""Calls of Postgres's own programs, and what their failures say."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from flight_assets.errors import FlightAssetsError
from flight_assets.local.postgres_data import environment, programs


def run(
    program: str,
    arguments: Sequence[str | Path],
    *,
    doing: str,
    secrets: Mapping[str, str] | None = None,
) -> str:
    """Return what a program printed; raises ``FlightAssetsError`` with its last words.

    ``secrets`` go into its environment, never into its arguments, which anybody can list.
    """
    done = subprocess.run(
        [str(part) for part in (programs() / program, *arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=environment() | dict(secrets or {}),
    )
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise FlightAssetsError(f"{doing}: {words}")
    return done.stdout
