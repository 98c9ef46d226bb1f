"""Where the local Postgres keeps the log that a restore to any point in time needs, and how."""

import os
import shutil
from pathlib import Path

from flight_assets.errors import FlightAssetsError
from flight_assets.local import postgres_user
from flight_assets.local.postgres_data import Files

SCRIPT = Path(__file__).with_name("archive_wal.sh")
# The most that the loss of the server's own disk costs, and one file of 16 MB each time. Kafka
# holds what was lost of the stream, so that landing lands it again.
ARCHIVE_TIMEOUT_S = 300


def archive_settings(files: Files, backup_dir: Path) -> dict[str, str]:
    """Return the server's settings that keep its log in ``backup_dir``, which is made ready.

    Raises ``FlightAssetsError`` where the server's user cannot write there, or where another
    stack's backups are.
    """
    user = postgres_user.server_user()
    archive = make_archive(backup_dir, files.home, user)
    script = files.place.resolve() / SCRIPT.name  # the server's user may not enter the project
    shutil.copyfile(SCRIPT, script)
    return {
        "wal_level": "replica",
        "max_wal_senders": "4",
        "archive_mode": "on",
        "archive_timeout": f"{ARCHIVE_TIMEOUT_S}s",
        "archive_command": f'/bin/sh {quoted(script)} "%p" "%f" {quoted(archive)}',
    }


def make_archive(backup_dir: Path, home: Path, user: str | None) -> Path:
    """Return the directory of the log's files, made for this home's server."""
    archive = backup_dir / "wal"
    try:
        backup_dir.mkdir(parents=True, exist_ok=True, mode=0o755 if os.geteuid() == 0 else 0o700)
        _claim(backup_dir / "home", home)
        if not archive.exists():
            archive.mkdir(mode=0o700)
            postgres_user.give(archive, user)
    except OSError as error:
        raise FlightAssetsError(
            f"BACKUP_DIR={backup_dir} cannot be used ({error.strerror}): name a directory that "
            "you can write"
        ) from error
    if not postgres_user.can_enter(archive, user):
        raise FlightAssetsError(
            f"BACKUP_DIR={backup_dir} cannot be used: Postgres runs as the user {user}, who cannot "
            "enter it; name a directory that other users may go to"
        )
    return archive


def _claim(mark: Path, home: Path) -> None:
    """Have a directory hold the backups of one home: two servers would mix their logs."""
    if not mark.exists():
        mark.write_text(f"{home}\n")
    owner = mark.read_text().strip()
    if owner != str(home):
        raise FlightAssetsError(
            f"BACKUP_DIR={mark.parent} has the backups of the stack in {owner}: name another "
            f"directory for the one in {home}; or, where that stack is gone for good and this one "
            f"takes its place, remove {mark}"
        )


def quoted(path: Path) -> str:
    """Return a path as a word of the shell inside a setting where ``%`` has a meaning."""
    import shlex

    return shlex.quote(str(path)).replace("%", "%%")
