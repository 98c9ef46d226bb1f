"""What the local stack remembers between commands: its processes and its ports, under a lock.

One JSON file in the home directory. Only the holder of the lock writes it.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from flight_assets.errors import FlightAssetsError
from flight_assets.local.processes import ProcessRecord

STATE_NAME = "stack.json"
LOCK_NAME = "stack.lock"

Say = Callable[[str], None]


def silence(_: str) -> None:
    """Say nothing."""


@dataclass
class StackState:
    """The processes and ports of one home directory. Each change is saved at once."""

    home: Path
    processes: dict[str, ProcessRecord] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    kafka_address: str | None = None  # of the built-in cluster, which chooses its port itself

    def running(self, name: str) -> ProcessRecord | None:
        """Return the process recorded by that name, if that very process still runs."""
        record = self.processes.get(name)
        return record if record is not None and record.is_alive() else None

    def record(self, name: str, process: ProcessRecord, **ports: int) -> None:
        """Remember a process and its ports."""
        self.processes[name] = process
        self.ports.update(ports)
        self.save()

    def forget(self, name: str) -> None:
        """Forget a process; its ports are kept, to be taken again."""
        if self.processes.pop(name, None) is not None:
            self.save()

    def save(self) -> None:
        """Write the state, whole or not at all."""
        content = {
            "processes": {name: asdict(record) for name, record in self.processes.items()},
            "ports": self.ports,
            "kafka_address": self.kafka_address,
        }
        new = self.home / f".{STATE_NAME}.{os.getpid()}"
        new.write_text(json.dumps(content, indent=2) + "\n")
        new.replace(self.home / STATE_NAME)


def read_state(home: Path) -> StackState:
    """Return the state of a home directory, empty where nothing was ever started."""
    path = home / STATE_NAME
    if not path.exists():
        return StackState(home)
    try:
        content = json.loads(path.read_text())
        processes = {name: ProcessRecord(**record) for name, record in content["processes"].items()}
        return StackState(home, processes, dict(content["ports"]), content["kafka_address"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FlightAssetsError(
            f"{path} is damaged ({error}): remove it and call `flight-assets up` again; "
            "servers that still run are found by their data directories"
        ) from error


@contextmanager
def locked_state(home: Path, say: Say = silence) -> Iterator[StackState]:
    """Give the state to one command at a time; a second one waits, and says so."""
    make_home(home)
    with (home / LOCK_NAME).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another flight-assets command to start or stop the stack …")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield read_state(home)


def make_home(home: Path) -> None:
    """Create the home directory; only root's can be entered by others: Postgres's own user."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o755 if os.geteuid() == 0 else 0o700)
    except OSError as error:
        raise FlightAssetsError(
            f"cannot create the data directory {home} ({error.strerror}): "
            "set FLIGHT_ASSETS_HOME to a directory that you can write"
        ) from error
