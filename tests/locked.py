"""What requirements.lock pins."""

import re

from packaging.utils import canonicalize_name

from flight_assets.settings import PROJECT_ROOT

PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[.+?\])?==(\S+)", re.MULTILINE)


def locked() -> set[tuple[str, str]]:
    """Return the packages of the lock by name and version; of some there is one for each Python."""
    lock = (PROJECT_ROOT / "requirements.lock").read_text()
    return {(canonicalize_name(name), version) for name, version in PINNED.findall(lock)}
