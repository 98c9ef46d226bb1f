"""Who the local Postgres runs as: the caller, or, since it refuses root, a user of its own.

That user must be able to enter the data directory and to run the programs. Where the project lies
in a directory that only root may enter, both live in root's own place for such data instead.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from flight_assets.errors import FlightAssetsError
from flight_assets.local.processes import identity_of

SYSTEM_USER = "pgserver"  # the name that the wheel's own server uses
ROOTS_PLACE = Path("/var/lib/flight-assets")


def server_user() -> str | None:
    """Return the system user to run as, created when missing; ``None``: as the caller."""
    if os.geteuid() != 0:
        return None
    import pwd

    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _create_user()
    return SYSTEM_USER


def _create_user() -> None:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin"]
    try:
        subprocess.run([*command, SYSTEM_USER], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        words = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1]
        raise FlightAssetsError(
            f"Postgres does not run as root, and its user {SYSTEM_USER} cannot be created "
            f"({words}): run flight-assets as another user, or set POSTGRES_HOST"
        ) from error


def give(path: Path, user: str | None) -> None:
    """Hand a file or directory over to the server's user."""
    if user is not None:
        shutil.chown(path, user)


def can_enter(directory: Path, user: str | None) -> bool:
    """Return whether the user may enter a directory, by asking as that user."""
    if user is None:
        return True
    command = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(directory)]
    return subprocess.run(command, cwd="/", **identity_of(user)).returncode == 0


def make_place(place: Path, user: str | None) -> Path | None:
    """Make the directory of the server's data; return where else, if its user cannot enter it."""
    if can_enter(place.parent, user):
        place.unlink(missing_ok=True)  # a link to what is gone
        place.mkdir(mode=0o700)
        give(place, user)
        return None
    return _roots_place() / hashlib.sha256(os.fsencode(place)).hexdigest()[:12]


def link_place(place: Path, elsewhere: Path, user: str | None) -> None:
    """Have the data live elsewhere, anew: what is there is of a home that was removed."""
    if elsewhere.exists():
        shutil.rmtree(elsewhere)
    elsewhere.mkdir(mode=0o700)
    give(elsewhere, user)
    place.unlink(missing_ok=True)  # a link to what is gone
    place.symlink_to(elsewhere)


def reachable_programs(programs: Path, user: str | None) -> Path:
    """Return a directory of the Postgres programs that the user may enter, copied if need be."""
    if can_enter(programs, user):
        return programs
    installed = programs.parent  # WHEEL/pginstall18/bin
    wheel = installed.parent
    copy = _roots_place() / f"programs-{installed.stat().st_mtime_ns:x}"
    if not copy.exists():
        unfinished = copy.with_suffix(f".{os.getpid()}")
        shutil.copytree(installed, unfinished / wheel.name / installed.name, symlinks=True)
        # its libraries lie beside the wheel; the programs know the way there from themselves
        libraries = f"{wheel.name}.libs"
        if (wheel.parent / libraries).exists():
            shutil.copytree(wheel.parent / libraries, unfinished / libraries, symlinks=True)
        try:
            unfinished.rename(copy)
        except OSError:
            shutil.rmtree(unfinished)
            if not copy.exists():
                raise  # else another start was quicker
    return copy / wheel.name / installed.name / programs.name


def _roots_place() -> Path:
    try:
        ROOTS_PLACE.mkdir(parents=True, exist_ok=True, mode=0o755)
    except OSError as error:
        raise FlightAssetsError(
            f"Postgres does not run as root, and its user {SYSTEM_USER} can neither enter the "
            f"project nor be given {ROOTS_PLACE} ({error.strerror}): move the project to where "
            "other users may go, set FLIGHT_ASSETS_HOME, or set POSTGRES_HOST"
        ) from error
    return ROOTS_PLACE
