"""How a container's process comes to its secrets."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.deploy_scripts import DEPLOY


def start(place: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Start ``env`` by the entrypoint, with ``place`` for /run/secrets."""
    entrypoint = place / "entrypoint.sh"
    entrypoint.write_text(
        (DEPLOY / "entrypoint.sh").read_text().replace("/run/secrets", str(place))
    )
    found = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(["sh", str(entrypoint), "env"], env=found, capture_output=True, text=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "postgres_password").write_text("it's $HOME `id` %s\\n\n")
    (tmp_path / "smtp_password").write_text("")
    return tmp_path


def test_what_is_in_the_file_is_the_secret_to_the_letter(place: Path) -> None:
    done = start(place, POSTGRES_PASSWORD_FILE=f"{place}/postgres_password")
    assert done.returncode == 0
    assert "POSTGRES_PASSWORD=it's $HOME `id` %s\\n" in done.stdout.splitlines()


def test_an_empty_file_is_no_secret(place: Path) -> None:
    done = start(place, SMTP_PASSWORD_FILE=f"{place}/smtp_password")
    assert done.returncode == 0
    assert "SMTP_PASSWORD=" not in done.stdout


def test_files_of_others_are_left_alone(
    place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("elsewhere") / "ca.pem"
    other.write_text("a certificate")
    done = start(place, SSL_CERT_FILE=str(other))
    assert "SSL_CERT=" not in done.stdout


def test_a_file_that_cannot_be_read_keeps_the_process_from_starting(place: Path) -> None:
    done = start(place, POSTGRES_PASSWORD_FILE=f"{place}/missing")
    assert done.returncode == 1 and done.stdout == ""
    assert f"cannot read {place}/missing, which POSTGRES_PASSWORD_FILE names" in done.stderr
    assert "docs/deploy.md" in done.stderr
