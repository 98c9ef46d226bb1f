"""Reading all of what there is to restore from: each base backup, and the log after the oldest."""

from collections.abc import Iterator

from flight_assets.backup import manifest
from flight_assets.backup.archive import faults_of_log
from flight_assets.backup.choose import usable
from flight_assets.backup.places import BaseBackup, Places


def faults_of_all(places: Places) -> Iterator[str]:
    """Yield what is wrong, one line each that names the file."""
    for backup in places.backups():
        yield from faults_of(places, backup)
    yield from faults_of_archive(places)


def faults_of(places: Places, backup: BaseBackup) -> Iterator[str]:
    """Yield what is wrong with one base backup."""
    for fault in manifest.faults(places.data(backup.label)):
        yield f"base/{backup.label}: {fault}"


def faults_of_archive(places: Places) -> Iterator[str]:
    """Yield what is wrong with the log: from the oldest base backup on, and behind each gap."""
    found: list[str] = []
    for backup in usable(places):
        found += [fault for fault in faults_of_log(places, backup) if fault not in found]
        if not any("is missing" in fault for fault in found):
            break  # the log of the later ones is the end of what was read
    yield from found
