"""Processes that outlive the command that started them: start, recognise, stop, find again.

What a process is for is not known here; its place in the stack is kept by ``local.state``.
"""

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

HOST = "127.0.0.1"


@dataclass(frozen=True)
class ProcessRecord:
    """A process by its id and the mark of its start: ids are used again, the pair is not."""

    pid: int
    started: str

    def is_alive(self) -> bool:
        """Return whether that very process runs; a dead one not yet reaped does not."""
        return start_mark(self.pid) == self.started


def start_mark(pid: int) -> str | None:
    """Return what tells a process from a later one with its id; ``None`` when none runs.

    On Linux the ticks since boot with the boot's id, because the start as a wall-clock time moves
    when the clock is set; elsewhere that time.
    """
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        if psutil.LINUX:
            boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
            # the name in brackets may hold spaces; the start is field 22 of proc_pid_stat(5)
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return f"{boot_id}/{fields[19]}"
        return f"{process.create_time():.2f}"
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return None


def record_of(pid: int) -> ProcessRecord | None:
    """Return the record of a running process, ``None`` when it has ended."""
    started = start_mark(pid)
    return None if started is None else ProcessRecord(pid, started)


def heed_interrupts() -> None:
    """Take SIGINT again where a shell started this process in the background, ignoring it.

    What is ignored is inherited, and Dagster makes SIGTERM what SIGINT is: its processes would
    not stop when they are told to.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


_children: dict[int, subprocess.Popen[bytes]] = {}  # kept, so that none warns of being dropped


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
) -> ProcessRecord:
    """Start a process in a session of its own, as ``user`` where given, its output in ``log``.

    It keeps running when the caller ends and does not see the caller's Ctrl-C.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    roll_over(log)
    with log.open("ab") as output:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(env) if env is not None else None,
            **identity_of(user),
        )
    _children[child.pid] = child
    # one that ended at once leaves no mark; its record is then that of a dead process
    return record_of(child.pid) or ProcessRecord(child.pid, "ended at once")


def identity_of(user: str | None) -> dict[str, Any]:
    """Return the arguments of ``subprocess`` that run a program as ``user``."""
    if user is None:
        return {}
    import pwd

    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


MAX_LOG_BYTES = 20_000_000


def roll_over(log: Path) -> None:
    """Move a large log aside, so that at most two of that size are kept."""
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_name(log.name + ".1"))


def last_line(log: Path, *, containing: Sequence[str] = ("",)) -> str:
    """Return the last line of a log that contains one of the words, "" where there is none."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 65_536))
        lines = file.read().decode(errors="replace").splitlines()
    found = (line.strip() for line in reversed(lines) if any(word in line for word in containing))
    return next((line for line in found if line), "")


def wait_until(
    is_true: Callable[[], bool], *, timeout_s: float, first_pause_s: float = 0.02
) -> bool:
    """Return whether the condition came true in time, asking ever less often, twice a second."""
    deadline = time.monotonic() + timeout_s
    pause_s = first_pause_s
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.5)
    return True


def stop(
    record: ProcessRecord, *, by: signal.Signals = signal.SIGTERM, patience_s: float = 20
) -> bool:
    """Stop that very process and what it started; return whether there was one to stop.

    A process that only bears the recorded id is left alone. After ``patience_s`` it is killed.
    """
    if not record.is_alive():
        reap(record.pid)
        return False
    family = [found for child in _descendants(record.pid) if (found := record_of(child))]
    send(record, by)
    if not wait_until(lambda: not record.is_alive(), timeout_s=patience_s):
        send(record, signal.SIGKILL)
        wait_until(lambda: not record.is_alive(), timeout_s=10)
    reap(record.pid)
    _end_orphans(family)
    return True


def _descendants(pid: int) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _end_orphans(family: Sequence[ProcessRecord]) -> None:
    """End the descendants that their parent has left behind: politely, then not."""

    def gone() -> bool:
        return not any(record.is_alive() for record in family)

    if wait_until(gone, timeout_s=2):
        return
    for signal_ in (signal.SIGTERM, signal.SIGKILL):
        for record in family:
            send(record, signal_)
        if wait_until(gone, timeout_s=2):
            return


def send(record: ProcessRecord, signal_: signal.Signals) -> None:
    """Send a signal to that very process, if it still runs."""
    if record.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, signal_)


def reap(pid: int) -> None:
    """Take an ended child's exit status, so that it does not stay as a zombie."""
    child = _children.get(pid)
    if child is None:
        return
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(5)  # its main thread has ended; its others may be about to
        del _children[pid]


# Below the ports that systems hand out to outgoing connections: one that was free stays so.
PORTS = range(20_000, 32_000)


def free_port(preferred: int | None = None) -> int:
    """Return a port of 127.0.0.1 that nothing listens on, the preferred one if it is free."""
    candidates = random.sample(PORTS, 50)
    if preferred is not None:
        candidates.insert(0, preferred)
    for port in candidates:
        if is_free(port):
            return port
    raise OSError(f"no free port among 50 of {PORTS.start} to {PORTS.stop} on {HOST}")


def is_free(port: int) -> bool:
    """Return whether a server could listen on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
