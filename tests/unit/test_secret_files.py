"""Secrets as files: made once, judged without being told, and changed one at a time."""

import base64
import hashlib
import stat
import time
from pathlib import Path

import pytest

from flight_assets import secret_files
from flight_assets.certificates import make_certificates
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.access import USERS
from flight_assets.secret_files import (
    KAFKA,
    PASSWORDS,
    POSTGRES,
    begin_rotation,
    end_rotation,
    make_secrets,
    problems_of,
    secret_in,
)
from flight_assets.warehouse.privileges import LOGINS

GOOD = "k3Zr9-vQx7_Lm2Wt5Yb8Nd4Hc6Jf1Ps0"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with every secret as it should be."""
    found = tmp_path / "secrets"
    make_secrets(found)
    assert list(make_certificates(found))
    return found


def problems(place: Path) -> list[str]:
    return problems_of(place, now_s=time.time())


def test_every_login_and_every_user_has_a_secret() -> None:
    assert set(POSTGRES.values()) == set(LOGINS)
    assert set(KAFKA.values()) == set(USERS)


def test_secrets_are_random_and_for_their_owner_alone(place: Path) -> None:
    secrets = [secret_in(place, name) for name in PASSWORDS]
    assert len(set(secrets)) == len(PASSWORDS)
    assert min(map(len, secrets)) >= 43
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_what_is_there_is_never_written_over(place: Path) -> None:
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    (place / "kafka_poller_password").unlink()
    assert make_secrets(place) == ["kafka_poller_password"]
    assert list(make_certificates(place)) == []
    after = {path.name: path.read_bytes() for path in place.iterdir()}
    assert after.keys() == before.keys()
    assert [name for name in after if after[name] != before[name]] == ["kafka_poller_password"]


def test_good_secrets_have_no_problem(place: Path) -> None:
    assert problems(place) == []


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        (GOOD[: secret_files.MIN_LENGTH - 1], "is shorter than 24 characters"),
        ("", "is shorter than 24 characters"),
        (f"password-{GOOD}", "looks like a default that others know"),
        (f"{GOOD}-PostGres", "looks like a default that others know"),
        ("ab" * 20, "looks like a default that others know"),
    ],
)
def test_a_poor_secret_is_named_and_not_told(place: Path, secret: str, problem: str) -> None:
    (place / "kafka_poller_password").write_text(secret + "\n")
    (line,) = problems(place)
    assert line.startswith(f"kafka_poller_password {problem}")
    assert "`flight-assets secrets rotate kafka_poller_password`" in line
    assert not secret or secret not in line


def test_a_secret_that_is_just_long_enough_is_fit(place: Path) -> None:
    (place / "kafka_poller_password").write_text(GOOD[: secret_files.MIN_LENGTH])
    assert problems(place) == []


@pytest.mark.parametrize("name", ["postgres_password", "tls_key", "viewers"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_named(place: Path, name: str, mode: int) -> None:
    (place / name).chmod(mode)
    assert problems(place) == [f"{name} can be read by others: chmod 600 {place / name}"]


def test_a_directory_that_others_can_enter_is_named(place: Path) -> None:
    place.chmod(0o755)
    assert problems(place) == [f"{place} can be entered by others: chmod 700 {place}"]


@pytest.mark.parametrize(
    ("name", "command"), [("postgres_ingest_password", "make"), ("kafka_key", "certificates")]
)
def test_a_missing_one_is_named_with_the_command_that_makes_it(
    place: Path, name: str, command: str
) -> None:
    (place / name).unlink()
    assert problems(place) == [f"{name} is missing: call `flight-assets secrets {command}`"]


def test_the_key_of_the_authority_may_be_kept_elsewhere(place: Path) -> None:
    (place / "ca_key").chmod(0o644)
    assert problems(place) == [f"ca_key can be read by others: chmod 600 {place / 'ca_key'}"]
    (place / "ca_key").unlink()
    assert problems(place) == []
    (place / "tls_certificate").unlink()
    with pytest.raises(FlightAssetsError, match=r"ca_key is missing, which signs certificates"):
        list(make_certificates(place))


def test_a_container_checks_those_that_it_is_given(place: Path) -> None:
    (place / "tls_key").unlink()
    (place / "kafka_landing_password").write_text("short")
    named = ["postgres_password", "kafka_landing_password"]
    (problem,) = problems_of(place, now_s=time.time(), names=named)
    assert problem.startswith("kafka_landing_password is shorter")


def test_a_missing_directory_is_one_problem(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "none")
    assert "is missing: call `flight-assets secrets make`" in problem


def test_a_certificate_that_has_ended_is_named(place: Path) -> None:
    after = time.time() + 900 * 24 * 3600
    named = {line.split()[0] for line in problems_of(place, now_s=after)}
    assert named == {"postgres_certificate", "kafka_certificate", "tls_certificate"}


def test_a_rotation_changes_one_secret_and_what_is_made_of_it(place: Path) -> None:
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    new = begin_rotation(place, "operator_password")
    assert secret_in(place, "operator_password") != new
    end_rotation(place, "operator_password")
    after = {path.name: path.read_bytes() for path in place.iterdir()}
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"operator_password", "operators", "viewers"}
    assert after.keys() == before.keys()
    assert secret_in(place, "operator_password") == new
    assert problems(place) == []


def test_an_interrupted_rotation_goes_on_with_the_value_that_the_server_has(place: Path) -> None:
    assert begin_rotation(place, "kafka_landing_password") == begin_rotation(
        place, "kafka_landing_password"
    )


def test_an_unknown_secret_is_answered_with_those_that_there_are(place: Path) -> None:
    with pytest.raises(FlightAssetsError, match=r"'hush' is no secret; they are postgres_password"):
        begin_rotation(place, "hush")


def test_the_users_of_the_pages_are_what_nginx_checks_a_password_by(place: Path) -> None:
    lines = dict(line.split(":") for line in (place / "viewers").read_text().splitlines())
    assert lines.keys() == {"viewer", "operator"}
    kept = base64.b64decode(lines["viewer"].removeprefix("{SSHA}"))
    password = secret_in(place, "viewer_password").encode()
    assert hashlib.sha1(password + kept[20:]).digest() == kept[:20]
    assert (place / "operators").read_text().startswith("operator:{SSHA}")
