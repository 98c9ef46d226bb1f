"""What the servers' files look like, without the servers."""

import os
import stat
from pathlib import Path

import pytest

from flight_assets.errors import FlightAssetsError
from flight_assets.local import endpoints, kafka, kafka_jars, postgres_data
from flight_assets.local.endpoints import prepare_dagster_home


def test_a_secret_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        postgres_data.write_secret(tmp_path / "secret", "hush")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_a_secret_is_never_written_into_a_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "secret").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        postgres_data.write_secret(tmp_path / "secret", "hush")


def test_passwords_are_long_and_kept(tmp_path: Path) -> None:
    first = postgres_data.new_password(tmp_path / "a")
    assert len(first) >= 43  # 256 bits
    assert postgres_data.new_password(tmp_path / "a") == first
    assert postgres_data.new_password(tmp_path / "b") != first


def test_a_lost_password_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FlightAssetsError, match="password of the local Postgres is gone"):
        postgres_data.read_password(tmp_path)


def test_the_programs_of_postgres_18_are_found() -> None:
    assert (postgres_data.programs() / "postgres").exists()


def test_kafka_listens_on_loopback_and_keeps_old_messages(tmp_path: Path) -> None:
    properties = kafka._configure(tmp_path / "kafka", {"kafka": 20_001, "kafka_controller": 20_002})
    settings = dict(line.split("=", 1) for line in properties.read_text().splitlines())
    assert settings["listeners"] == "PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002"
    assert settings["log.retention.ms"] == "-1"
    assert settings["log.message.timestamp.before.max.ms"] == "9223372036854775807"
    assert kafka._ports_in(properties) == {"kafka": 20_001, "kafka_controller": 20_002}


@pytest.mark.parametrize(
    ("value", "written"),
    [("/a b", "/a b"), ("C:\\x", "C:\\\\x"), ("/é", "/\\u00e9"), ("/😀", "/\\ud83d\\ude00")],
)
def test_a_path_is_written_as_java_reads_it(value: str, written: str) -> None:
    assert kafka._property(value) == written


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_391"', 8),
        ('openjdk version "25"', 25),
        ("no such thing", 0),
    ],
)
def test_the_version_of_java_is_read(tmp_path: Path, told: str, version: int) -> None:
    java = tmp_path / "java"
    java.write_text(f"#!/bin/sh\necho '{told}' >&2\n")
    java.chmod(0o755)
    assert kafka_jars._java_version(str(java)) == version


def test_what_kafka_misses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no `java` is on the PATH" in str(kafka_jars.what_is_missing(tmp_path))
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.1\"' >&2\n")
    java.chmod(0o755)
    assert "no `mvn` is on the PATH" in str(kafka_jars.what_is_missing(tmp_path))
    (tmp_path / f"kafka_2.13-{kafka_jars.KAFKA_VERSION}.jar").touch()
    assert kafka_jars.what_is_missing(tmp_path) is None


def test_jars_are_not_fetched_into_a_directory_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "thesis.tex").touch()
    with pytest.raises(FlightAssetsError, match="FLIGHT_ASSETS_KAFKA_LIBS"):
        kafka_jars.fetch_jars(tmp_path / "libs", print)


def test_a_maven_that_fails_is_one_clear_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mvn = tmp_path / "bin" / "mvn"
    mvn.parent.mkdir()
    mvn.write_text("#!/bin/sh\necho '[ERROR] Could not transfer artifact'\nexit 1\n")
    mvn.chmod(0o755)
    monkeypatch.setenv("PATH", str(mvn.parent), prepend=os.pathsep)
    with pytest.raises(FlightAssetsError, match=r"Could not transfer artifact.*builtin"):
        kafka_jars.fetch_jars(tmp_path / "cache" / "libs", lambda text: None)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".libs.lock"]


def test_the_dagster_home_gets_the_projects_instance_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "PROJECT_ROOT", tmp_path)
    for text in ("telemetry: {}\n", "storage: {}\n"):
        (tmp_path / "dagster.yaml").write_text(text)
        prepare_dagster_home(tmp_path / "home")
        assert (tmp_path / "home" / "dagster" / "dagster.yaml").read_text() == text
    assert (tmp_path / "home" / "dagster" / ".nux" / "nux.yaml").read_text() == "seen: 1\n"
