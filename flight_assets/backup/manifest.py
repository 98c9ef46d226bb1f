"""Whether a base backup is whole: each of its files against the manifest that came with it.

The format is Postgres's (documentation, "Backup Manifest Format"), and this does what
``pg_verifybackup`` does. That program itself is damaged in the wheel of Postgres's programs: it
crashes while it is loaded. The log inside the backup is read by ``pg_waldump``.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flight_assets.backup.programs import run
from flight_assets.backup.segments import position
from flight_assets.errors import FlightAssetsError

MANIFEST = "backup_manifest"
# What a manifest never names or need not, as pg_verifybackup has it.
UNLISTED = {MANIFEST, "postgresql.auto.conf", "recovery.signal", "standby.signal"}


@dataclass(frozen=True)
class Stretch:
    """The part of the log that a base backup needs to be consistent; bytes from its beginning."""

    timeline: int
    start: str
    end: str

    @property
    def places(self) -> tuple[int, int]:
        """Where it starts and ends, in bytes."""
        return position(self.start), position(self.end)


def stretch_of(data: Path) -> Stretch:
    """Return the stretch of the log that a backup names; the last one, where it crossed a fork."""
    last = _read(data)["WAL-Ranges"][-1]
    return Stretch(last["Timeline"], last["Start-LSN"], last["End-LSN"])


def faults(data: Path) -> Iterator[str]:
    """Yield what is wrong with a backup, one line each that names the file; reads all of it."""
    try:
        manifest = _read(data)
    except FlightAssetsError as error:
        yield str(error)
        return
    listed = {entry["Path"]: entry for entry in manifest["Files"] if "Path" in entry}
    for path, entry in listed.items():
        fault = _fault(data / path, entry)
        if fault is not None:
            yield f"{path} {fault}"
    for path in sorted(_names(data) - listed.keys() - UNLISTED):
        if not path.startswith("pg_wal/"):
            yield f"{path} is not in the manifest"
    yield from _faults_of_log(data, manifest["WAL-Ranges"])


def _read(data: Path) -> dict[str, Any]:
    """Return the manifest, of which the last line is the checksum of those before it."""
    path = data / MANIFEST
    try:
        text = path.read_bytes()
        body = text[: text.rindex(b"\n", 0, len(text) - 1) + 1]
        manifest: dict[str, Any] = json.loads(text)
    except (OSError, ValueError) as error:
        raise FlightAssetsError(f"{MANIFEST} cannot be read: {error}") from error
    if manifest.get("Manifest-Checksum") != hashlib.sha256(body).hexdigest():
        raise FlightAssetsError(f"{MANIFEST} is damaged: its own checksum does not match")
    return manifest


def _fault(path: Path, entry: dict[str, Any]) -> str | None:
    try:
        size = path.stat().st_size
        if size != entry["Size"]:
            return f"has {size} bytes, not {entry['Size']}"
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return None if found == entry["Checksum"] else "is damaged: its checksum does not match"


def _names(data: Path) -> set[str]:
    return {str(path.relative_to(data)) for path in data.rglob("*") if path.is_file()}


def _faults_of_log(data: Path, ranges: list[dict[str, Any]]) -> Iterator[str]:
    for part in ranges:
        asked = ["--quiet", f"--path={data / 'pg_wal'}", f"--timeline={part['Timeline']}"]
        asked += [f"--start={part['Start-LSN']}", f"--end={part['End-LSN']}"]
        try:
            run("pg_waldump", asked, doing="pg_wal cannot be read")
        except FlightAssetsError as error:
            yield str(error)
