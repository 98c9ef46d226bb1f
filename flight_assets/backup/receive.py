"""Receiving the log of a server over the network, where that cannot write to the archive itself."""

import os
from pathlib import Path
from typing import NoReturn

from flight_assets.backup.archive import SLOT
from flight_assets.backup.places import Places
from flight_assets.backup.programs import run, server
from flight_assets.local import postgres_user
from flight_assets.local.postgres_archive import make_archive
from flight_assets.local.postgres_data import environment, programs


def receive(places: Places, conninfo: str, home: Path) -> NoReturn:
    """Become the program that writes a server's log to the archive of a home as it comes.

    It follows a slot, so that the server keeps what was not received, and waits for a server that
    is away. A segment that is not full yet is no part of the archive. Raises ``FlightAssetsError``
    where the server refuses or the archive cannot be written to.
    """
    user = postgres_user.server_user()  # who reads the archive when it is restored
    archive = make_archive(places.root, home, user)
    where, secrets = server(conninfo)
    asked = [where, f"--slot={SLOT}", "--no-password"]
    doing = "the log cannot be received"
    create = [*asked, "--create-slot", "--if-not-exists"]
    run("pg_receivewal", create, doing=doing, secrets=secrets)
    program = postgres_user.reachable_programs(programs(), user) / "pg_receivewal"
    _become(user)
    command = [str(program), *asked, f"--directory={archive}"]
    os.execve(program, command, environment() | secrets)


def _become(user: str | None) -> None:
    """Go on as another user, for good."""
    if user is None:
        return
    import pwd

    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
