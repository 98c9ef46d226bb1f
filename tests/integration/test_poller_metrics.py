"""The metrics of a real poller over a real line, as Prometheus fetches them."""

import threading
import urllib.request
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flight_assets.commands.feed import metrics_server
from flight_assets.core.polls import Poll
from flight_assets.feed.rhythm import poll_forever
from flight_assets.local.processes import free_port
from flight_assets.settings import Settings
from flight_assets.simulator.faults import Fault, FaultPlan
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld

pytestmark = pytest.mark.integration


def scrape(settings: Settings) -> dict[tuple[str, ...], float]:
    """Return the samples by name and values of their labels."""
    url = f"http://127.0.0.1:{settings.poller_metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        text = answer.read().decode()
    return {
        (sample.name.removeprefix("flight_assets_"), *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def polled(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Settings]:
    """Poll once with a fault on the way, and leave the endpoint up."""

    def poll() -> Settings:
        monkeypatch.setenv("POLLER_METRICS_PORT", str(free_port()))
        monkeypatch.setenv("FEED_SOURCE", "simulated")
        monkeypatch.setenv("FEED_REQUESTS_PER_MINUTE", "1000")
        with SimulatorServer(SimulatedWorld(3)) as server:
            server.plan = FaultPlan([Fault("server_error", next=1)])
            monkeypatch.setenv("FEED_BASE_URL", server.base_url)
            own, stop = Settings(_env_file=None), threading.Event()

            def end(_: Poll) -> None:
                stop.set()

            poll_forever(own, 60, on_poll=end, stop=stop, serve_metrics=metrics_server(own))
        return own

    return poll


def test_a_poll_and_the_line_are_in_one_scrape(polled: Callable[[], Settings]):
    found = scrape(polled())
    assert found["polls_total", "published"] == 1
    assert found["feed_requests_total", "http_500"] == 1
    assert found["feed_requests_total", "answered"] > 10
    observations = found["poll_observations",]
    assert observations > 10_000
    assert found["messages_acknowledged_total", "flights.positions"] >= observations
    assert found["messages_acknowledged_total", "flights.polls"] == 1
    assert found["messages_queued",] == 0
    assert 0.98 < found["poll_coverage_ratio",] <= 1.01
    lag = sum(value for key, value in found.items() if key[0] == "topic_lag_messages")
    assert lag > observations, "nothing has landed"
    assert found["rejected_messages_last_day", "all"] == 0
    assert found["unknown", "layers"] == 1, "Dagster has not run here"
    assert found["disk_bytes", "database"] > 0


def test_without_a_port_nothing_is_served(settings: Settings):
    assert metrics_server(settings) is None
