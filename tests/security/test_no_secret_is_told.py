"""A planted password is found nowhere: not in a run, a log, an error, an argument."""

import logging
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import psutil
import pytest

from flight_assets.definitions import defs
from flight_assets.local import processes
from flight_assets.settings import PROJECT_ROOT, Settings

from .conftest import MARKER, Databases
from .telling import files_that_tell, rows_that_tell

pytestmark = pytest.mark.integration

SLEEP = "import time; print('here', flush=True); time.sleep(600)"


def command_line(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "flight_assets.cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        cwd=PROJECT_ROOT,
    )


def failed_run(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    hour = datetime.now(UTC).strftime("%Y-%m-%d-%H:00")
    result = defs.resolve_job_def("land_and_answer_job").execute_in_process(
        instance=instance, partition_key=hour, raise_on_error=False
    )
    assert not result.success
    return result


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("POSTGRES_INGEST_PASSWORD", f"{MARKER}-wrong"),
        ("POSTGRES_INGEST_PASSWORD_FILE", "/nowhere"),
        ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1"),
    ],
)
def test_a_failed_run_tells_no_password(
    by_roles: Databases,
    stack_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    variable: str,
    value: str,
) -> None:
    if variable.endswith("_FILE"):
        monkeypatch.delenv(variable.removesuffix("_FILE"))
    monkeypatch.setenv(variable, value)
    caplog.set_level(logging.DEBUG)
    with dg.DagsterInstance.get() as instance:
        run = failed_run(instance)
        tags, config = run.dagster_run.tags, run.dagster_run.run_config
        events = [str(event) for event in run.all_events]
    output = capfd.readouterr()
    assert rows_that_tell(MARKER, by_roles.dagster, by_roles.warehouse) == []
    assert files_that_tell(MARKER, tmp_path, stack_home / "logs") == []
    for said in (str(tags), str(config), caplog.text, output.out, output.err, *events):
        assert MARKER not in said


@pytest.mark.parametrize("arguments", [("answers",), ("status", "--json"), ("up",), ("prune",)])
def test_a_wrong_password_is_not_in_the_error_of_a_command(
    by_roles: Databases, arguments: tuple[str, ...]
) -> None:
    wrong = f"{MARKER}-wrong"
    passwords = {"POSTGRES_PASSWORD": wrong, "POSTGRES_INGEST_PASSWORD": wrong}
    done = command_line(*arguments, **passwords)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "rejects the password of user" in said
    assert MARKER not in said


def test_settings_and_their_errors_show_no_secret(
    by_roles: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Settings(_env_file=None)
    for said in (repr(found), str(found), str(found.model_dump()), found.model_dump_json()):
        assert MARKER not in said
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    done = command_line("status")
    assert done.returncode == 1
    assert "KAFKA_SECURITY_PROTOCOL=SASL_SSL needs KAFKA_SASL_USERNAME" in done.stderr
    assert MARKER not in done.stdout + done.stderr


def test_a_program_has_its_passwords_in_its_environment_and_not_in_its_arguments(
    by_roles: Databases, tmp_path: Path
) -> None:
    files = {}
    for variable in ("POSTGRES_PASSWORD", "POSTGRES_INGEST_PASSWORD", "DAGSTER_POSTGRES_PASSWORD"):
        path = tmp_path / variable.lower()
        path.write_text(os.environ[variable] + "\n")
        files[f"{variable}_FILE"] = str(path)
    environment = {k: v for k, v in os.environ.items() if f"{k}_FILE" not in files}
    child = subprocess.Popen(
        [sys.executable, "-m", "flight_assets.cli", "run", "--", sys.executable, "-c", SLEEP],
        env={**environment, **files},
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT_ROOT,
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == "here\n"
        process = psutil.Process(child.pid)
        assert process.cmdline()[1:] == ["-c", SLEEP]  # the command itself is gone
        has = process.environ()
        assert has["DAGSTER_POSTGRES_PASSWORD"] == by_roles.passwords["dagster"]
        assert has["POSTGRES_PASSWORD"] == by_roles.passwords["transform"]
        everybody = [each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])]
        assert not [each for each in everybody if MARKER in " ".join(each)]
    finally:
        record = processes.record_of(child.pid)
        assert record is not None
        processes.stop(record)
        child.wait(10)


def test_dagsters_processes_have_no_password_in_their_arguments(
    by_roles: Databases, tmp_path: Path
) -> None:
    daemon = str(Path(sys.executable).parent / "dagster-daemon")
    program = [daemon, "run", "-w", str(PROJECT_ROOT / "workspace.yaml")]
    record = processes.spawn(
        [sys.executable, "-m", "flight_assets.cli", "run", "--", *program],
        log=tmp_path / "daemon.log",
        env=os.environ,
    )
    try:
        # the daemon and, with the instance's configuration as an argument, its code location
        came = processes.wait_until(
            lambda: any("grpc" in each for each in arguments_below(record.pid)), timeout_s=90
        )
        assert came, processes.last_line(tmp_path / "daemon.log")
        assert not [each for each in arguments_below(record.pid) if MARKER in each]
    finally:
        processes.stop(record)
    assert files_that_tell(MARKER, tmp_path) == []


def arguments_below(pid: int) -> list[str]:
    """Return the arguments of a process and all that it has started."""
    found = []
    for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        try:
            found.append(" ".join(process.cmdline()))
        except psutil.NoSuchProcess:
            continue
    return found
