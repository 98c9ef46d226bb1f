"""The simulator's HTTP server: a world on 127.0.0.1, for tests in a thread or as a command."""

import contextlib
import errno
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from flight_assets.errors import FlightAssetsError
from flight_assets.simulator.faults import FaultPlan
from flight_assets.simulator.handler import Handler, World
from flight_assets.simulator.recorded import RecordedWorld
from flight_assets.simulator.world import SimulatedWorld

HOST = "127.0.0.1"  # unless told otherwise: whoever reaches it can have it misbehave
DEFAULT_SEED = 1


class SimulatorServer(ThreadingHTTPServer):
    """A world, on 127.0.0.1 unless told otherwise. As a context manager it serves from a thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, world: World, port: int = 0, *, host: str = HOST) -> None:
        self.world = world
        self.plan = FaultPlan()
        self.request_count = 0
        self._count_lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise FlightAssetsError(
                f"port {port} on {host} cannot be had ({error.strerror}): stop what listens there "
                "or choose another --port, 0 for any free one"
            ) from None
        self.base_url = f"http://{host}:{self.server_address[1]}"

    def __enter__(self) -> Self:
        """Serve from a thread."""
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop serving and close every connection."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection and remember it, so that it can be closed."""
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Forget a connection that has ended."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening; a kept connection would go on answering, so it is closed as well."""
        super().server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Leave silently when a client has gone; show anything else."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def count_request(self) -> None:
        """Count one request to FlightRadar24's endpoints."""
        with self._count_lock:
            self.request_count += 1

    def state(self) -> dict[str, Any]:
        """Return what ``/_simulator/state`` tells."""
        world = self.world
        snapshot = world.current()
        state: dict[str, Any] = {
            "world": world.kind,
            "now": snapshot.instant_s,
            "request_count": self.request_count,
            "aircraft_count": len(snapshot),
            "faults": self.plan.describe(),
        }
        if isinstance(world, RecordedWorld):
            return state | {"snapshot": world.index, "snapshot_count": len(world.snapshots)}
        return state | {"seed": world.seed, "is_frozen": world.frozen_at_s is not None}


def run(seed: int | None, recorded: Sequence[Path], port: int, *, host: str = HOST) -> None:
    """Serve a world until SIGTERM or SIGINT: recorded files where there are some, else a seed's."""
    if recorded and seed is not None:
        raise FlightAssetsError("a world is simulated or recorded: give --seed or --recorded files")
    world: World = RecordedWorld(recorded) if recorded else SimulatedWorld(
        DEFAULT_SEED if seed is None else seed
    )  # fmt: skip
    with SimulatorServer(world, port, host=host) as server:
        stopped = threading.Event()

        def stop(_signal: int, _frame: FrameType | None) -> None:
            stopped.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        aircraft = len(world.current())
        print(f"{world.kind} world at {server.base_url}, {aircraft:,} aircraft", flush=True)
        stopped.wait()
