"""A real Postgres that takes connections over TLS alone; the wheel's own was built without it."""

import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from flight_assets.certificates import certificate_of, key_of, make_certificates
from flight_assets.local import processes
from flight_assets.local.postgres_data import environment
from flight_assets.local.postgres_user import give, server_user
from flight_assets.local.processes import HOST, identity_of

SUPERUSER = "super"
HBA = """\
hostssl all         all 127.0.0.1/32 scram-sha-256
hostssl replication all 127.0.0.1/32 scram-sha-256
"""


def programs() -> Path:
    """Return the directory of the system's Postgres; skips where there is none that has TLS."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    place = found[-1].parent if found else Path(on_path).parent if on_path else None
    if place is None:
        pytest.skip("needs a Postgres with TLS: the system's package postgresql")
    return place


class SecuredPostgres:
    """One server with its certificates."""

    def __init__(self, place: Path) -> None:
        self.place, self.programs, self.user = place, programs(), server_user()
        self.password = secrets.token_urlsafe(24)
        self.port = processes.free_port()
        self.data = place / "data"
        certificates = place / "certificates"
        certificates.mkdir(mode=0o700)
        assert list(make_certificates(certificates))
        self.ca = certificate_of(certificates, "ca")
        own = [certificate_of(certificates, "postgres"), key_of(certificates, "postgres")]
        self.certificate, self.key = (shutil.copy(path, place / path.name) for path in own)
        for path in (place, self.certificate, self.key):
            give(Path(path), self.user)

    @property
    def conninfo(self) -> str:
        """The superuser's connection string, without a word on TLS."""
        return make_conninfo(
            host=HOST, port=self.port, user=SUPERUSER, password=self.password, dbname="postgres"
        )

    def start(self) -> None:
        handed_over = self.place / "initdb-password"
        handed_over.write_text(self.password)
        give(handed_over, self.user)
        initdb = [self.programs / "initdb", f"--pgdata={self.data}", f"--username={SUPERUSER}"]
        initdb += [f"--pwfile={handed_over}", "--auth=scram-sha-256", "--encoding=UTF8"]
        done = subprocess.run(
            [*map(str, initdb), "--locale=C"],
            capture_output=True,
            text=True,
            env=environment(),
            **identity_of(self.user),
        )
        assert done.returncode == 0, done.stderr
        (self.data / "pg_hba.conf").write_text(HBA)
        settings = {
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "ssl": "on",
            "ssl_cert_file": self.certificate,
            "ssl_key_file": self.key,
            "fsync": "off",
        }
        command: list[str | Path] = [self.programs / "postgres", "-D", self.data]
        command += ["-p", str(self.port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        log = self.place.parent / "postgres.log"
        self.process = processes.spawn(command, log=log, env=environment(), user=self.user)
        assert processes.wait_until(self._answers, timeout_s=60), processes.last_line(log)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.conninfo, sslmode="require").close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        processes.stop(self.process, by=signal.SIGINT, patience_s=30)


@contextmanager
def running_postgres() -> Iterator[SecuredPostgres]:
    """Give such a server, and leave nothing of it."""
    programs()
    folder = Path(tempfile.mkdtemp(prefix="flight-assets-tests-"))
    folder.chmod(0o755)  # the server's own user must be able to enter
    place = folder / "postgres"
    place.mkdir(mode=0o700)
    try:
        server = SecuredPostgres(place)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)
