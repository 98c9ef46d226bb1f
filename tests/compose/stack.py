"""docker-compose.yml as a person starts it, from a copy of the project with secrets of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flight_assets.settings import PROJECT_ROOT

from .engine import Engine
from .secret_files import Secrets, new_secrets

NAME = "flight-assets-test"
IMAGE = "flight-assets:test"
PORT = 8443
EVERY = "20s"
# before what asks Kafka inside a container: `servers`, with its own log-in
LOG_IN = """
import json
from flight_assets.brokers import security_options
from flight_assets.settings import load_settings
settings = load_settings()
servers = {"bootstrap.servers": settings.kafka_bootstrap_servers, **security_options(settings)}
"""
# on the machine's own network these must be free
OWN_PORTS = (3000, 3001, 4000, 5432, 8024, 8080, PORT, 9092, 9093, 9192, 9193, 9292, 9293)


@dataclass(frozen=True)
class Stack:
    """A stack that is up: what to ask it, and how to harm it."""

    engine: Engine
    place: Path
    secrets: Secrets
    every: str

    def environment(self) -> dict[str, str]:
        """Return what ``make`` and Compose are called with."""
        own = {"BIND_HOST": "127.0.0.1"} if self.engine.is_own else {}
        return self.engine.environment() | own | {
            "COMPOSE_PROJECT_NAME": NAME,
            "FLIGHT_ASSETS_VERSION": "test",
            "HTTPS_PORT": str(PORT),
            "POLL_EVERY": self.every,
        }  # fmt: skip

    @property
    def command(self) -> str:
        """Return Compose as ``make`` calls it, with the override where the engine is our own."""
        files = ["docker-compose.yml"]
        files += ["tests/compose/host-network.yml"] if self.engine.is_own else []
        return " ".join([self.engine.compose, *(f"-f {file}" for file in files)])

    def make(self, target: str, *variables: str) -> str:
        """Return what a target printed; it must end well."""
        return self._run(["make", target, f"COMPOSE={self.command}", *variables])

    def compose(self, *arguments: str) -> str:
        """Return what a Compose command printed, over all profiles; it must end well."""
        return self._run([*self.command.split(), "--profile", "*", *arguments])

    def sql(self, query: str, *, database: str = "flight_assets") -> list[list[str]]:
        """Return the rows of a query in a database, asked inside Postgres's container."""
        psql = ["psql", "-U", "flight_assets", "-d", database, "-qtAF", "\t", "-c", query]
        printed = self.compose("exec", "-T", "postgres", *psql)
        return [line.split("\t") for line in printed.splitlines()]

    def python(self, service: str, code: str) -> str:
        """Return what Python code printed inside a container of ours."""
        return self.compose("exec", "-T", service, "deploy/entrypoint.sh", "python", "-c", code)

    def kafka(self, code: str) -> str:
        """Return what Python code printed that asks ``servers``, the daemon's log-in to Kafka."""
        return self.python("daemon", LOG_IN + code)

    def line(self, *arguments: str) -> str:
        """Return what ``flight-assets`` printed inside the daemon's container."""
        within = ("exec", "-T", "daemon", "deploy/entrypoint.sh", "flight-assets")
        return self.compose(*within, *arguments)

    def containers(self) -> dict[str, str]:
        """Return the ids of the containers that there are, by service."""
        printed = self.compose("ps", "--all", "--format", "json")
        found = [json.loads(line) for line in printed.splitlines()]
        return {each["Service"]: each["ID"] for each in found}

    def inspect(self, service: str) -> dict:
        """Return what the engine knows of a service's container."""
        [found] = json.loads(self.engine.run("inspect", self.containers()[service]))
        return found

    def is_healthy(self, service: str) -> bool:
        """Return whether a service runs and says that it is well."""
        state = self.inspect(service)["State"]
        return state["Status"] == "running" and state["Health"]["Status"] == "healthy"

    def kill(self, service: str) -> None:
        """Kill a service's container by ``docker kill``.

        The engine takes that for a person's will and starts nothing; ``make keep`` does.
        """
        self.engine.run("kill", self.containers()[service])

    def crash(self, service: str) -> None:
        """Kill a service's first process, as the kernel does where memory is short."""
        pid = self.inspect(service)["State"]["Pid"]
        as_root = ("--pid=host", "--network=host", "--user=0", "--entrypoint=sh")
        self.engine.run("run", "--rm", *as_root, IMAGE, "-c", f"kill -9 {pid}")

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Run ``make keep`` beside the stack while the block lasts."""
        command = ["make", "keep", f"COMPOSE={self.command}", f"DOCKER={self.engine.docker}"]
        with (self.place / "keep.log").open("wb") as log:
            keeper = subprocess.Popen(
                command,
                cwd=self.place,
                env=self.environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            yield
            assert keeper.poll() is None, (self.place / "keep.log").read_text()
        finally:
            if keeper.poll() is None:
                os.killpg(keeper.pid, signal.SIGTERM)
            keeper.wait()

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.place, env=self.environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout


@contextmanager
def running(engine: Engine, place: Path, *, profiles: str, every: str = EVERY) -> Iterator[Stack]:
    """Give a stack that ``make up`` has started; remove all of it after the block."""
    stack = Stack(engine, place, _copy_project(engine, place), every)
    if engine.is_own:
        taken = [port for port in OWN_PORTS if _is_taken(port)]
        assert not taken, f"the containers need the ports {taken} of this machine"
        engine.run("build", "--quiet", "--network=host", f"--tag={IMAGE}", str(place))
    try:
        stack.make("up", f"PROFILES={profiles}")
        yield stack
    except AssertionError:  # of `make up`: what the containers say tells why
        print(stack.compose("ps", "--all"))
        print(stack.compose("logs", "--no-color", "--tail", "40"))
        raise
    finally:
        stack.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")


def eventually(is_so: Callable[[], bool], *, within_s: float, every_s: float = 2.0) -> bool:
    """Return whether it comes true in time."""
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def _copy_project(engine: Engine, place: Path) -> Secrets:
    """Copy what git knows of, so that neither secrets nor settings of a person's own come along."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=PROJECT_ROOT, check=True, capture_output=True, text=True)
    for name in names.stdout.splitlines():
        if (PROJECT_ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT_ROOT / name, place / name)
    if engine.is_own:  # on the machine's own network, so for this machine alone
        nginx = place / "deploy" / "nginx.conf"
        nginx.write_text(nginx.read_text().replace("listen 8443", f"listen 127.0.0.1:{PORT}"))
    return new_secrets(place / "secrets")


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
