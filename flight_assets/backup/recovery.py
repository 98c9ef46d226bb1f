"""The server that replays the log up to an instant: nobody can reach it but who started it."""

import re
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg import sql

from flight_assets.backup.places import Places
from flight_assets.errors import FlightAssetsError
from flight_assets.local import postgres_user
from flight_assets.local.postgres_archive import quoted
from flight_assets.local.postgres_data import (
    SCRAM_ITERATIONS,
    USER,
    Files,
    environment,
    programs,
    read_password,
)
from flight_assets.local.processes import ProcessRecord, last_line, spawn, stop, wait_until

RECOVERY_WITHIN_S = 24 * 3600
LAST_ENDED = re.compile(r"last completed transaction was at log time (.+)")


def recover(places: Places, files: Files, superuser: str, at: datetime) -> str:
    """Replay the log up to an instant, set the home's password, and stop the server again.

    Returns when the last transaction ended that it holds. Raises ``FlightAssetsError`` with the
    server's own last words.
    """
    files.log.parent.mkdir(parents=True, exist_ok=True)
    log = files.log.with_name("restore.log")
    log.unlink(missing_ok=True)
    process = _spawn(files, log, _settings(places, files, at))
    try:
        _wait(files, process, log)
        _set_password(files, superuser)
    finally:
        stop(process, by=signal.SIGINT, patience_s=300)
        _hba(files).unlink(missing_ok=True)
    found = LAST_ENDED.findall(log.read_text(errors="replace"))
    return str(found[-1]) if found else ""


def _settings(places: Places, files: Files, at: datetime) -> dict[str, str]:
    """Return settings that are of this one run: none of them stays in the data directory."""
    return {
        "listen_addresses": "",
        "unix_socket_directories": str(files.place.resolve()),
        "unix_socket_permissions": "0700",
        "hba_file": str(_hba(files)),
        "hot_standby": "off",  # to be reached only when it is there
        "restore_command": f'cp {quoted(places.wal)}/%f "%p"',
        "recovery_target_time": at.astimezone(UTC).isoformat(),
        "recovery_target_action": "promote",
        # what it writes itself is kept for the archive of the server that goes on with it
        "archive_mode": "on",
        "archive_command": "",
        "shared_buffers": "128MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "scram_iterations": SCRAM_ITERATIONS,
        "password_encryption": "scram-sha-256",
    }


def _hba(files: Files) -> Path:
    return files.place.resolve() / "recovery-hba.conf"


def _spawn(files: Files, log: Path, settings: dict[str, str]) -> ProcessRecord:
    user = postgres_user.server_user()
    _hba(files).write_text("local all all trust\n")  # its socket is where only its user can enter
    postgres_user.give(_hba(files), user)
    program = postgres_user.reachable_programs(programs(), user) / "postgres"
    command: list[str | Path] = [program, "-D", files.data]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return spawn(command, log=log, env=environment(), user=user)


def _wait(files: Files, process: ProcessRecord, log: Path) -> None:
    """Wait until the server takes connections, by its own note: asking it would fill its log."""

    def is_ready_or_ended() -> bool:
        return not process.is_alive() or _is_ready(files.data / "postmaster.pid")

    is_done = wait_until(is_ready_or_ended, timeout_s=RECOVERY_WITHIN_S)
    if not is_done or not process.is_alive():
        words = last_line(log, containing=("FATAL", "PANIC")) or last_line(log) or "no message"
        raise FlightAssetsError(f"Postgres could not replay the log: {words}")


STATUS_LINE = 7  # of postmaster.pid, as in Postgres's pidfile.h, counted from 0


def _is_ready(pid_file: Path) -> bool:
    try:
        lines = pid_file.read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready"


def _connect(files: Files, superuser: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(
        host=str(files.place.resolve()),
        port=5432,
        user=superuser,
        dbname="postgres",
        connect_timeout=5,
        autocommit=True,
    )


def _set_password(files: Files, superuser: str) -> None:
    """Let the local stack's user in with the password of this home, and with no older one."""
    name, password = sql.Identifier(USER), sql.Literal(read_password(files.home))
    statements: Sequence[sql.Composable] = [
        sql.SQL("alter role {} login superuser password {}").format(name, password)
    ]
    with _connect(files, superuser) as connection:
        known = connection.execute("select from pg_roles where rolname = %s", [USER]).fetchone()
        if known is None:
            statements = [sql.SQL("create role {}").format(name), *statements]
        for statement in statements:
            connection.execute(statement)
