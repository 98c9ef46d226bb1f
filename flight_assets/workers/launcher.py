"""Dagster's run launcher for one machine: a run starts in milliseconds instead of seconds.

Dagster's own starts a new interpreter for each run, which imports Dagster, dbt and the definitions
before it does anything: five seconds of processor time. Here one process has done that and forks.
It is started anew where a file of the project is newer than it.

Unlike Dagster's own it can tell whether a run's process is still there, so that Dagster's run
monitoring ends a run whose worker vanished within seconds, also after everything was restarted.
"""

import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any, Self

import psutil
from dagster import DagsterRun
from dagster._config.config_schema import UserConfigSchema
from dagster._core.launcher.base import (
    CheckRunHealthResult,
    LaunchRunContext,
    RunLauncher,
    WorkerStatus,
)
from dagster._serdes import ConfigurableClass
from dagster._serdes.config_class import ConfigurableClassData

from flight_assets.errors import FlightAssetsError
from flight_assets.settings import PROJECT_ROOT
from flight_assets.sources import DBT_PROJECT, PACKAGES, newest_change
from flight_assets.workers.connections import hold
from flight_assets.workers.running import WORKER_TAG, cancel, interrupt_canceled, process_of
from flight_assets.workers.server import LEAVE

JOIN_S = 5.0  # Postgres may be gone, and asked again and again


class WarmRunLauncher(RunLauncher, ConfigurableClass):
    """Runs each run in a process forked from one that has imported everything."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._server: subprocess.Popen[str] | None = None
        self._left: list[subprocess.Popen[str]] = []
        self._of_sources_at = 0.0
        self._lock = threading.Lock()
        self._disposed = threading.Event()
        self._looking: threading.Thread | None = None
        super().__init__()

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """Return what Dagster made it from."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """Return the fields of its configuration: none."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        """Return a launcher as dagster.yaml describes it."""
        return cls(inst_data=inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process; raises ``FlightAssetsError`` where the server cannot."""
        from dagster._grpc.types import ExecuteRunArgs
        from dagster._serdes import serialize_value

        run = context.dagster_run
        assert run.job_code_origin is not None
        hold(self._instance)  # the daemon's: only it launches
        arguments = ExecuteRunArgs(
            job_origin=run.job_code_origin,
            run_id=run.run_id,
            instance_ref=self._instance.get_ref(),
            set_exit_code_on_failure=True,
        )
        with self._lock:
            worker = self._ask(serialize_value(arguments))
            self._look_for_canceled()
        self._instance.add_run_tags(run.run_id, {WORKER_TAG: worker})

    def terminate(self, run_id: str) -> bool:
        """Interrupt the run's process, or have the daemon do it; return whether it was under way.

        A run whose process is gone is ended by Dagster's run monitoring.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        cancel(self._instance, run)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Return that it can tell whether a run's process is there."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return whether the run's process is there. A run that is not ours is taken as well."""
        worker = run.tags.get(WORKER_TAG)
        if worker is None or process_of(run) is not None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=worker)
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"process {worker.partition('@')[0]} of the run is gone"
        )

    def dispose(self) -> None:
        """End the server, and with it the runs that are under way."""
        self._disposed.set()
        with self._lock:
            self._end_server()
        if self._looking is not None:
            self._looking.join(timeout=JOIN_S)

    def _look_for_canceled(self) -> None:
        """Have a thread interrupt the runs that are to be terminated where nobody saw them."""
        if self._looking is None:
            self._looking = threading.Thread(
                target=interrupt_canceled,
                args=(self._instance, self._disposed),
                name="canceled-runs",
                daemon=True,
            )
            self._looking.start()

    def _ask(self, line: str) -> str:
        """Give a run to the server; return which process has it."""
        sources_at = newest_change([*PACKAGES, DBT_PROJECT])
        if self._server is None or self._server.poll() is not None:
            self._start_server(sources_at)
        elif sources_at > self._of_sources_at:
            self._let_go()
            self._start_server(sources_at)
        server = self._server
        assert server is not None and server.stdin is not None
        server.stdin.write(f"{line}\n")
        server.stdin.flush()
        pid = int(self._heard())
        try:
            began_at = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:  # it has ended by now
            began_at = 0.0
        return f"{pid}@{began_at:.2f}"

    def _start_server(self, sources_at: float) -> None:
        self._of_sources_at = sources_at
        self._server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "flight_assets.workers.server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=PROJECT_ROOT,
            start_new_session=True,  # the daemon's Ctrl-C is not the server's
        )
        self._heard()

    def _heard(self) -> str:
        assert self._server is not None and self._server.stdout is not None
        said = self._server.stdout.readline().strip()
        if not said:
            status = self._server.wait()
            self._server = None
            raise FlightAssetsError(
                f"the process that runs are forked from ended with {status}: see the daemon's log, "
                "and whether `python -m flight_assets.workers.server` starts"
            )
        return said

    def _let_go(self) -> None:
        """Leave an outdated server to its runs: it ends when they have."""
        server, self._server = self._server, None
        assert server is not None and server.stdin is not None
        server.stdin.write(f"{LEAVE}\n")
        server.stdin.close()
        self._left = [each for each in [*self._left, server] if each.poll() is None]

    def _end_server(self) -> None:
        server, self._server = self._server, None
        if server is not None and server.stdin is not None:
            server.stdin.close()
            server.wait()
