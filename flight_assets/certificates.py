"""Certificates of the servers, by an authority of one's own: made and looked at by ``openssl``.

One authority, and one key and certificate for each server. They lie beside the other secrets.
"""

import secrets
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from flight_assets.core.report import Certificate
from flight_assets.errors import FlightAssetsError

AUTHORITY = "ca"
AUTHORITY_NAME = "flight-assets"
# File names begin with these; a server goes by its own name in the network of the containers.
SERVERS = {"postgres": ("postgres",), "kafka": ("kafka", "kafka-2", "kafka-3"), "tls": ("proxy",)}
HERE = ("DNS:localhost", "IP:127.0.0.1")
AUTHORITY_DAYS, SERVER_DAYS = 3650, 825  # no longer than browsers take
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
OF_AUTHORITY = """\
basicConstraints=critical,CA:TRUE,pathlen:0
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
"""
# A broker is a client of the others as well.
OF_SERVER = """\
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth,clientAuth
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
subjectAltName={names}
"""


def certificate_of(place: Path, name: str) -> Path:
    """Return the file of a certificate."""
    return place / f"{name}_certificate"


def key_of(place: Path, name: str) -> Path:
    """Return the file of its private key."""
    return place / f"{name}_key"


def make_certificates(
    place: Path, *, names: Sequence[str] = (), renew: bool = False
) -> Iterator[str]:
    """Make what is missing of authority and servers; yield the name of each that was made.

    Servers are known as localhost, by their own name and by ``names``. With ``renew`` those of the
    servers are made anew by the same authority, so that their clients need no other one; one that
    another authority has signed stays. Raises ``FlightAssetsError`` where ``openssl`` is missing or
    says no.
    """
    if not certificate_of(place, AUTHORITY).exists():
        _make_authority(place)
        yield AUTHORITY
    for server, own_names in SERVERS.items():
        present = certificate_of(place, server)
        if not present.exists() or (renew and is_of_own_authority(present)):
            _make_server(place, server, (*own_names, *names))
            yield server


def keystore(place: Path, server: str) -> str:
    """Return key and certificate in one text, as Kafka reads them (``ssl.keystore.type=PEM``)."""
    return key_of(place, server).read_text() + certificate_of(place, server).read_text()


def certificates_in(paths: Iterable[Path]) -> tuple[Certificate, ...]:
    """Return what the certificates in these files are good for, the first to end first.

    Raises ``FlightAssetsError`` for one that cannot be read.
    """
    found = [Certificate(name=path.name, expires_at=expires_at(path)) for path in paths]
    return tuple(sorted(found, key=lambda certificate: certificate.expires_at))


def is_of_own_authority(path: Path) -> bool:
    """Return whether a certificate was made here, not bought or fetched from elsewhere."""
    issuer = _openssl("x509", "-noout", "-issuer", "-nameopt", "RFC2253", "-in", str(path))
    return issuer.strip() == f"issuer=CN={AUTHORITY_NAME}"


def expires_at(path: Path) -> datetime:
    """Return when a certificate ends."""
    said = _openssl("x509", "-noout", "-enddate", "-in", str(path))
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(said.strip().partition("=")[2]), UTC)


def _make_authority(place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place, prefix=".new-") as folder:
        new = Path(folder)
        subject = ("-subj", f"/CN={AUTHORITY_NAME}", "-days", str(AUTHORITY_DAYS))
        extensions = [word for line in OF_AUTHORITY.splitlines() for word in ("-addext", line)]
        _openssl("req", "-x509", *KEY, *subject, *extensions, *_outputs(new, AUTHORITY))
        _keep(new, place, AUTHORITY)


def _make_server(place: Path, server: str, names: Sequence[str]) -> None:
    """Make key and certificate of a server, signed by the authority that is there."""
    if not key_of(place, AUTHORITY).exists():
        raise FlightAssetsError(
            f"{key_of(place, AUTHORITY)} is missing, which signs certificates: put it back, or "
            f"remove {certificate_of(place, AUTHORITY)} to begin with a new authority"
        )
    known_as = ",".join(dict.fromkeys([*(f"DNS:{name}" for name in names), *HERE]))
    authority = ("-CA", certificate_of(place, AUTHORITY), "-CAkey", key_of(place, AUTHORITY))
    with tempfile.TemporaryDirectory(dir=place, prefix=".new-") as folder:
        new = Path(folder)
        (new / "extensions").write_text(OF_SERVER.format(names=known_as))
        request = ("-keyout", key_of(new, server), "-out", new / "request")
        _openssl("req", *KEY, "-subj", f"/CN={server}", *map(str, request))
        serial = ("-set_serial", secrets.randbits(120) + 1)
        signing = ("-in", new / "request", *authority, *serial, "-days", SERVER_DAYS)
        signed = ("-extfile", new / "extensions", "-out", certificate_of(new, server))
        _openssl("x509", "-req", *map(str, signing), *map(str, signed))
        _keep(new, place, server)


def _outputs(place: Path, name: str) -> tuple[str, ...]:
    return ("-keyout", str(key_of(place, name)), "-out", str(certificate_of(place, name)))


def _keep(new: Path, place: Path, name: str) -> None:
    """Put key and certificate in their places; only their owner reads them."""
    for of in (key_of, certificate_of):
        of(new, name).chmod(0o600)
        of(new, name).replace(of(place, name))


def _openssl(*arguments: str) -> str:
    program = shutil.which("openssl")
    if program is None:
        raise FlightAssetsError("install openssl, which makes and reads certificates")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, umask=0o077)
    if done.returncode != 0:
        words = (done.stderr.strip().splitlines() or ["no message"])[0]
        files = [word for word in arguments if word.startswith("/") and Path(word).exists()]
        raise FlightAssetsError(f"openssl {arguments[0]} {' '.join(files)}: {words}")
    return done.stdout
