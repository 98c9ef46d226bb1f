"""Polls, one or for ever: client, remembered tree and producer put together."""

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flight_assets.brokers import security_options
from flight_assets.core.polls import Poll
from flight_assets.core.tiling import Tiling, first_tiling
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.client import FeedClient
from flight_assets.feed.poller import SWEEP_LIMIT_S, sweep
from flight_assets.feed.producer import PollProducer
from flight_assets.feed.topics import ensure_topics
from flight_assets.settings import Settings

if TYPE_CHECKING:
    from flight_assets.feed.metrics import PollMetrics

log = logging.getLogger(__name__)


def poll_once(
    settings: Settings,
    *,
    client: FeedClient | None = None,
    limit_s: float = SWEEP_LIMIT_S,
    metrics: "PollMetrics | None" = None,
) -> Poll:
    """Sweep the world once, publish it, remember the tree; return the poll as published.

    Without a ``client`` a new one is made, with a new minute's budget. Raises
    ``FlightAssetsError`` where the source or Kafka fails.
    """
    bootstrap_servers = settings.kafka_bootstrap_servers
    if bootstrap_servers is None:
        raise FlightAssetsError(
            "KAFKA_BOOTSTRAP_SERVERS is not set; start the local stack (flight-assets up) or name "
            "your brokers"
        )
    security = security_options(settings)
    ensure_topics(bootstrap_servers, security)
    tiles_path = tiles_path_of(settings)
    swept = sweep(
        client or FeedClient.from_settings(settings),
        remembered_tiling(tiles_path),
        source=settings.feed_source,
        limit_s=limit_s,
    )
    producer = PollProducer(bootstrap_servers, security=security)
    if metrics is not None:
        metrics.watch(producer)
    producer.publish(swept)
    remember_tiling(tiles_path, swept.tiling)
    return swept.poll


def poll_forever(
    settings: Settings,
    every_s: float,
    *,
    on_poll: Callable[[Poll], None] | None = None,
    stop: threading.Event | None = None,
    serve_metrics: "Callable[[PollMetrics], None] | None" = None,
) -> int:
    """Poll in a steady rhythm until SIGTERM, SIGINT or ``stop``; return how many polls were done.

    A poll under way is finished first. A failed poll is one line in the log, and the next one
    goes on. A poll that takes longer than ``every_s`` costs the ticks that it misses, which are
    counted, and never shifts the others. ``serve_metrics`` is given the metrics once, before the
    first poll.
    """
    client = FeedClient.from_settings(settings)
    metrics = None
    if serve_metrics is not None:
        from flight_assets.feed.metrics import PollMetrics

        metrics = PollMetrics(client)
        serve_metrics(metrics)
    limit_s = min(SWEEP_LIMIT_S, max(every_s * 0.8, 5.0))
    poll_count = 0
    with _stopped_by_signals(stop or threading.Event()) as stopped:
        for _ in ticks(every_s, stopped):
            began_at = time.monotonic()
            try:
                poll = poll_once(settings, client=client, limit_s=limit_s, metrics=metrics)
            except FlightAssetsError as error:
                log.error("%s", error)
                if metrics is not None:
                    metrics.failed(error, duration_s=time.monotonic() - began_at)
                continue
            if metrics is not None:
                metrics.published(poll, duration_s=time.monotonic() - began_at)
            poll_count += 1
            log.info("%s", line_of(poll))
            if on_poll is not None:
                on_poll(poll)
    return poll_count


def ticks(
    every_s: float,
    stopped: threading.Event,
    *,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], bool] | None = None,
) -> Iterator[int]:
    """Yield the number of each tick at its time, the first at once, until ``stopped`` is set.

    Ticks lie ``every_s`` apart from the first. One that passed while its predecessor was at work
    is skipped, and a line says so. ``wait`` waits so many seconds, or less if ``stopped`` is set.
    """
    began_at, tick = clock(), 0
    while not stopped.is_set():
        yield tick
        next_tick = max(tick + 1, int((clock() - began_at) // every_s) + 1)
        if next_tick > tick + 1:
            log.warning("the poll took longer than %g s: %d skipped", every_s, next_tick - tick - 1)
        tick = next_tick
        (wait or stopped.wait)(max(0.0, began_at + tick * every_s - clock()))


@contextmanager
def _stopped_by_signals(stopped: threading.Event) -> Iterator[threading.Event]:
    """Give the event, set by SIGTERM and SIGINT while the block runs in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = {
        number: signal.signal(number, lambda *_: stopped.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def line_of(poll: Poll) -> str:
    """Return one line about a poll for a person."""
    coverage = f"{100 * poll.observation_count / poll.full_count:.1f} %" if poll.full_count else "?"
    gaps = len(poll.saturated_tile_ids) + len(poll.failed_tile_ids)
    return (
        f"poll {poll.poll_id}: {poll.observation_count} aircraft, coverage {coverage}, "
        f"{poll.request_count} requests, {poll.tile_count} tiles"
        + (f", {gaps} of them incomplete" if gaps else "")
        + (f", {poll.refused_count} rows refused" if poll.refused_count else "")
    )


def tiles_path_of(settings: Settings) -> Path:
    """Return where the tree is remembered; each source has its own, their skies differ."""
    return settings.home / f"tiles-{settings.feed_source}.json"


def remembered_tiling(path: Path) -> Tiling:
    """Return the tree of the last sweep, or the first one where none is remembered or readable."""
    try:
        return Tiling.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return first_tiling()
    except ValueError as error:
        log.warning("%s: %s; the tree begins anew", path, error)
        return first_tiling()


def remember_tiling(path: Path, tiling: Tiling) -> None:
    """Keep the tree for the next sweep; a reader never sees half of it.

    Several pollers may keep theirs in one place: the last one stays. In containers all of them may
    have the same process and thread.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{socket.gethostname()}-{threading.get_native_id()}")
    draft.write_text(tiling.to_json(), encoding="utf-8")
    draft.replace(path)
