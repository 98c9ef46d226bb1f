"""The files of ``secrets/`` for a stack that lives as long as a test."""

import base64
import hashlib
import os
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path

# who the containers run as where root has made the files
OTHER_THAN_ROOT = 10001
# by what their files begin with: the names that their certificates are for
SERVERS = {"tls": "localhost", "postgres": "postgres"}


@dataclass(frozen=True, repr=False)
class Secrets:
    """What is in the files that the tests need to know."""

    postgres_password: str
    viewer_password: str
    operator_password: str

    def values(self) -> list[str]:
        """Return all of them, which must be seen nowhere."""
        return [self.postgres_password, self.viewer_password, self.operator_password]


def make_secrets(folder: Path) -> Secrets:
    """Write new ones, mode 600, for their owner alone."""
    folder.mkdir(mode=0o700)
    made = Secrets(*(secrets.token_urlsafe(32) for _ in range(3)))
    viewers = [user_line("viewer", made.viewer_password)]
    operators = [user_line("operator", made.operator_password)]
    (folder / "postgres_password").write_text(made.postgres_password + "\n")
    (folder / "viewers").write_text("\n".join([*viewers, *operators]) + "\n")
    (folder / "operators").write_text("\n".join(operators) + "\n")
    for server, name in SERVERS.items():
        make_certificate(folder, server, name)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o700 if path.is_dir() else 0o600)
        if os.geteuid() == 0:
            os.chown(path, OTHER_THAN_ROOT, OTHER_THAN_ROOT)
    return made


def user_line(user: str, password: str) -> str:
    """Return a line of a password file of nginx: the hash is salted SHA-1, RFC 2307's SSHA.

    A slow hash would cost its time at every request, and protect no better what is random.
    """
    salt = secrets.token_bytes(8)
    digest = hashlib.sha1(password.encode() + salt).digest()
    return f"{user}:{{SSHA}}{base64.b64encode(digest + salt).decode()}"


def make_certificate(folder: Path, server: str, name: str) -> None:
    """Write a key and a certificate that it has signed itself, for a server by its name."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={name}"]
    command += ["-addext", f"subjectAltName=DNS:{name}"]
    command += ["-keyout", str(folder / f"{server}_key")]
    command += ["-out", str(folder / f"{server}_certificate")]
    subprocess.run(command, check=True, capture_output=True)
