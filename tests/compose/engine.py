"""A container engine for the tests: the one that there is, or one of their own, run as root.

Their own needs Debian's ``docker.io`` and ``debootstrap``. It has no bridge and can pull nothing:
its containers share the machine's network, and stand-ins for the base images are built first.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flight_assets.settings import PROJECT_ROOT

CACHE = Path.home() / ".cache" / "flight-assets-compose"
IMAGES = PROJECT_ROOT / "tests" / "compose" / "images"
OWN_NEEDS = ("dockerd", "debootstrap", "mvn")
UP_WITHIN_S = 60
DOWN_WITHIN_S = 240  # the longest time that a container is given, and some
# no bridge and no rules of a firewall: a machine that itself is a container may set up neither
OPTIONS = (
    "--storage-driver=overlay2",
    "--bridge=none",
    *("--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"),
    *("--oom-score-adjust", "0"),
)


class Engine:
    """A running engine, and how it is called."""

    is_own = False
    docker = "docker"
    compose = "docker compose"

    def environment(self) -> dict[str, str]:
        """Return the environment in which ``docker`` and Compose talk to it."""
        return dict(os.environ)

    def answers(self) -> bool:
        """Return whether it answers."""
        if shutil.which(self.docker) is None:
            return False
        command = [self.docker, "info"]
        return subprocess.run(command, env=self.environment(), capture_output=True).returncode == 0

    def run(self, *arguments: str) -> str:
        """Return what a ``docker`` command printed; it must end well."""
        done = subprocess.run(
            [self.docker, *arguments], env=self.environment(), capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


class OwnEngine(Engine):
    """An engine that keeps its images in the cache, and the rest in a scratch folder."""

    is_own = True
    # Debian's, which goes with its engine, before another one of the same name
    docker = "/usr/bin/docker"
    compose = str(CACHE / "docker-compose")

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """Return where it listens."""
        return f"unix://{self.scratch}/docker.sock"

    def environment(self) -> dict[str, str]:
        """Return the environment in which ``docker`` and Compose talk to it."""
        # its own builder: the newer one is a program apart
        own = {"DOCKER_HOST": self.host, "DOCKER_BUILDKIT": "0", "PYTHON": sys.executable}
        return super().environment() | own

    def start(self) -> None:
        """Start it, with the containers that ran when it was stopped."""
        CACHE.mkdir(parents=True, exist_ok=True)
        places = {
            "--data-root": CACHE / "engine",
            "--exec-root": self.scratch / "exec",
            "--pidfile": self.scratch / "dockerd.pid",
            "--host": self.host,
        }
        with (CACHE / "dockerd.log").open("ab") as log:
            self.process = subprocess.Popen(
                ["dockerd", *OPTIONS, *(f"{name}={place}" for name, place in places.items())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + UP_WITHIN_S
        while not self.answers():
            assert time.monotonic() < deadline, (CACHE / "dockerd.log").read_text()[-2000:]
            time.sleep(0.5)

    def stop(self) -> None:
        """Stop it, and with it what runs in it."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        # it leaves the network of its containers mounted there, and the folder could not go
        for left in (self.scratch / "exec" / "netns").glob("*"):
            if os.path.ismount(left):  # a file: `Path.is_mount` knows folders alone
                subprocess.run(["umount", str(left)], check=True)

    def build_images(self) -> None:
        """Build Compose and the stand-ins for the base images, unless they are there."""
        for script in ([IMAGES / "compose.sh", CACHE], [IMAGES / "build.sh"]):
            subprocess.run(script, env=self.environment(), check=True)


def why_none() -> str | None:
    """Return why the tests can have no engine, ``None`` where they can."""
    if Engine().answers():
        return None
    missing = [name for name in OWN_NEEDS if shutil.which(name) is None]
    if missing:
        return f"no container engine answers, and for one of our own {missing} are missing"
    return None if os.geteuid() == 0 else "no container engine answers, and only root starts one"


@contextmanager
def engine() -> Iterator[Engine]:
    """Give the engine that there is, or one that lives as long as the block."""
    if Engine().answers():
        yield Engine()
        return
    prefix = "flight-assets-engine-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as scratch:
        own = OwnEngine(Path(scratch))
        try:
            own.start()
            own.build_images()
            yield own
        finally:
            own.stop()
