"""Calls of Postgres's own programs, and what their failures say."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

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


def server(conninfo: str) -> tuple[str, dict[str, str]]:
    """Return the argument that names a server, and what its environment has to have for it."""
    parts = {name: str(v) for name, v in conninfo_to_dict(conninfo).items() if v is not None}
    password = parts.pop("password", "")
    return f"--dbname={make_conninfo(**parts)}", {"PGPASSWORD": password}
