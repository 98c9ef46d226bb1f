import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flight_assets.local import processes
from flight_assets.local.processes import (
    HOST,
    ProcessRecord,
    free_port,
    heed_interrupts,
    is_free,
    last_line,
    record_of,
    roll_over,
    spawn,
    stop,
    wait_until,
)

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEP)
    yield process
    process.kill()
    process.wait()


def test_a_process_with_a_recycled_id_is_left_alone(sleeper: subprocess.Popen[bytes]) -> None:
    assert stop(ProcessRecord(sleeper.pid, "an earlier start")) is False
    assert sleeper.poll() is None


def test_the_recorded_process_is_stopped(sleeper: subprocess.Popen[bytes]) -> None:
    record = record_of(sleeper.pid)
    assert record is not None and record.is_alive()
    assert stop(record) is True
    assert sleeper.wait(5) == -signal.SIGTERM


def test_an_ignored_interrupt_is_taken_again() -> None:
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        heed_interrupts()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_zombie_is_not_alive(sleeper: subprocess.Popen[bytes]) -> None:
    record = record_of(sleeper.pid)
    assert record is not None
    sleeper.kill()
    assert wait_until(lambda: not record.is_alive(), timeout_s=5)
    assert psutil.Process(sleeper.pid).status() == psutil.STATUS_ZOMBIE


def test_a_process_deaf_to_the_signal_is_killed(tmp_path: Path) -> None:
    code = f"{DEAF}; print('deaf', flush=True); time.sleep(60)"
    record = spawn([sys.executable, "-c", code], log=tmp_path / "log")
    assert wait_until(lambda: last_line(tmp_path / "log") == "deaf", timeout_s=20)
    assert stop(record, patience_s=0.2) is True
    assert not record.is_alive()


def test_what_a_process_started_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import signal, subprocess, sys, time;"
        f"child = subprocess.Popen([sys.executable, '-c', {DEAF + '; time.sleep(60)'!r}]);"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    record = spawn([sys.executable, "-c", code], log=tmp_path / "log")
    assert wait_until(lambda: last_line(tmp_path / "log").isdigit(), timeout_s=20)
    child = record_of(int(last_line(tmp_path / "log")))
    assert child is not None
    stop(record)
    assert not child.is_alive()


def test_a_spawned_process_has_its_own_session_and_its_output_in_the_log(tmp_path: Path) -> None:
    code = "import os; print(os.getsid(0) == os.getpid())"
    spawn([sys.executable, "-c", code], log=tmp_path / "logs" / "log")
    assert wait_until(lambda: last_line(tmp_path / "logs" / "log") == "True", timeout_s=20)


def test_a_port_that_is_taken_is_not_given() -> None:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        taken = listener.getsockname()[1]
        assert not is_free(taken)
        assert free_port(taken) != taken
    assert free_port(taken) == taken


def test_the_last_line_is_the_last_that_says_something(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_text("ERROR first\nERROR second\nfine\n\n")
    assert last_line(log) == "fine"
    assert last_line(log, containing=("ERROR",)) == "ERROR second"
    assert last_line(log, containing=("FATAL",)) == ""


def test_a_large_log_is_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MAX_LOG_BYTES", 3)
    log = tmp_path / "log"
    for text, moved in (("abc", False), ("abcd", True)):
        log.write_text(text)
        roll_over(log)
        assert log.exists() is not moved
    assert (tmp_path / "log.1").read_text() == "abcd"


def test_no_record_is_made_of_a_process_that_has_ended() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert record_of(process.pid) is None
    assert record_of(os.getpid()) is not None
