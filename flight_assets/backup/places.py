"""What is where in ``BACKUP_DIR``.

``base/LABEL/data`` is a base backup as ``pg_basebackup`` writes it, ``base/LABEL/backup.json`` what
is known of it, ``wal/`` the archive of the log; a name with a dot before it is not finished.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from flight_assets.backup.segments import (
    HISTORY_NAME,
    NAME,
    SEGMENT_BYTES,
    Lineage,
    lineage_of,
)
from flight_assets.errors import FlightAssetsError
from flight_assets.settings import Settings


@dataclass(frozen=True, kw_only=True)
class BaseBackup:
    """A base backup that was read back whole when it was taken.

    A restore can go to any instant from ``ended_at`` on, by the log from ``start`` on; the two
    places in the log are bytes from its beginning.
    """

    label: str
    started_at: datetime
    ended_at: datetime
    timeline: int
    start: int
    end: int
    segment_bytes: int
    byte_count: int
    server_version: str
    superuser: str

    @property
    def first_segment(self) -> int:
        """The number of the first segment of the log that a restore reads."""
        return self.start // self.segment_bytes


@dataclass(frozen=True)
class Places:
    """The directories of one ``BACKUP_DIR``."""

    root: Path

    @property
    def base(self) -> Path:
        return self.root / "base"

    @property
    def wal(self) -> Path:
        return self.root / "wal"

    def data(self, label: str) -> Path:
        """Return the data directory of a base backup."""
        return self.base / label / "data"

    def backups(self) -> list[BaseBackup]:
        """Return the base backups, the oldest first."""
        if not self.base.is_dir():
            return []
        found = [read_record(p) for p in self.base.iterdir() if not p.name.startswith(".")]
        return sorted(found, key=lambda backup: backup.ended_at)

    def wal_names(self) -> set[str]:
        """Return the names of the archived segments of the log."""
        if not self.wal.is_dir():
            return set()
        return {entry.name for entry in os.scandir(self.wal) if NAME.fullmatch(entry.name)}

    def lineage(self, segment_bytes: int = SEGMENT_BYTES) -> Lineage:
        """Return the timeline that the archive has come to."""
        histories = {
            int(found[1], 16): path.read_text()
            for path in (self.wal.glob("*.history") if self.wal.is_dir() else ())
            if (found := HISTORY_NAME.fullmatch(path.name))
        }
        return lineage_of(histories, segment_bytes)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one process at a time take, drop or read backups; a second one is refused."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FlightAssetsError(
                    f"another process takes, drops or restores a backup in {self.root}: wait for it"
                ) from None
            yield


def places(settings: Settings) -> Places:
    """Return where the backups are; raises ``FlightAssetsError`` where no place is set."""
    if settings.backup_dir is None:
        raise FlightAssetsError(
            "BACKUP_DIR is not set: name a directory for the backups, on another disk than the "
            "data (see docs/backup.md)"
        )
    return Places(settings.backup_dir)


RECORD = "backup.json"


def read_record(place: Path) -> BaseBackup:
    """Return what is known of the base backup in a directory."""
    path = place / RECORD
    try:
        content = json.loads(path.read_text())
        for name in ("started_at", "ended_at"):
            content[name] = datetime.fromisoformat(content[name])
        return BaseBackup(**content)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FlightAssetsError(
            f"{path} cannot be read ({error}): remove {place}, or move it out of BACKUP_DIR"
        ) from error


def write_record(place: Path, backup: BaseBackup) -> None:
    """Write what is known of a base backup beside it, down to the disk."""
    content = asdict(backup)
    for name in ("started_at", "ended_at"):
        content[name] = content[name].astimezone(UTC).isoformat()
    with (place / RECORD).open("w") as file:
        file.write(json.dumps(content, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    sync_directory(place)


def sync_directory(place: Path) -> None:
    """Have the names in a directory be on the disk."""
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
