"""What of the stack runs, where it is reached and what disk it takes, for a person or a program.

Nothing is started here: what does not run is not there.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from flight_assets.local import builtin_kafka, kafka, postgres, stack
from flight_assets.local.processes import HOST, ProcessRecord
from flight_assets.local.state import StackState, read_state
from flight_assets.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ServerStatus:
    """One process of the stack, or a server that the settings name.

    ``memory_mb`` is what it occupies with its children, shared memory counted once; ``None``
    where it does not run here.
    """

    name: str
    state: Literal["running", "stopped", "external"]
    address: str | None
    pid: int | None
    memory_mb: int | None


def status(settings: Settings) -> list[ServerStatus]:
    """Return the state of Postgres, of Kafka and of every other registered process."""
    state = read_state(settings.home)
    servers = [_postgres(settings, state), _kafka(settings, state)]
    others = [
        _local(state, name, name, address=None)
        for name in state.processes
        if name not in stack.SERVERS
    ]
    return servers + others


def reachable(settings: Settings) -> Settings:
    """Return the settings with the addresses of those local servers that run filled in.

    A local server that does not run stays without an address.
    """
    state = read_state(settings.home)
    if stack.is_local_postgres(settings, state):
        runs = state.running(postgres.NAME) is not None
        settings = stack.with_local_postgres(settings, state) if runs else _without(settings)
    brokers = stack.running_kafka(settings, state)
    servers = brokers.bootstrap_servers if brokers is not None else None
    return settings.model_copy(update={"kafka_bootstrap_servers": servers})


def _without(settings: Settings) -> Settings:
    return settings.model_copy(update={"postgres_host": None})


def kafka_log_bytes(settings: Settings) -> int | None:
    """Return the bytes on disk of the local Apache Kafka's log, ``None`` where there is none."""
    data = settings.home / "kafka" / "data"
    if not stack.is_local_kafka(settings, read_state(settings.home)) or not data.is_dir():
        return None
    return sum(_sizes(data))


def _sizes(place: Path) -> Iterator[int]:
    for directory, _, names in os.walk(place):
        for name in names:
            try:
                # blocks, not length: Kafka's index files are mostly holes
                yield (Path(directory) / name).stat().st_blocks * 512
            except FileNotFoundError:
                continue  # a segment that the broker has just deleted


def _postgres(settings: Settings, state: StackState) -> ServerStatus:
    if not stack.is_local_postgres(settings, state):
        return _external("postgres", f"{settings.postgres_host}:{settings.postgres_port}")
    port = state.ports.get(postgres.NAME)
    return _local(state, postgres.NAME, "postgres", address=f"{HOST}:{port}" if port else None)


def _kafka(settings: Settings, state: StackState) -> ServerStatus:
    if not stack.is_local_kafka(settings, state):
        return _external("kafka", str(settings.kafka_bootstrap_servers))
    if state.running(builtin_kafka.NAME) is not None:
        name = "kafka (built-in, in memory)"
        return _local(state, builtin_kafka.NAME, name, address=state.kafka_address)
    port = state.ports.get(kafka.NAME)
    return _local(state, kafka.NAME, "kafka", address=f"{HOST}:{port}" if port else None)


def _external(name: str, address: str) -> ServerStatus:
    return ServerStatus(name=name, state="external", address=address, pid=None, memory_mb=None)


def _local(state: StackState, process: str, name: str, *, address: str | None) -> ServerStatus:
    running = state.running(process)
    return ServerStatus(
        name=name,
        state="stopped" if running is None else "running",
        address=None if running is None else address,
        pid=None if running is None else running.pid,
        memory_mb=None if running is None else memory_mb(running),
    )


def memory_mb(record: ProcessRecord) -> int:
    """Return the memory of a process and its children in MB, shared pages counted once."""
    total = 0
    try:
        parent = psutil.Process(record.pid)
        for process in [parent, *parent.children(recursive=True)]:
            total += _bytes(process)
    except psutil.NoSuchProcess:
        pass  # it ends while we look; what was counted stands
    return round(total / 1e6)


def _bytes(process: psutil.Process) -> int:
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", full.uss))
    except psutil.AccessDenied:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
