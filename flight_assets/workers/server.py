"""The process that has imported everything, and forks a run off at a word.

Started by ``workers.launcher``. Reads runs from stdin, one line of JSON each, as ``dagster api
execute_run`` takes them; writes the id of each forked process to stdout. When stdin ends, so has
the daemon: the runs may finish in the time that the settings give, are then interrupted, as nobody
would look after them, and the server ends. After the line LEAVE it ends when they have.
"""

import gc
import os
import random
import signal
import sys
import time
from contextlib import suppress
from typing import Any

LEAVE = "leave"
END_WITHIN_S = 15.0  # an interrupted run still says so to Dagster
LOOK_S = 0.1


def preload() -> None:
    """Import what any run needs, and nothing that opens a connection or starts a thread."""
    import confluent_kafka  # noqa: F401
    import dagster_postgres  # noqa: F401
    from dagster._cli import api  # noqa: F401

    from flight_assets.assets.dbt import dbt_project
    from flight_assets.assets.modelling import parsed
    from flight_assets.definitions import defs
    from flight_assets.workers import connections  # noqa: F401

    defs.resolve_all_job_defs()
    # Where the project has changed dbt reads its files in threads, and a fork has none of them. So
    # another process does that and keeps what it has parsed.
    if os.fork() == 0:
        parsed(dbt_project)
        os._exit(0)
    os.wait()
    warm(parsed(dbt_project).result)
    # what is here stays: so forks share it with this process for as long as they can
    gc.collect()
    gc.freeze()


def warm(project: Any) -> None:
    """Compile the macros of a parsed dbt project: each run would compile those that it calls."""
    from dbt_common.clients.jinja import template_cache

    for macro in getattr(project, "macros", {}).values():
        template_cache.get_node_template(macro)


def fork(line: str) -> int:
    """Run what a line of JSON says in a forked process; return its id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setsid()  # a Ctrl-C is the daemon's, which tells us by ending stdin
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        # the pipes are the server's; what a run prints goes where the server's errors go
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        random.seed()
        status = execute(line)
    finally:
        os._exit(status)  # not through the server's own cleaning up


def execute(line: str) -> int:
    """Execute a run as ``dagster api execute_run`` does; return the process's exit status."""
    from dagster._cli.api import _execute_run_command_body
    from dagster._cli.utils import get_instance_for_cli
    from dagster._grpc.types import ExecuteRunArgs
    from dagster._serdes import deserialize_value
    from dagster._utils.interrupts import capture_interrupts

    from flight_assets.workers.connections import hold

    try:
        with capture_interrupts():
            asked = deserialize_value(line, ExecuteRunArgs)
            with get_instance_for_cli(instance_ref=asked.instance_ref) as instance:
                hold(instance)
                return _execute_run_command_body(
                    asked.run_id,
                    instance,
                    lambda _: None,
                    set_exit_code_on_failure=bool(asked.set_exit_code_on_failure),
                )
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def reap(running: set[int]) -> None:
    """Forget the forked processes that have ended."""
    while running:
        ended, _ = os.waitpid(-1, os.WNOHANG)
        if not ended:
            return
        running.discard(ended)


def wait(running: set[int]) -> None:
    """Wait until the runs have ended, however long they take."""
    while running:
        running.discard(os.wait()[0])


def end(running: set[int], *, finish_within_s: float = 0.0) -> None:
    """Let the runs finish in time, interrupt the others, and kill those that do not end then."""
    await_end(running, timeout_s=finish_within_s)
    for child in running:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGINT)
    await_end(running, timeout_s=END_WITHIN_S)
    for child in running:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def await_end(running: set[int], *, timeout_s: float) -> None:
    """Wait until the runs have ended, at most so long."""
    deadline = time.monotonic() + timeout_s
    while running and time.monotonic() < deadline:
        time.sleep(LOOK_S)
        reap(running)


def main() -> None:
    """Serve until stdin ends."""
    # a Ctrl-C in the daemon's terminal reaches us as well: stdin says when it is over
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    preload()
    from flight_assets.settings import load_settings

    finish_within_s = load_settings().runs_finish_within_s
    running: set[int] = set()
    print("ready", flush=True)
    for line in iter(sys.stdin.readline, ""):
        if line.strip() == LEAVE:
            wait(running)
            return
        reap(running)
        child = fork(line)
        running.add(child)
        print(child, flush=True)
    end(running, finish_within_s=finish_within_s)


if __name__ == "__main__":
    main()
