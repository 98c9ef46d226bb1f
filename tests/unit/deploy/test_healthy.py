"""What a container says of its health, and why."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from tests.deploy_scripts import DEPLOY, script

healthy = script("healthy")


class Pages(BaseHTTPRequestHandler):
    """One page that is there; all others are broken."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/there" else 500)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def pages() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def location() -> Iterator[tuple[str, health.HealthServicer]]:
    server = grpc.server(ThreadPoolExecutor(1))
    servicer = health.HealthServicer()
    add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield str(port), servicer
    server.stop(None).wait()


def test_a_page_that_answers_is_healthy(pages: str) -> None:
    assert healthy.http(f"{pages}/there") is None


def test_a_page_that_is_broken_or_gone_is_not(pages: str) -> None:
    assert "500" in healthy.http(f"{pages}/broken")
    assert "127.0.0.1:1" in healthy.http("http://127.0.0.1:1/there")


def test_a_code_location_is_healthy_when_it_says_so(
    location: tuple[str, health.HealthServicer],
) -> None:
    port, servicer = location
    servicer.set("DagsterApi", HealthCheckResponse.SERVING)
    assert healthy.grpc(port) is None
    servicer.set("DagsterApi", HealthCheckResponse.NOT_SERVING)
    assert healthy.grpc(port) is not None
    assert healthy.grpc("1") is not None


def test_a_file_is_fresh_for_so_many_seconds(tmp_path: Path) -> None:
    file = tmp_path / "tiles.json"
    assert "not there yet" in healthy.fresh(str(file), "900")
    file.touch()
    assert healthy.fresh(str(file), "900") is None
    an_hour_ago = file.stat().st_mtime - 3600
    os.utime(file, (an_hour_ago, an_hour_ago))
    assert "3600 s ago" in healthy.fresh(str(file), "900")


def test_the_exit_code_says_it_and_stderr_why(pages: str) -> None:
    def look(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-I", str(DEPLOY / "healthy.py"), *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    assert look("http", f"{pages}/there").returncode == 0
    broken = look("http", f"{pages}/broken")
    assert broken.returncode == 1 and "500" in broken.stderr
    unknown = look("everything")
    assert unknown.returncode == 1 and "healthy.py http URL" in unknown.stderr
