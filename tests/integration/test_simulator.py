"""The unmodified FlightRadarAPI client against the simulator, over HTTP."""

import gzip
import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from FlightRadarAPI import FlightRadar24API
from FlightRadarAPI.core import Core
from FlightRadarAPI.entities.flight import Flight
from FlightRadarAPI.errors import CloudflareError

from flight_assets.errors import FlightAssetsError
from flight_assets.settings import PROJECT_ROOT
from flight_assets.simulator.recorded import RecordedWorld
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld

pytestmark = pytest.mark.integration

NOW_S = 1_763_467_200
CAPTURES = sorted(
    (PROJECT_ROOT.parent / "shared/data/real/fr24_live").glob("salemhaddadbecha__flights_*.csv.gz")
)
QUADRANTS = ("90,0,-180,0", "90,0,0,180", "0,-90,-180,0", "0,-90,0,180")


@pytest.fixture(scope="module")
def simulated() -> Iterator[SimulatorServer]:
    with SimulatorServer(SimulatedWorld(1, now_s=NOW_S)) as server:
        yield server


@pytest.fixture
def api_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[SimulatorServer], FlightRadar24API]:
    def api(server: SimulatorServer) -> FlightRadar24API:
        for name, path in (
            ("real_time_flight_tracker_data_url", "/zones/fcgi/feed.js"),
            ("airports_json_url", "/_json/airports.php"),
            ("airlines_data_url", "/data/airlines"),
        ):
            monkeypatch.setattr(Core, name, server.base_url + path)
        return FlightRadar24API(timeout=20)

    return api


Api = Callable[[SimulatorServer], FlightRadar24API]


def post(server: SimulatorServer, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(server.base_url + path, data=content)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture
def faults(simulated: SimulatorServer) -> Iterator[Callable[..., None]]:
    def order(**fault: Any) -> None:
        status, _ = post(simulated, "/_simulator/faults", {"faults": [fault]})
        assert status == 200

    yield order
    post(simulated, "/_simulator/faults", {"faults": []})


def test_the_client_reads_airports_airlines_and_flights(
    simulated: SimulatorServer, api_of: Api
) -> None:
    api = api_of(simulated)
    assert len(api.get_airports()) > 7_000
    assert len(api.get_airlines()) > 200
    flights = api.get_flights()
    assert len(flights) == 1_500
    truth = {flight.flight_id: flight for flight in simulated.world.truth(NOW_S)}  # type: ignore[union-attr]
    assert [flight.id for flight in flights] == list(truth)[:1_500]
    for flight in flights:
        assert flight.time == truth[flight.id].observed_at
        assert flight.callsign in ("", "N/A", truth[flight.id].callsign)


def test_the_clients_filters_reach_the_world(simulated: SimulatorServer, api_of: Api) -> None:
    api = api_of(simulated)
    flights = api.get_flights(airline="UAE", aircraft_type="A388")
    assert flights
    assert {(f.airline_icao, f.aircraft_code) for f in flights} == {("UAE", "A388")}
    sought = flights[0].registration
    assert [f.registration for f in api.get_flights(registration=sought)] == [sought]


def test_answers_are_compressed_and_dated_by_the_worlds_clock(simulated: SimulatorServer) -> None:
    request = urllib.request.Request(
        simulated.base_url + "/zones/fcgi/feed.js?bounds=60,40,-10,20",
        headers={"Accept-Encoding": "gzip, br"},
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert parsedate_to_datetime(answer.headers["Date"]).timestamp() == NOW_S
        assert json.loads(gzip.decompress(answer.read()))["full_count"] > 10_000


def test_bounds_that_cannot_be_read_are_refused(simulated: SimulatorServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(simulated.base_url + "/zones/fcgi/feed.js?bounds=north")
    assert refusal.value.code == 400
    assert "north,south,west,east" in refusal.value.read().decode()


def values(flight: Flight) -> list[Any]:
    return [
        flight.id, flight.latitude, flight.longitude, flight.icao_24bit, flight.heading,
        flight.altitude, flight.ground_speed, flight.aircraft_code, flight.registration,
        flight.time, flight.origin_airport_iata, flight.destination_airport_iata, flight.number,
        flight.on_ground, flight.vertical_speed, flight.callsign, flight.airline_icao,
    ]  # fmt: skip


@pytest.mark.skipif(not CAPTURES, reason="the captures are not beside the repository")
def test_every_row_of_the_captures_is_served(api_of: Api) -> None:
    with SimulatorServer(RecordedWorld(CAPTURES)) as server:
        api = api_of(server)
        for capture in CAPTURES:
            expected = pd.read_csv(capture, keep_default_na=False, dtype={"number": str})
            served = {f.id: values(f) for box in QUADRANTS for f in api.get_flights(bounds=box)}
            columns = [
                "id", "latitude", "longitude", "icao_24bit", "heading", "altitude",
                "ground_speed", "aircraft_code", "registration", "time", "origin_airport_iata",
                "destination_airport_iata", "number", "on_ground", "vertical_speed", "callsign",
                "airline_icao",
            ]  # fmt: skip
            recorded = {row[0]: list(row) for row in expected[columns].itertuples(index=False)}
            assert served == recorded
            assert server.world.now() == expected["time"].max()
            status, answer = post(server, "/_simulator/next", {})
            is_last = capture == CAPTURES[-1]
            assert (status, answer["done"]) == ((404, True) if is_last else (200, False))


@pytest.mark.parametrize("kind", ["forbidden", "too_many_requests", "server_error"])
def test_refusals_reach_the_client(
    simulated: SimulatorServer, api_of: Api, faults: Callable[..., None], kind: str
) -> None:
    api = api_of(simulated)
    faults(kind=kind, next=1, retry_after_s=7)
    with pytest.raises(Exception, match="HTTP Error") as refusal:
        api.get_flights()
    response = refusal.value.response  # type: ignore[attr-defined]
    codes = {"forbidden": 403, "too_many_requests": 429, "server_error": 500}
    assert response.status_code == codes[kind]
    assert response.headers.get("Retry-After") == ("7" if kind == "too_many_requests" else None)
    assert len(api.get_flights()) == 1_500


@pytest.mark.parametrize("kind", ["blocked", "unknown_error"])
def test_cloudflares_refusals_reach_the_client(
    simulated: SimulatorServer, api_of: Api, faults: Callable[..., None], kind: str
) -> None:
    api = api_of(simulated)
    faults(kind=kind, next=1)
    with pytest.raises(CloudflareError):
        api.get_flights()


@pytest.mark.parametrize(("kind", "message"), [("html", "Expected JSON"), ("truncated", "column")])
def test_what_is_no_json_reaches_the_client(
    simulated: SimulatorServer, api_of: Api, faults: Callable[..., None], kind: str, message: str
) -> None:
    api = api_of(simulated)
    faults(kind=kind, next=1)
    with pytest.raises(ValueError, match=message):
        api.get_flights()


def test_an_empty_feed_says_that_the_sky_is_not(
    simulated: SimulatorServer, api_of: Api, faults: Callable[..., None]
) -> None:
    faults(kind="empty", next=1)
    with urllib.request.urlopen(simulated.base_url + "/zones/fcgi/feed.js?stats=1") as answer:
        body = json.load(answer)
    assert not any(isinstance(value, list) for value in body.values())
    assert body["full_count"] > 10_000
    # The client asks five times before it takes nothing for an answer.
    faults(kind="empty", next=5)
    assert api_of(simulated).get_flights() == []


def test_slow_answers_run_into_the_clients_timeout(
    simulated: SimulatorServer, api_of: Api, faults: Callable[..., None]
) -> None:
    api = api_of(simulated)
    api.timeout = 1
    faults(kind="slow", next=1, delay_s=3)
    with pytest.raises(Exception, match="timed out"):
        api.get_flights()


def test_a_clock_can_be_set_and_given_back(simulated: SimulatorServer) -> None:
    assert post(simulated, "/_simulator/clock", {"now": NOW_S + 60})[1]["now"] == NOW_S + 60
    assert post(simulated, "/_simulator/clock", {"now": None})[1]["is_frozen"] is False
    assert post(simulated, "/_simulator/clock", {"now": NOW_S})[1]["is_frozen"] is True


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/_simulator/clock", {"now": "noon"}),
        ("/_simulator/clock", {"now": 1753000000000}),
        ("/_simulator/clock", []),
        ("/_simulator/clock", b"{"),
        ("/_simulator/next", {}),
        ("/_simulator/faults", {"faults": [{"kind": "sabotage"}]}),
    ],
)
def test_orders_that_make_no_sense_are_refused(
    simulated: SimulatorServer, path: str, body: Any
) -> None:
    status, answer = post(simulated, path, body)
    assert status == 400
    assert answer["error"]


def test_the_state_counts_requests(simulated: SimulatorServer, api_of: Api) -> None:
    def state() -> dict[str, Any]:
        with urllib.request.urlopen(simulated.base_url + "/_simulator/state") as answer:
            return dict(json.load(answer))

    before = state()
    api_of(simulated).get_flights()
    assert state()["request_count"] == before["request_count"] + 1
    assert (before["world"], before["seed"], before["now"]) == ("simulated", 1, NOW_S)


def test_a_stopped_server_answers_no_more(api_of: Api) -> None:
    with SimulatorServer(SimulatedWorld(2, now_s=NOW_S)) as server:
        api = api_of(server)
        assert api.get_flights()
    with pytest.raises(Exception, match=r"connect|reset|closed|empty"):
        api.get_flights()


def test_a_port_that_is_taken_is_named(simulated: SimulatorServer) -> None:
    port = simulated.server_address[1]
    with pytest.raises(FlightAssetsError, match=f"port {port} on 127.0.0.1"):
        SimulatorServer(simulated.world, port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path, number: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = f"from flight_assets.simulator.server import run; run(7, [], {port})"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert f"simulated world at http://127.0.0.1:{port}" in process.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_simulator/state") as answer:
            assert json.load(answer)["seed"] == 7
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
