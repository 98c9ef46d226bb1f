"""The runs' processes: which one a run has, and its end where the run is to be terminated.

A run's process is where the daemon is. A web server in another container does not see it, and only
notes in Dagster's database that the run is to be canceled: the daemon looks for such notes.
"""

import logging
import signal
import threading

import dagster as dg
import psutil
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import DatabaseError

log = logging.getLogger(__name__)

WORKER_TAG = "flight_assets/worker"  # the process's id, and when it began: ids are used again
INTERRUPTED_TAG = "flight_assets/interrupted"  # by who saw the process, and needs no other to
LOOK_S = 1.0


def process_of(run: dg.DagsterRun) -> psutil.Process | None:
    """Return the process of a run, ``None`` where it has ended, is elsewhere or never was."""
    pid, _, began_at = run.tags.get(WORKER_TAG, "").partition("@")
    if not pid:
        return None
    try:
        process = psutil.Process(int(pid))
        is_it = f"{process.create_time():.2f}" == began_at
        return process if is_it and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def cancel(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Have a run canceled: interrupt its process where it can be seen, else leave it a note."""
    process = process_of(run)
    if process is not None:
        instance.add_run_tags(run.run_id, {INTERRUPTED_TAG: "true"})
    instance.report_run_canceling(run)
    if process is not None:
        process.send_signal(signal.SIGINT)


def interrupt_canceled(instance: dg.DagsterInstance, stopped: threading.Event) -> None:
    """Interrupt the runs that others have left a note for, each once, until ``stopped`` is set."""
    interrupted: set[str] = set()
    canceling = dg.RunsFilter(statuses=[dg.DagsterRunStatus.CANCELING])
    while not stopped.wait(LOOK_S):
        try:
            runs = instance.get_runs(canceling)
        except (DatabaseError, DagsterPostgresException) as error:
            log.warning("cannot look for runs to terminate: %s", str(error).splitlines()[0])
            continue
        for run in runs:
            process = None if INTERRUPTED_TAG in run.tags else process_of(run)
            if process is not None and run.run_id not in interrupted:
                interrupted.add(run.run_id)
                process.send_signal(signal.SIGINT)
