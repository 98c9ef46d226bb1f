"""A Postgres of a test's own, that can be stopped, restarted and killed; and a way to it to cut."""

import os
import shutil
import signal
import socket
import struct
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_assets.local import postgres
from flight_assets.local.postgres_data import Files, servers_on
from flight_assets.local.processes import wait_until
from flight_assets.local.state import locked_state, read_state
from flight_assets.resources import PostgresResource
from flight_assets.warehouse.migrate import create_database_if_missing, migrate


class Server:
    """A server in a home of its own. Its address and password stay over restarts."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = home or Path(tempfile.mkdtemp(prefix="flight-assets-faults-"))
        self.home.chmod(0o755)

    def start(self) -> str:
        """Return the connection string of the running server."""
        with locked_state(self.home) as state:
            found = postgres.start(state)
        return make_conninfo(
            host=found.host, port=found.port, user=found.user, password=found.password
        )

    def stop(self) -> None:
        """Stop it as `flight-assets down` does: sessions are ended, what is committed is kept."""
        with locked_state(self.home) as state:
            assert postgres.stop_server(state)

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """Kill every process of the server at once, as a power cut does."""
        leader = read_state(self.home).processes[postgres.NAME].pid
        family = psutil.Process(leader).children(recursive=True)
        for pid in [leader, *(process.pid for process in family)]:
            os.kill(pid, signal.SIGKILL)
        assert wait_until(lambda: not servers_on(Files(self.home).data), timeout_s=30)

    def remove(self) -> None:
        """Stop it where it runs and remove its files."""
        with locked_state(self.home) as state:
            postgres.stop_server(state)
        shutil.rmtree(self.home)


def new_database(server: str, name: str) -> str:
    """Return the connection string of a new, migrated database."""
    conninfo = make_conninfo(server, dbname=name)
    create_database_if_missing(conninfo)
    migrate(conninfo)
    return conninfo


def resource(conninfo: str, *, lock_timeout_s: float = 60) -> PostgresResource:
    """Return the product's way to a database."""
    parts = {name: value for name, value in conninfo_to_dict(conninfo).items() if value is not None}
    return PostgresResource(
        host=str(parts["host"]),
        port=int(parts["port"]),
        user=str(parts["user"]),
        password=str(parts["password"]),
        dbname=str(parts["dbname"]),
        lock_timeout_s=lock_timeout_s,
    )


def terminate_landing(conninfo: str) -> None:
    """End the session that is copying, as an administrator does."""
    ended = (
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where query ilike 'copy %' and state = 'active' and datname = current_database()"
    )
    with psycopg.connect(conninfo, autocommit=True) as connection:
        assert connection.execute(ended).fetchall() == [(True,)]


class Proxy:
    """A way to a server, on 127.0.0.1, that is cut once: when a client sends what it waits for.

    With ``after_answer`` what was sent reaches the server, whose answer is lost; otherwise the
    connection is reset before it arrives.
    """

    def __init__(self, conninfo: str, *, cut_at: Callable[[bytes], bool], after_answer: bool):
        parts = conninfo_to_dict(conninfo)
        self.server = (str(parts["host"]), int(str(parts["port"])))
        self.cut_at, self.after_answer = cut_at, after_answer
        self.is_cut, self.is_answered = threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        port = self.listener.getsockname()[1]
        self.conninfo = make_conninfo(conninfo, host="127.0.0.1", port=port, sslmode="disable")
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self.listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(self.server)
            threading.Thread(target=self._to_server, args=(client, server), daemon=True).start()
            threading.Thread(target=self._to_client, args=(client, server), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        while data := receive(client):
            if not self.is_cut.is_set() and self.cut_at(data):
                self.is_cut.set()
                if self.after_answer:
                    server.sendall(data)
                    assert self.is_answered.wait(20)
                reset(client)
                reset(server)
                return
            server.sendall(data)
        server.close()

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        while data := receive(server):
            if self.is_cut.is_set():
                self.is_answered.set()
                return
            try:
                client.sendall(data)
            except OSError:  # reset
                return
        client.close()


def receive(from_: socket.socket) -> bytes:
    """Return what came, nothing where the other side is gone."""
    try:
        return from_.recv(65_536)
    except OSError:
        return b""


def reset(connection: socket.socket) -> None:
    """Close without a farewell: the other side gets a reset."""
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
    except OSError:  # it is gone already
        pass
    connection.close()
