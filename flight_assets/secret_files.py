"""The secrets of the stack, a file each: made at random, judged before use, changed one by one.

Passwords and what is made of them are here, certificates in ``flight_assets.certificates``.
"""

import base64
import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from flight_assets.certificates import AUTHORITY, SERVERS, certificate_of, expires_at, key_of
from flight_assets.errors import FlightAssetsError
from flight_assets.local.postgres_data import write_secret
from flight_assets.secret_sources import read_secret

# Each with what it opens, and what is to be told of a new one.
SUPERUSER = "postgres_password"
POSTGRES = {
    "postgres_owner_password": "flight_assets_owner",
    "postgres_ingest_password": "ingest",
    "postgres_transform_password": "transform",
    "postgres_reader_password": "reader",
    "postgres_dagster_password": "dagster",
    "postgres_backup_password": "backup",
}
KAFKA = {
    "kafka_admin_password": "admin",
    "kafka_poller_password": "poller",
    "kafka_landing_password": "landing",
}
PAGES = {"viewer_password": "viewer", "operator_password": "operator"}
PASSWORDS = (SUPERUSER, *POSTGRES, *KAFKA, *PAGES)
# Who may open which pages, for the proxy: the users of each file.
USERS_OF_PAGES = {
    "viewers": ("viewer_password", "operator_password"),
    "operators": ("operator_password",),
}

MIN_LENGTH = 24
MIN_DISTINCT = 10  # characters; of 24 random ones there are more
# What people set until they know better. Random passwords do not hold such words.
DEFAULTS = ("password", "secret", "changeme", "change-me", "example", "postgres", "flight")


def new_secret() -> str:
    """Return 256 random bits as text that needs no quoting anywhere."""
    return secrets.token_urlsafe(32)


def make_secrets(place: Path) -> list[str]:
    """Make the passwords that are missing, and the proxy's users; return the names of the new.

    Never writes over one. Raises ``FlightAssetsError`` where the directory cannot be made.
    """
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise FlightAssetsError(
            f"the directory of secrets {place} cannot be made ({error.strerror}): set "
            "FLIGHT_ASSETS_SECRETS to one that you can write"
        ) from error
    made = [name for name in PASSWORDS if not (place / name).exists()]
    for name in made:
        write_secret(place / name, new_secret())
    for name in USERS_OF_PAGES:
        if not (place / name).exists():
            write_secret(place / name, users_of_pages(place, name))
            made.append(name)
    return made


def users_of_pages(place: Path, name: str) -> str:
    """Return the users that may open pages, a line each, as nginx reads them (salted SHA-1).

    Fit for random passwords: no list of guesses reaches them, however cheap a guess is.
    """
    lines = []
    for password_name in USERS_OF_PAGES[name]:
        salt = secrets.token_bytes(8)
        password = secret_in(place, password_name).encode()
        digest = hashlib.sha1(password + salt, usedforsecurity=False).digest()
        lines.append(f"{PAGES[password_name]}:{{SSHA}}{base64.b64encode(digest + salt).decode()}")
    return "\n".join(lines)


def secret_in(place: Path, name: str) -> str:
    """Return a secret; raises ``FlightAssetsError`` naming the file that is missing or empty."""
    path = place / name
    if not path.exists():
        raise FlightAssetsError(f"{path} is missing: call `flight-assets secrets make`")
    secret = read_secret(name, path)
    if not secret:
        raise FlightAssetsError(f"{path} is empty: remove it, call `flight-assets secrets make`")
    return secret


def problems_of(place: Path, *, now_s: float, names: Sequence[str] = ()) -> list[str]:
    """Return what is wrong with all secrets and their folder, or with the named ones alone.

    Never what they are. Nothing is changed.
    """
    if not place.is_dir():
        return [f"{place} is missing: call `flight-assets secrets make`"]
    found = []
    if not names and is_open(place):
        found.append(f"{place} can be entered by others: chmod 700 {place}")
    for name in names or (*PASSWORDS, *USERS_OF_PAGES, *keys_and_certificates(place)):
        found += _problems_of_file(place, name, now_s)
    return found


def keys_and_certificates(place: Path) -> list[str]:
    """Return the files that TLS needs; the authority's key may well be kept elsewhere."""
    names = [of(place, server).name for server in SERVERS for of in (key_of, certificate_of)]
    names.append(certificate_of(place, AUTHORITY).name)
    key = key_of(place, AUTHORITY)
    return [*names, key.name] if key.exists() else names


def is_open(path: Path) -> bool:
    """Return whether group or others may do anything with a path."""
    return bool(path.stat().st_mode & 0o077)


def _problems_of_file(place: Path, name: str, now_s: float) -> list[str]:
    path = place / name
    if not path.is_file():
        command = "certificates" if name.endswith(("_key", "_certificate")) else "make"
        return [f"{name} is missing: call `flight-assets secrets {command}`"]
    found = [f"{name} can be read by others: chmod 600 {path}"] if is_open(path) else []
    try:
        if name in PASSWORDS:
            found += _weaknesses(name, read_secret(name, path))
        elif name.endswith("_certificate") and expires_at(path).timestamp() <= now_s:
            found.append(f"{name} has ended: call `flight-assets secrets certificates --renew`")
    except FlightAssetsError as error:
        found.append(str(error))
    return found


def _weaknesses(name: str, secret: str) -> list[str]:
    """Return why a password is none, in words that do not tell it."""
    to_do = f"`flight-assets secrets rotate {name}` makes a random one"
    if len(secret) < MIN_LENGTH:
        return [f"{name} is shorter than {MIN_LENGTH} characters: {to_do}"]
    simple = secret.lower()
    if any(word in simple for word in DEFAULTS) or len(set(secret)) < MIN_DISTINCT:
        return [f"{name} looks like a default that others know: {to_do}"]
    return []


def begin_rotation(place: Path, name: str) -> str:
    """Write the next value of a secret beside it, or find it where a rotation was interrupted.

    Return it: the server is told, then ``end_rotation`` puts it in place. Raises
    ``FlightAssetsError`` for a name that there is not.
    """
    if name not in PASSWORDS:
        raise FlightAssetsError(f"'{name}' is no secret; they are {', '.join(PASSWORDS)}")
    secret_in(place, name)
    new = _next_of(place, name)
    if not new.exists():
        write_secret(new, new_secret())
    return read_secret(name, new)


def end_rotation(place: Path, name: str) -> None:
    """Put the next value of a secret in its place, and what is made of it."""
    _next_of(place, name).replace(place / name)
    for users, password_names in USERS_OF_PAGES.items():
        if name in password_names:
            new = _next_of(place, users)
            new.unlink(missing_ok=True)
            write_secret(new, users_of_pages(place, users))
            new.replace(place / users)


def _next_of(place: Path, name: str) -> Path:
    return place / f".{name}.next"
