"""The poller against the simulator's server: the unmodified client, a real wire, a true world."""

import json
import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from flight_assets.core.tiling import Tiling, children_of, first_tiling
from flight_assets.feed.client import FeedClient
from flight_assets.feed.failures import FeedError
from flight_assets.feed.poller import Sweep, sweep
from flight_assets.settings import PROJECT_ROOT
from flight_assets.simulator.recorded import RecordedWorld
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld

pytestmark = pytest.mark.integration

INSTANT = 1_753_000_000
LATER = INSTANT + 9 * 3600
CAPTURES = PROJECT_ROOT.parent / "shared" / "data" / "real" / "fr24_live"
QUARTERS = Tiling(dict.fromkeys(children_of("0")))


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    with SimulatorServer(SimulatedWorld(seed=3, now_s=INSTANT)) as running:
        yield running


@pytest.fixture
def base_url(server: SimulatorServer) -> Iterator[str]:
    """The simulator, at the instant and without faults, before the test and after it."""
    yield server.base_url
    tell(server.base_url, "faults", {"faults": []})
    tell(server.base_url, "clock", {"now": INSTANT})


def tell(base_url: str, command: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"{base_url}/_simulator/{command}", json.dumps(body).encode(), method="POST"
    )
    urllib.request.urlopen(request, timeout=10).close()


def spoil(base_url: str, kind: str, **options: Any) -> None:
    tell(base_url, "faults", {"faults": [{"kind": kind, **options}]})


def patient_client(base_url: str, **options: Any) -> tuple[FeedClient, list[float]]:
    """Return a client whose waits are noted instead of waited, on a clock of their own."""
    waits: list[float] = []
    options = {"clock": lambda: sum(waits), "sleep": waits.append, **options}
    return FeedClient(base_url=base_url, **options), waits


def sweep_of(base_url: str, tiling: Tiling, **options: Any) -> Sweep:
    return sweep(patient_client(base_url, **options)[0], tiling, source="simulated")


def fetched_share(server: SimulatorServer, result: Sweep, instant_s: int) -> float:
    """Return the share of the aircraft truly there that the sweep has."""
    assert isinstance(server.world, SimulatedWorld)
    there = {flight.flight_id for flight in server.world.truth(instant_s)}
    found = {observation.flight_id for observation in result.observations}
    assert len(there) > 10_000
    return len(found & there) / len(there)


def test_a_sweep_fetches_the_world_in_few_requests_the_first_time_and_later(
    server: SimulatorServer, base_url: str
) -> None:
    requests_before = server.request_count
    first = sweep_of(base_url, first_tiling())
    tell(base_url, "clock", {"now": LATER})
    later = sweep_of(base_url, first.tiling)
    for result, instant_s in ((first, INSTANT), (later, LATER)):
        poll = result.poll
        assert fetched_share(server, result, instant_s) >= 0.999
        assert poll.request_count <= 80
        ids = [observation.flight_id for observation in result.observations]
        assert len(ids) == len(set(ids)) == poll.observation_count == poll.full_count
        assert (poll.started_at, poll.ended_at) == (instant_s, instant_s)
        assert poll.saturated_tile_ids == poll.failed_tile_ids == []
    both = first.poll.request_count + later.poll.request_count
    assert server.request_count - requests_before == both


def test_a_sky_that_moves_under_the_sweep_gives_each_flight_once(
    server: SimulatorServer, base_url: str
) -> None:
    tell(base_url, "clock", {"now": None})
    result = sweep_of(base_url, first_tiling())
    assert fetched_share(server, result, result.poll.ended_at) >= 0.999
    ids = [observation.flight_id for observation in result.observations]
    assert len(ids) == len(set(ids))
    assert result.poll.started_at <= result.poll.ended_at
    assert all(o.observed_at <= result.poll.ended_at for o in result.observations)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("too_many_requests", "HTTP 429, Retry-After 7 s: too many requests"),
        ("server_error", "HTTP 500"),
        ("unknown_error", "HTTP 520: Cloudflare blocks us"),
        ("blocked", "HTTP 403: Cloudflare blocks us"),
        ("html", "not the JSON of the feed"),
        ("truncated", "not the JSON of the feed"),
    ],
)
def test_a_fault_that_passes_costs_nothing_and_one_that_stays_is_said(
    base_url: str, kind: str, said: str
) -> None:
    client, waits = patient_client(base_url)
    spoil(base_url, kind, next=2, retry_after_s=7)
    assert len(client.tile("02").rows) > 0
    assert len(waits) == 2
    assert min(waits) >= (7 if kind == "too_many_requests" else 0)
    spoil(base_url, kind, probability=1, retry_after_s=7)
    with pytest.raises(FeedError, match=f"no poll: tile 0[0-3]: .*{said}"):
        sweep_of(base_url, QUARTERS)


def test_a_refusal_is_final_for_the_sweep(server: SimulatorServer, base_url: str) -> None:
    spoil(base_url, "forbidden", next=1)
    requests_before = server.request_count
    with pytest.raises(FeedError, match="no poll: tile 00: HTTP 403: the source refuses us"):
        sweep_of(base_url, QUARTERS)
    assert server.request_count == requests_before + 1


def test_an_answer_that_does_not_come_is_said(base_url: str) -> None:
    spoil(base_url, "slow", probability=1, delay_s=1)
    client, _ = patient_client(base_url, timeout_s=0.2)
    with pytest.raises(FeedError, match="tile 02: no answer in time"):
        client.tile("02")


def test_a_source_that_is_not_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(FeedError, match="the source cannot be reached; check the network and FEED"):
        sweep_of(f"http://127.0.0.1:{port}", QUARTERS)


def test_empty_answers_are_asked_again_and_never_taken_for_an_empty_sky(base_url: str) -> None:
    client, _ = patient_client(base_url)
    spoil(base_url, "empty", next=2)
    assert len(client.tile("02").rows) > 0
    assert client.request_count == 3
    spoil(base_url, "empty", next=5)
    poll = sweep_of(base_url, QUARTERS).poll
    assert poll.failed_tile_ids == ["00"]
    assert 0 < poll.observation_count < poll.full_count


def test_a_sky_that_is_empty_is_no_failure(base_url: str) -> None:
    client, _ = patient_client(base_url)
    south_pole = "0222"  # south of 67.5 degrees, from 180 to 135 west
    assert client.tile(south_pole).rows == {}
    assert client.request_count == 5
    assert client.tile(south_pole, trusts_empty=True).rows == {}
    assert client.request_count == 6


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("short_rows", "row has 7 slots, the feed has 19"),
        ("wrong_types", "$.altitude_ft"),
        ("off_the_globe", "$.lat_deg"),
    ],
)
def test_rows_that_are_none_are_published_with_their_reason(
    server: SimulatorServer, base_url: str, kind: str, said: str
) -> None:
    spoil(base_url, kind, probability=1, share=0.1)
    result = sweep_of(base_url, first_tiling())
    poll = result.poll
    assert poll.refused_count == len(result.refused) > 1_000
    ids = {record.flight_id for record in (*result.observations, *result.refused)}
    assert len(ids) == poll.full_count
    assert all(said in refused.refused for refused in result.refused)


def test_a_sweep_past_its_budget_publishes_what_it_has_and_says_so(base_url: str) -> None:
    result = sweep_of(base_url, first_tiling(), requests_per_minute=12)
    poll = result.poll
    assert poll.request_count == 12
    assert 0 < poll.observation_count < poll.full_count
    assert len(poll.failed_tile_ids) == poll.tile_count - 12 + split_count(result)
    assert set(poll.failed_tile_ids) <= set(result.tiling.counts)


def split_count(result: Sweep) -> int:
    """Return how many tiles the sweep split: each makes one leaf four."""
    return (result.poll.tile_count - len(first_tiling().tile_ids)) // 3


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures of the feed beside the repository")
def test_every_row_of_a_capture_comes_through_at_the_instant_of_its_file() -> None:
    paths = sorted(CAPTURES.glob("salemhaddadbecha__flights_*.csv.gz"))[:2]
    world = RecordedWorld(paths)
    with SimulatorServer(world) as server:
        tiling = first_tiling()
        for snapshot in world.snapshots:
            result = sweep(FeedClient(base_url=server.base_url), tiling, source="recorded")
            poll, tiling = result.poll, result.tiling
            assert {o.flight_id for o in result.observations} == set(snapshot.flight_ids)
            assert poll.refused_count == 0
            assert (poll.started_at, poll.ended_at) == (snapshot.instant_s, snapshot.instant_s)
            assert poll.request_count <= 80
            world.advance()


def test_references_come_through_the_client(base_url: str) -> None:
    client, _ = patient_client(base_url)
    assert len(client.airports()) > 1_000
    assert {"Name", "ICAO"} <= client.airlines()[0].keys()
    assert client.request_count == 2
