"""The poller's metrics for Prometheus, and the endpoint that serves them.

What this process does is counted here as it happens. How the line is, which is found out by asking
servers, comes in from outside as ``Figures`` and is asked for beside the scrape: a server that
hangs costs a scrape at most ``PATIENCE_S``, and a poll nothing.
"""

import threading
import time
from collections.abc import Callable, Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from flight_assets.core.polls import Poll
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.client import FeedClient
from flight_assets.feed.failures import FeedError
from flight_assets.feed.producer import PollProducer

Figures = Callable[[], Iterable[Metric]]

DURATION_BUCKETS_S = (1, 2, 5, 10, 15, 20, 30, 45, 60, 120)
PATIENCE_S = 2.0  # what a scrape waits for fresh figures of the line
FRESH_FOR_S = 10.0
KEEP_FOR_S = 120.0  # older figures are not shown: none at all says more


class PollMetrics:
    """Counts what a poller does. Methods are called by the poller, from one thread."""

    def __init__(self, client: FeedClient) -> None:
        disable_created_metrics()  # when a counter began is of no use to anybody here
        self.registry = CollectorRegistry()
        self._producer: PollProducer | None = None
        self._polls = self._counter("polls", "Polls by how they ended.", ["outcome"])
        for outcome in ("published", "feed_failed", "publish_failed"):
            self._polls.labels(outcome)
        self._duration = Histogram(
            "flight_assets_poll_duration_seconds",
            "From a poll's first question to its last acknowledgement, failed polls too.",
            buckets=DURATION_BUCKETS_S,
            registry=self.registry,
        )
        self._observed = self._counter("observations", "Observations published.")
        self._refused = self._counter("refused_rows", "Rows published to be rejected by name.")
        self._observations = self._gauge("poll_observations", "Observations of the last poll.")
        self._coverage = self._gauge(
            "poll_coverage_ratio",
            "Observations of the last poll by the source's own count, 0 to 1.",
        )
        self._coverage.set(float("nan"))  # no poll yet is no poor one
        self._tiles = self._gauge("poll_tiles", "Tiles of the last poll, by state.", ["state"])
        self._last = self._gauge(
            "last_poll_timestamp_seconds", "When the last poll was published, Unix time."
        )
        self._acknowledged = self._counter(
            "messages_acknowledged", "Messages that Kafka has acknowledged.", ["topic"]
        )
        self._unacknowledged = self._counter(
            "messages_unacknowledged",
            "Messages given up before Kafka acknowledged them.",
            ["topic"],
        )
        queued = self._gauge("messages_queued", "Messages that wait for Kafka in the poller.")
        queued.set_function(lambda: self._producer.queued_count if self._producer else 0)
        self.registry.register(RequestCollector(client))

    def _counter(self, name: str, says: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(f"flight_assets_{name}", says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(f"flight_assets_{name}", says, labels, registry=self.registry)

    def watch(self, producer: PollProducer) -> None:
        """Show the queue of this producer from now on, and count what it delivers."""
        self._producer = producer
        producer.on_delivered = self._delivered

    def _delivered(self, topic: str, acknowledged: int, unacknowledged: int) -> None:
        self._acknowledged.labels(topic).inc(acknowledged)
        self._unacknowledged.labels(topic).inc(unacknowledged)

    def published(self, poll: Poll, *, duration_s: float) -> None:
        """Count a poll that was published."""
        self._polls.labels("published").inc()
        self._duration.observe(duration_s)
        self._observed.inc(poll.observation_count)
        self._refused.inc(poll.refused_count)
        self._observations.set(poll.observation_count)
        self._coverage.set(
            poll.observation_count / poll.full_count if poll.full_count else float("nan")
        )
        self._tiles.labels("all").set(poll.tile_count)
        self._tiles.labels("saturated").set(len(poll.saturated_tile_ids))
        self._tiles.labels("failed").set(len(poll.failed_tile_ids))
        self._last.set_to_current_time()

    def failed(self, error: FlightAssetsError, *, duration_s: float) -> None:
        """Count a poll that came to nothing."""
        outcome = "feed_failed" if isinstance(error, FeedError) else "publish_failed"
        self._polls.labels(outcome).inc()
        self._duration.observe(duration_s)


class RequestCollector(Collector):
    """The client's requests by outcome, read when they are asked for."""

    def __init__(self, client: FeedClient) -> None:
        self._client = client

    def collect(self) -> Iterable[Metric]:
        """Return the one family."""
        requests = CounterMetricFamily(
            "flight_assets_feed_requests", "Requests to the source, by outcome.", labels=["outcome"]
        )
        for outcome, count in sorted(self._client.request_outcomes.items()):
            requests.add_metric([outcome], count)
        yield requests


class LineCollector(Collector):
    """How the line is: figures found out beside the scrape, at most one question at a time."""

    def __init__(
        self,
        figures: Figures,
        *,
        patience_s: float = PATIENCE_S,
        fresh_for_s: float = FRESH_FOR_S,
        keep_for_s: float = KEEP_FOR_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._figures, self._clock = figures, clock
        self._patience_s, self._fresh_for_s, self._keep_for_s = patience_s, fresh_for_s, keep_for_s
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._found: tuple[float, list[Metric]] | None = None

    def describe(self) -> Iterable[Metric]:
        """Return nothing: registering must not ask anything."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the newest figures, asking first where they are no longer fresh."""
        asking = self._ask()
        if asking is not None:
            asking.join(self._patience_s)
        found = self._found
        if found is None or self._clock() - found[0] > self._keep_for_s:
            return []
        return found[1]

    def _ask(self) -> threading.Thread | None:
        """Return the thread that asks, a new one unless figures are fresh or one is at it."""
        with self._lock:
            if self._asking is not None and self._asking.is_alive():
                return self._asking
            if self._found is not None and self._clock() - self._found[0] < self._fresh_for_s:
                return None
            self._asking = threading.Thread(target=self._find_out, daemon=True, name="figures")
            self._asking.start()
            return self._asking

    def _find_out(self) -> None:
        self._found = (self._clock(), list(self._figures()))


def serve(metrics: PollMetrics, figures: Figures, *, host: str, port: int) -> None:
    """Serve the metrics at ``http://host:port/metrics`` until this process ends.

    Raises ``FlightAssetsError`` where the address cannot be taken.
    """
    metrics.registry.register(LineCollector(figures))
    try:
        start_http_server(port, addr=host, registry=metrics.registry)
    except OSError as error:
        raise FlightAssetsError(
            f"metrics cannot be served at {host}:{port} ({error.strerror}): choose another "
            "POLLER_METRICS_PORT or POLLER_METRICS_HOST"
        ) from error
