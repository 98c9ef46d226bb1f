"""Certificates that real TLS takes, made by an authority of one's own."""

import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flight_assets import certificates
from flight_assets.certificates import (
    certificate_of,
    certificates_in,
    expires_at,
    key_of,
    make_certificates,
)
from flight_assets.core.health import problems
from flight_assets.core.report import Certificate, Report
from flight_assets.errors import FlightAssetsError

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("certificates")
    assert list(make_certificates(found, names=["line.example.org"])) == [
        "ca", "postgres", "kafka", "tls"
    ]  # fmt: skip
    return found


def shake_hands(place: Path, server: str, *, name: str, ca: Path) -> str:
    """Return the protocol that client and server agree on; raises what the client sees."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(certificate_of(place, server), key_of(place, server))
    asking = ssl.create_default_context(cafile=str(ca))
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            serving.wrap_socket(there, server_side=True).close()
        except (ssl.SSLError, OSError):
            there.close()  # the client has gone

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with here, asking.wrap_socket(here, server_hostname=name) as connection:
            return str(connection.version())
    finally:
        thread.join()


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("postgres", "postgres"),
        ("postgres", "localhost"),
        ("postgres", "127.0.0.1"),
        ("kafka", "kafka-3"),
        ("tls", "line.example.org"),
    ],
)
def test_a_server_is_known_by_its_names(place: Path, server: str, name: str) -> None:
    assert shake_hands(place, server, name=name, ca=certificate_of(place, "ca")) == "TLSv1.3"


def test_a_server_is_not_known_by_another_name(place: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(place, "postgres", name="kafka", ca=certificate_of(place, "ca"))


def test_a_server_of_another_authority_is_not_known(place: Path, tmp_path: Path) -> None:
    assert list(make_certificates(tmp_path))
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
        shake_hands(place, "postgres", name="postgres", ca=certificate_of(tmp_path, "ca"))


def test_renewal_keeps_the_authority_and_what_another_one_has_signed(tmp_path: Path) -> None:
    place, other = tmp_path / "own", tmp_path / "other"
    for folder in (place, other):
        folder.mkdir()
        assert list(make_certificates(folder))
    ca = certificate_of(place, "ca").read_bytes()
    old = key_of(place, "kafka").read_bytes()
    assert list(make_certificates(place, renew=True)) == ["postgres", "kafka", "tls"]
    assert certificate_of(place, "ca").read_bytes() == ca
    assert key_of(place, "kafka").read_bytes() != old
    assert shake_hands(place, "kafka", name="kafka", ca=certificate_of(place, "ca"))


def test_a_bought_certificate_is_not_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(certificates, "AUTHORITY_NAME", "elsewhere")
        assert list(make_certificates(tmp_path))
    assert list(make_certificates(tmp_path, renew=True)) == []


def test_the_end_of_a_certificate_is_told(place: Path) -> None:
    left = expires_at(certificate_of(place, "kafka")) - datetime.now(UTC)
    assert timedelta(days=824) < left <= timedelta(days=825)
    found = certificates_in([certificate_of(place, "ca"), certificate_of(place, "tls")])
    assert [each.name for each in found] == ["tls_certificate", "ca_certificate"]


def test_what_is_no_certificate_is_named(tmp_path: Path) -> None:
    wrong = tmp_path / "tls_certificate"
    wrong.write_text("nothing")
    with pytest.raises(FlightAssetsError, match=f"openssl x509 {wrong}: "):
        expires_at(wrong)


@pytest.mark.parametrize(
    ("left", "level"),
    [
        (timedelta(days=31), None),
        (timedelta(days=30), "warning"),
        (timedelta(seconds=1), "warning"),
        (timedelta(0), "trouble"),
        (timedelta(days=-3), "trouble"),
    ],
)
def test_a_certificate_near_its_end_needs_a_person(left: timedelta, level: str | None) -> None:
    certificate = Certificate(name="tls_certificate", expires_at=NOW + left)
    found = problems(Report(at=NOW, certificates=(certificate,)))
    assert [problem.level for problem in found] == ([level] if level else [])
    assert all("secrets certificates --renew" in problem.to_do for problem in found)
