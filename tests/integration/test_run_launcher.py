"""Runs in forked processes: started, interrupted, missed when they vanish, begun anew."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.launcher.base import LaunchRunContext, WorkerStatus

from flight_assets.workers import launcher as launching
from flight_assets.workers import running
from flight_assets.workers.launcher import WORKER_TAG, WarmRunLauncher, process_of

from .launched_job import END, telling

pytestmark = pytest.mark.integration

WAIT_S = 120
INSTANCE = """
run_launcher: {module: flight_assets.workers.launcher, class: WarmRunLauncher}
telemetry: {enabled: false}
"""


@dataclass
class Launched:
    """A Dagster home with the launcher, and runs of the job that tells its process."""

    instance: dg.DagsterInstance
    place: Path

    @property
    def launcher(self) -> WarmRunLauncher:
        found = self.instance.run_launcher
        assert isinstance(found, WarmRunLauncher)
        return found

    def start(self, name: str, *, seconds: float = 0) -> str:
        """Start a run; return its id."""
        config = {"file": str(self.place / name), "seconds": seconds}
        run = self.instance.create_run_for_job(
            telling,
            run_config={"ops": {"tell": {"config": config}}},
            job_code_origin=dg.reconstructable(telling).get_python_origin(),
        )
        self.launcher.launch_run(LaunchRunContext(run, workspace=None))
        return run.run_id

    def run(self, run_id: str) -> dg.DagsterRun:
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def told(self, name: str) -> tuple[int, int]:
        """Return the process and its parent, as soon as the run has told them."""
        assert wait_until((self.place / name).exists)
        pid, parent = (self.place / name).read_text().split()
        return int(pid), int(parent)


def wait_until(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline and not is_so():
        time.sleep(0.05)
    return is_so()


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text(INSTANCE)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


@pytest.fixture
def launched(instance: dg.DagsterInstance, tmp_path: Path) -> Launched:
    return Launched(instance, tmp_path)


def test_runs_are_forked_from_one_process_that_stays(launched: Launched) -> None:
    first, second = launched.start("first"), launched.start("second")
    assert wait_until(lambda: launched.run(first).is_success and launched.run(second).is_success)
    (one, of_one), (other, of_other) = launched.told("first"), launched.told("second")
    assert of_one == of_other
    assert one != other
    assert launched.run(first).tags[WORKER_TAG].startswith(f"{one}@")


def test_a_run_that_is_terminated_ends_as_cancelled(launched: Launched) -> None:
    run_id = launched.start("slow", seconds=600)
    launched.told("slow")
    assert launched.launcher.terminate(run_id)
    assert wait_until(lambda: launched.run(run_id).is_finished)
    assert launched.run(run_id).status == dg.DagsterRunStatus.CANCELED
    assert wait_until(lambda: process_of(launched.run(run_id)) is None)
    assert not launched.launcher.terminate(run_id)


def test_a_run_can_be_terminated_from_where_its_process_cannot_be_seen(
    launched: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = launched.start("elsewhere", seconds=600)
    launched.told("elsewhere")
    with dg.DagsterInstance.from_config(launched.instance.root_directory) as web_server:
        monkeypatch.setattr(running, "process_of", lambda _: None)
        assert web_server.run_launcher.terminate(run_id)
        monkeypatch.undo()
    assert wait_until(lambda: launched.run(run_id).is_finished)
    assert launched.run(run_id).status == dg.DagsterRunStatus.CANCELED


def test_a_run_under_way_finishes_when_the_daemon_is_told_to_stop_and_is_given_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNS_FINISH_WITHIN_S", "60")
    (tmp_path / "dagster.yaml").write_text(INSTANCE)
    with dg.DagsterInstance.from_config(str(tmp_path)) as daemon:
        stopped = Launched(daemon, tmp_path)
        run_id = stopped.start("under way", seconds=2)
        stopped.told("under way")
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert Launched(instance, tmp_path).run(run_id).is_success


def test_a_worker_that_vanished_is_missed(launched: Launched) -> None:
    run_id = launched.start("killed", seconds=600)
    pid, _ = launched.told("killed")
    health = launched.launcher.check_run_worker_health(launched.run(run_id))
    assert health.status == WorkerStatus.RUNNING
    psutil.Process(pid).kill()
    assert wait_until(lambda: process_of(launched.run(run_id)) is None)
    health = launched.launcher.check_run_worker_health(launched.run(run_id))
    assert health.status == WorkerStatus.FAILED
    assert str(pid) in str(health.msg)


def test_a_changed_source_starts_a_new_process_and_the_old_one_finishes_its_runs(
    launched: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = launched.start("old", seconds=600)
    _, of_old = launched.told("old")
    monkeypatch.setattr(launching, "newest_change", lambda _: time.time())
    new = launched.start("new")
    _, of_new = launched.told("new")
    assert of_new != of_old
    assert wait_until(lambda: launched.run(new).is_success)
    assert launched.run(old).status == dg.DagsterRunStatus.STARTED
    (launched.place / "old").with_suffix(END).touch()
    assert wait_until(lambda: launched.run(old).is_success)
    assert wait_until(lambda: not psutil.pid_exists(of_old) or _is_zombie(of_old))


def test_runs_of_the_old_version_finish_also_when_the_daemon_ends(
    launched: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = launched.start("left", seconds=600)
    launched.told("left")
    monkeypatch.setattr(launching, "newest_change", lambda _: time.time())
    new = launched.start("cut", seconds=600)
    launched.told("cut")
    launched.launcher.dispose()
    assert launched.run(new).is_finished
    assert launched.run(old).status == dg.DagsterRunStatus.STARTED
    (launched.place / "left").with_suffix(END).touch()
    assert wait_until(lambda: launched.run(old).is_success)


def test_a_server_that_died_is_started_again(launched: Launched) -> None:
    launched.start("before")
    _, server = launched.told("before")
    psutil.Process(server).kill()
    assert wait_until(lambda: _is_zombie(server))
    run_id = launched.start("after")
    assert wait_until(lambda: launched.run(run_id).is_success)


def test_the_end_of_the_daemon_is_that_of_its_runs(launched: Launched) -> None:
    run_id = launched.start("cut", seconds=600)
    pid, server = launched.told("cut")
    launched.launcher.dispose()
    assert not psutil.pid_exists(pid)
    assert not psutil.pid_exists(server)
    assert launched.run(run_id).is_finished


def _is_zombie(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
