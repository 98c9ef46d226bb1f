"""What Dagster's daemons have told last, as the daemon's container looks it up."""

import os
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from flight_assets.backup.archive import SLOT
from flight_assets.settings import Settings
from tests.deploy_scripts import script

pytestmark = pytest.mark.integration

healthy = script("healthy")


@pytest.fixture(autouse=True)
def password_file(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings.postgres_password is not None
    file = tmp_path / "password"
    file.write_text(settings.postgres_password.get_secret_value() + "\n")
    user = settings.for_dagster().postgres_user
    assert user is not None
    monkeypatch.setenv("DAGSTER_POSTGRES_USER", user)
    monkeypatch.setenv("DAGSTER_POSTGRES_PASSWORD_FILE", str(file))


def tell(instance: dg.DagsterInstance, daemon: str, *, ago_s: float = 0) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - ago_s, daemon, "one", []))


def test_daemons_that_have_told_lately_are_healthy(instance: dg.DagsterInstance) -> None:
    for daemon in healthy.DAEMONS:
        tell(instance, daemon)
    tell(instance, "OF_AN_OLDER_VERSION", ago_s=1e6)
    assert healthy.daemon() is None


def test_a_daemon_that_is_silent_is_named(instance: dg.DagsterInstance) -> None:
    for daemon in healthy.DAEMONS:
        tell(instance, daemon)
    tell(instance, "SENSOR", ago_s=healthy.DAEMON_SILENCE_S + 1)
    assert healthy.daemon() == f"silent for {healthy.DAEMON_SILENCE_S} s: SENSOR"


def test_a_log_that_nobody_receives_is_named(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.postgres_user is not None
    monkeypatch.setenv("POSTGRES_USER", settings.postgres_user)
    monkeypatch.setenv("POSTGRES_PASSWORD_FILE", os.environ["DAGSTER_POSTGRES_PASSWORD_FILE"])
    assert healthy.received() == f"nobody is at the slot {SLOT}"


def test_the_daemons_are_those_that_the_instance_runs(instance: dg.DagsterInstance) -> None:
    assert set(healthy.DAEMONS) <= set(instance.get_required_daemon_types())
