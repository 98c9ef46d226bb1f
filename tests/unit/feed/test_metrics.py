"""The poller's metrics: what is counted, and that a scrape waits for nobody."""

import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from prometheus_client.core import GaugeMetricFamily, Metric

from flight_assets.core.polls import Poll
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.client import FeedClient
from flight_assets.feed.failures import FeedError
from flight_assets.feed.metrics import LineCollector, PollMetrics, serve
from flight_assets.simulator.faults import Fault, FaultPlan
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld

POLL = Poll(
    poll_id="20250720T082010Z-1f3a5c",
    source="recorded",
    started_at=1752999610,
    ended_at=1752999610,
    observation_count=1485,
    refused_count=2,
    duplicate_count=3,
    full_count=1500,
    request_count=7,
    tile_count=4,
    saturated_tile_ids=["02"],
    failed_tile_ids=["03", "01"],
)


@pytest.fixture
def metrics() -> PollMetrics:
    return PollMetrics(FeedClient())


def value(metrics: PollMetrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"flight_assets_{name}", labels)


def test_polls_are_counted_by_how_they_ended(metrics: PollMetrics):
    metrics.published(POLL, duration_s=4)
    metrics.failed(FeedError("tile 0: no answer in time"), duration_s=20)
    metrics.failed(FlightAssetsError("Kafka does not answer"), duration_s=60)
    assert value(metrics, "polls_total", outcome="published") == 1
    assert value(metrics, "polls_total", outcome="feed_failed") == 1
    assert value(metrics, "polls_total", outcome="publish_failed") == 1
    assert value(metrics, "poll_duration_seconds_count") == 3
    assert value(metrics, "poll_duration_seconds_sum") == 84


def test_the_last_poll_tells_its_observations_coverage_and_tiles(metrics: PollMetrics):
    assert value(metrics, "poll_coverage_ratio") != 0, "no poll yet is no poor one"
    metrics.published(POLL, duration_s=4)
    metrics.published(POLL, duration_s=4)
    assert value(metrics, "poll_observations") == 1485
    assert value(metrics, "observations_total") == 2970
    assert value(metrics, "refused_rows_total") == 4
    assert value(metrics, "poll_coverage_ratio") == 0.99
    assert value(metrics, "poll_tiles", state="saturated") == 1
    assert value(metrics, "poll_tiles", state="failed") == 2
    assert value(metrics, "last_poll_timestamp_seconds") > 1_700_000_000


def test_messages_are_counted_by_topic_and_the_queue_is_shown(metrics: PollMetrics):
    producer = SimpleNamespace(queued_count=12, on_delivered=None)
    assert value(metrics, "messages_queued") == 0
    metrics.watch(producer)
    producer.on_delivered("flights.positions", 90, 10)
    assert value(metrics, "messages_queued") == 12
    assert value(metrics, "messages_acknowledged_total", topic="flights.positions") == 90
    assert value(metrics, "messages_unacknowledged_total", topic="flights.positions") == 10


def test_requests_are_counted_by_outcome():
    with SimulatorServer(SimulatedWorld(3)) as server:
        server.plan = FaultPlan([Fault("server_error", next=1), Fault("truncated", next=1)])
        client = FeedClient(base_url=server.base_url, sleep=lambda _: None)
        metrics = PollMetrics(client)
        client.tile("000")
    assert value(metrics, "feed_requests_total", outcome="http_500") == 1
    assert value(metrics, "feed_requests_total", outcome="unreadable") == 1
    assert value(metrics, "feed_requests_total", outcome="answered") == 1


def figures(at: float) -> Iterator[Metric]:
    family = GaugeMetricFamily("flight_assets_report_timestamp_seconds", "When.")
    family.add_metric([], at)
    yield family


def shown(collector: LineCollector) -> list[float]:
    return [sample.value for metric in collector.collect() for sample in metric.samples]


def test_figures_are_asked_for_again_only_when_they_are_no_longer_fresh():
    now, asked = [100.0], []

    def ask() -> Iterator[Metric]:
        asked.append(now[0])
        return figures(now[0])

    collector = LineCollector(ask, patience_s=30, fresh_for_s=10, clock=lambda: now[0])
    assert shown(collector) == [100]
    now[0] = 109
    assert shown(collector) == [100]
    now[0] = 110
    assert shown(collector) == [110]
    assert asked == [100, 110]


def test_a_server_that_hangs_keeps_no_scrape_and_is_asked_by_one_thread():
    now, may_answer, asked = [100.0], threading.Event(), []

    def ask() -> Iterator[Metric]:
        asked.append(now[0])
        may_answer.wait(60)
        return figures(now[0])

    collector = LineCollector(ask, patience_s=0.01, keep_for_s=120, clock=lambda: now[0])
    assert shown(collector) == []
    assert shown(collector) == []
    assert asked == [100]
    may_answer.set()
    collector._asking.join(30)
    assert shown(collector) == [100]


def test_figures_that_have_become_old_are_not_shown():
    now, may_answer = [100.0], threading.Event()
    may_answer.set()

    def ask() -> Iterator[Metric]:
        may_answer.wait(60)
        return figures(now[0])

    collector = LineCollector(ask, patience_s=30, keep_for_s=120, clock=lambda: now[0])
    assert shown(collector) == [100]
    may_answer.clear()
    collector._patience_s = 0.01
    now[0] = 220
    assert shown(collector) == [100]
    now[0] = 221
    assert shown(collector) == []
    may_answer.set()


def test_a_taken_port_is_said_with_the_setting(metrics: PollMetrics):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FlightAssetsError, match="POLLER_METRICS_PORT"):
            serve(metrics, lambda: [], host="127.0.0.1", port=port)
