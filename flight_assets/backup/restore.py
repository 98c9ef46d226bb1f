"""Restoring a cluster to an instant, in a home of its own beside the one that runs.

Recovery of the log is of a whole cluster, never of one database; so what is made is a new cluster,
and what runs is not touched.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flight_assets.backup import recovery
from flight_assets.backup.choose import Span, choose, shown
from flight_assets.backup.manifest import MANIFEST, faults
from flight_assets.backup.places import Places
from flight_assets.errors import FlightAssetsError
from flight_assets.local import postgres, postgres_user
from flight_assets.local.postgres_data import (
    Files,
    end_servers,
    new_password,
    place_of_data,
    servers_on,
)
from flight_assets.local.state import Say, StackState, locked_state, silence


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A cluster as it was at an instant, stopped, in its home. ``last_ended_at`` is when the last
    transaction that it holds ended, as Postgres writes it; "" where it replayed none.
    """

    home: Path
    at: datetime
    label: str
    last_ended_at: str


def restore(
    places: Places, at: datetime, home: Path, *, replace: bool = False, say: Say = silence
) -> Restored:
    """Restore the cluster of an instant into a home, and leave it stopped there.

    With ``replace`` the Postgres that the home has is moved aside, not removed. Raises
    ``FlightAssetsError`` where the instant is out of reach, the backup is damaged, the home is not
    empty or its server runs; then nothing is left of the attempt.
    """
    if at > datetime.now(UTC):
        raise FlightAssetsError(f"{shown(at)} is in the future: a restore goes to what was")
    refuse_if_taken(home, replace=replace)
    with places.locked():
        span = choose(places, at)
        _refuse_if_damaged(places, span)
        with _home(home, say) as state, _room(state, replace=replace, say=say) as files:
            say(f"Copying the base backup {span.backup.label} …")
            _lay_down(places, span, files)
            say(f"Replaying the log up to {shown(at)} …")
            last = recovery.recover(places, files, span.backup.superuser, at)
    return Restored(home=home, at=at, label=span.backup.label, last_ended_at=last)


def refuse_if_taken(home: Path, *, replace: bool) -> None:
    """Raise ``FlightAssetsError`` where a restore would be over something."""
    files = Files(home)
    if files.data.exists() and servers_on(files.data):
        raise FlightAssetsError(
            f"a Postgres runs in {home}: restore into a new directory beside it; or call "
            f"`FLIGHT_ASSETS_HOME={home} flight-assets down` first, and then restore with --replace"
        )
    if replace or not home.exists():
        return
    if not home.is_dir() or any(home.iterdir()):
        raise FlightAssetsError(
            f"{home} is not empty: name a new directory, or say --replace to have the Postgres in "
            "it moved aside"
        )


def _refuse_if_damaged(places: Places, span: Span) -> None:
    found = list(faults(places.data(span.backup.label)))
    if found:
        raise FlightAssetsError(
            f"the base backup {span.backup.label} is damaged ({'; '.join(found[:5])}): restore "
            "from an older one by moving it out of "
            f"{places.base}"
        )


@contextmanager
def _home(home: Path, say: Say) -> Iterator[StackState]:
    """Give the state of a home, locked; a new home is gone again where this does not end well."""
    is_new = not home.exists() or not any(home.iterdir())
    is_done = False
    try:
        with locked_state(home, say) as state:
            yield state
        is_done = True
    finally:
        if is_new and not is_done:
            shutil.rmtree(Files(home).place.resolve(), ignore_errors=True)
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _room(state: StackState, *, replace: bool, say: Say) -> Iterator[Files]:
    """Give a place without data; where this does not end well, it is as it was before."""
    files = Files(state.home)
    refuse_if_taken(files.home, replace=True)  # a server may have started since
    aside = _moved_aside(files, say) if replace else None
    is_done = False
    try:
        yield files
        is_done = True
    finally:
        if not is_done:
            end_servers(files.data)
            shutil.rmtree(files.data, ignore_errors=True)
            if aside is not None:
                aside.rename(files.data)
    state.forget(postgres.NAME)


def _moved_aside(files: Files, say: Say) -> Path | None:
    if not files.data.exists():
        return None
    aside = files.data.with_name(f"data.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    files.data.rename(aside)
    say(f"The data that was there is in {aside} now; remove it when it is not needed any more.")
    return aside


def _lay_down(places: Places, span: Span, files: Files) -> None:
    """Copy the base backup to where a server of the home has its data, as that server's user."""
    user = postgres_user.server_user()
    new_password(files.password)
    place_of_data(files, user, silence)
    shutil.copytree(places.data(span.backup.label), files.data, symlinks=True)
    (files.data / MANIFEST).unlink()
    (files.data / "recovery.signal").touch()
    files.data.chmod(0o700)
    for path in (files.data, *files.data.rglob("*")):
        postgres_user.give(path, user)
