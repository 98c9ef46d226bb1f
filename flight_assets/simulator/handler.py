"""What the simulator answers: FlightRadar24's endpoints, and its own under ``/_simulator/``.

``POST /_simulator/clock {"now": 1753000000}`` sets and stops the clock of a simulated world,
``{"now": null}`` gives it back to real time. ``POST /_simulator/next`` moves a recorded world to
its next snapshot; at the end it answers 404 with ``"done": true``. ``POST /_simulator/faults``
replaces the faults, as ``faults.FaultPlan.from_json`` reads them. ``GET /_simulator/state`` tells
world, clock and counts. The ``Date`` of every answer is the world's clock.
"""

import gzip
import json
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from flight_assets.errors import FlightAssetsError
from flight_assets.simulator import pages
from flight_assets.simulator.faults import STATUSES, Fault, FaultPlan
from flight_assets.simulator.recorded import RecordedWorld
from flight_assets.simulator.snapshot import FIRST_S, LAST_S
from flight_assets.simulator.world import SimulatedWorld

if TYPE_CHECKING:
    from flight_assets.simulator.server import SimulatorServer

World = SimulatedWorld | RecordedWorld

FEED_PATH = "/zones/fcgi/feed.js"
AIRPORTS_PATH = "/_json/airports.php"
AIRLINES_PATH = "/data/airlines"
HTML = "text/html; charset=UTF-8"
JSON = "application/json"
IDLE_S = 120  # until a silent connection is closed
_NESTED_DEPTH = 100_000
_BLOCK_PAGE = b"<!DOCTYPE html><html><body><h1>Just a moment...</h1></body></html>"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave together
    timeout = IDLE_S
    server: "SimulatorServer"

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the ``Date`` of an answer: the world's clock."""
        return formatdate(self.server.world.now() if timestamp is None else timestamp, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet: the state tells the count of requests."""

    def do_GET(self) -> None:
        """Answer the endpoints of FlightRadar24 and the state."""
        url = urlsplit(self.path)
        if url.path == "/_simulator/state":
            return self._json(200, self.server.state())
        if url.path not in (FEED_PATH, AIRPORTS_PATH, AIRLINES_PATH):
            return self._json(404, {"error": f"the simulator has no {url.path}"})
        self.server.count_request()
        if url.path == AIRPORTS_PATH:
            return self._send(200, JSON, pages.airports())
        if url.path == AIRLINES_PATH:
            return self._send(200, HTML, pages.airlines())
        return self._feed(dict(parse_qsl(url.query)))

    def do_POST(self) -> None:
        """Do what a control endpoint is told."""
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        commands = {
            "/_simulator/clock": self._set_clock,
            "/_simulator/next": self._next,
            "/_simulator/faults": self._set_faults,
        }
        if path not in commands:
            return self._json(404, {"error": f"the simulator has no {path}"})
        try:
            body = json.loads(content or b"{}")
            return commands[path](body)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            return self._json(400, {"error": f"the body is not JSON: {error}"})
        except FlightAssetsError as error:
            return self._json(400, {"error": str(error)})

    def _feed(self, query: dict[str, str]) -> None:
        plan, world = self.server.plan, self.server.world
        faults = plan.draw()
        snapshot = world.current()
        try:
            body = pages.feed(snapshot, query)
        except ValueError as error:
            return self._json(400, {"error": str(error)})
        rows = {key: slots for key, slots in body.items() if isinstance(slots, list)}
        counts = {key: value for key, value in body.items() if key not in rows}
        body = counts | plan.spoil(rows, faults)
        whole = next((fault for fault in faults if fault.kind in STATUSES), None)
        if whole is None:
            return self._json(200, body, snapshot.instant_s)
        return self._misbehave(whole, body, snapshot.instant_s)

    def _misbehave(self, fault: Fault, body: dict[str, Any], instant_s: int) -> None:
        status = STATUSES[fault.kind]
        if fault.kind == "slow":
            time.sleep(fault.delay_s)
            return self._json(status, body, instant_s)
        if fault.kind in ("drip", "cut"):
            return self._break_off(fault, json.dumps(body).encode())
        if fault.kind == "empty":
            left = {key: value for key, value in body.items() if not isinstance(value, list)}
            return self._json(status, left, instant_s)
        if fault.kind == "truncated":
            encoded = json.dumps(body).encode()
            return self._send(status, JSON, encoded[: len(encoded) * 2 // 3], instant_s=instant_s)
        if fault.kind == "nested":
            return self._send(status, JSON, b"[" * _NESTED_DEPTH, instant_s=instant_s)
        headers = {}
        if fault.kind == "blocked":
            headers["cf-mitigated"] = "challenge"
        if fault.kind == "too_many_requests":
            until = self.date_time_string(instant_s + fault.retry_after_s)
            headers["Retry-After"] = (
                until if fault.retry_after_is_date else str(fault.retry_after_s)
            )
        return self._send(status, HTML, _BLOCK_PAGE, headers, instant_s)

    def _break_off(self, fault: Fault, content: bytes) -> None:
        """Promise an answer; give half of it and hang up, or give it byte by byte."""
        self.send_response_only(STATUSES[fault.kind])
        self.send_header("Content-Type", JSON)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault.kind == "cut":
            self.close_connection = True
            self.wfile.write(content[: len(content) // 2])
            return
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(fault.delay_s)

    def _set_clock(self, body: Any) -> None:
        world = self.server.world
        if isinstance(world, RecordedWorld):
            raise FlightAssetsError("a recorded world keeps its own clock: use /_simulator/next")
        now = body.get("now", "") if isinstance(body, dict) else ""
        if isinstance(now, bool) or not (now is None or isinstance(now, int)):
            raise FlightAssetsError(
                'the clock is set by {"now": 1753000000}, or null for real time'
            )
        if now is not None and not FIRST_S <= now <= LAST_S:
            raise FlightAssetsError(f"the clock goes from {FIRST_S} to {LAST_S}, Unix seconds")
        world.frozen_at_s = now
        self._json(200, {"now": world.now(), "is_frozen": now is not None})

    def _next(self, _: Any) -> None:
        world = self.server.world
        if not isinstance(world, RecordedWorld):
            raise FlightAssetsError("only a recorded world has a next snapshot")
        moved = world.advance()
        place = {
            "now": world.now(),
            "snapshot": world.index,
            "snapshot_count": len(world.snapshots),
        }
        self._json(200 if moved else 404, {"done": not moved} | place)

    def _set_faults(self, body: Any) -> None:
        self.server.plan = FaultPlan.from_json(body)
        self._json(200, {"faults": self.server.plan.describe()})

    def _json(self, status: int, body: dict[str, Any], instant_s: int | None = None) -> None:
        encoded = json.dumps(body, separators=(",", ":")).encode()
        self._send(status, JSON, encoded, instant_s=instant_s)

    def _send(
        self,
        status: int,
        content_type: str,
        content: bytes,
        headers: dict[str, str] | None = None,
        instant_s: int | None = None,
    ) -> None:
        """Write an answer, compressed where the client takes it, dated by the world's clock."""
        self.send_response_only(status)
        self.send_header("Server", "simulator")
        self.send_header("Date", self.date_time_string(instant_s))
        self.send_header("Content-Type", content_type)
        if "gzip" in self.headers.get("Accept-Encoding", "") and len(content) > 500:
            content = gzip.compress(content, compresslevel=1)
            self.send_header("Content-Encoding", "gzip")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
