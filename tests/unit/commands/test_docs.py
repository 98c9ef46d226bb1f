"""Where dbt finds the warehouse, and what is served."""

import socket
import subprocess
import sys
import threading

import pytest

from flight_assets.commands.docs import environment_of, generate_again, serve_files
from flight_assets.errors import FlightAssetsError


def test_dbt_finds_the_warehouse_without_a_kafka():
    conninfo = "host=127.0.0.1 port=5433 user=u password=secret dbname=flights"
    assert environment_of(conninfo) == {
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": "5433",
        "POSTGRES_USER": "u",
        "POSTGRES_PASSWORD": "secret",
        "POSTGRES_DB": "flights",
    }


def test_a_port_that_is_taken_is_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(FlightAssetsError, match=f"port {port} cannot be served"):
            serve_files(str(tmp_path), port)


def test_it_is_generated_anew_again_and_again_also_after_a_failure(monkeypatch, capsys):
    calls, third = [], threading.Event()

    def run(command, **_):
        calls.append(command)
        if len(calls) == 3:
            third.set()
        return subprocess.CompletedProcess(command, len(calls) % 2, stderr="no database\n")

    monkeypatch.setattr(subprocess, "run", run)
    stopped = generate_again(0.01)
    assert third.wait(10)
    stopped.set()
    assert calls[0] == [sys.executable, "-m", "flight_assets.cli", "docs", "--no-serve"]
    assert "not generated anew: no database" in capsys.readouterr().err
