"""The files of ``secrets/`` for a stack that lives as long as a test, as `make secrets` does it."""

import os
from dataclasses import dataclass
from pathlib import Path

from flight_assets.certificates import key_of, make_certificates
from flight_assets.secret_files import PASSWORDS, make_secrets, secret_in

# who the containers run as where root has made the files
OTHER_THAN_ROOT = 10001


@dataclass(frozen=True)
class Secrets:
    """A folder of them."""

    folder: Path

    def password(self, name: str) -> str:
        """Return a password by the name of its file."""
        return secret_in(self.folder, name)

    def values(self) -> list[str]:
        """Return what must be seen nowhere: passwords, and a line of each key."""
        keys = [
            path.read_text().splitlines()[1] for path in self.folder.glob(key_of(Path(), "*").name)
        ]
        return [*map(self.password, PASSWORDS), *keys]


def new_secrets(folder: Path) -> Secrets:
    """Make new ones, for their owner alone."""
    make_secrets(folder)
    assert list(make_certificates(folder))
    if os.geteuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, OTHER_THAN_ROOT, OTHER_THAN_ROOT)
    return Secrets(folder)
