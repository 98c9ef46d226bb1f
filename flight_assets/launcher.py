"""Dagster's launcher of runs, with an answer to whether a run's worker still is there.

The code server reports a worker that dies; nobody reports one that goes with its server, when the
machine or all of Dagster is killed. Such a run would seem to work until its longest time is over,
an hour in which nothing lands.
"""

from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.dagster_run import DagsterRun
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import ConfigurableClassData, deserialize_value

ANSWER_TIMEOUT_S = 20


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches runs by code servers, and tells run monitoring which of them are lost."""

    # run monitoring asks on every round, and marks a run as failed that is not found
    supports_check_run_worker_health = True

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(inst_data)
        self._silent: set[str] = set()  # runs whose code server did not answer when asked last

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return whether the code server that started a run still has it.

        A server that does not answer is believed to be gone the second time: it may be busy. Its
        run may outlive it; landing and the models are safe from two runs at once.
        """
        client = self._get_grpc_client_for_termination(run.run_id)
        if client is None:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN, "no code server is named by its tags")
        try:
            is_known = _is_known(client, run.run_id)
        except DagsterUserCodeUnreachableError:
            if run.run_id not in self._silent:
                self._silent.add(run.run_id)
                return CheckRunHealthResult(WorkerStatus.RUNNING, "the code server is silent")
            return CheckRunHealthResult(
                WorkerStatus.NOT_FOUND, "the code server that started it does not answer any more"
            )
        self._silent.discard(run.run_id)
        if is_known:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.NOT_FOUND, "the code server was started anew and does not know it"
        )


def _is_known(client: DagsterGrpcClient, run_id: str) -> bool:
    request = CanCancelExecutionRequest(run_id=run_id)
    answer = client.can_cancel_execution(request, timeout=ANSWER_TIMEOUT_S)
    return bool(deserialize_value(answer, CanCancelExecutionResult).can_cancel)
