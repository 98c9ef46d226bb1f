"""Measure a poll: from the first question to the last acknowledgement, beside its bare parts.

``python -m benchmarks.polling`` starts a stack and a simulator of its own, in a process of its own,
and takes them away again. A poll sweeps the whole simulated sky and publishes it. The bare parts
ask for the same tiles over HTTP and drop the bytes, and send messages that are ready to the same
topic: what the source and the broker take, whoever asks. Both take turns.
"""

import argparse
import logging
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from confluent_kafka import Producer
from rich.console import Console
from rich.table import Table

from benchmarks.figures import keep
from benchmarks.line import own_line
from flight_assets.core.observations import POSITIONS_TOPIC, encode
from flight_assets.core.tiling import bounds_of
from flight_assets.feed.client import FeedClient
from flight_assets.feed.poller import Sweep, sweep
from flight_assets.feed.producer import PollProducer
from flight_assets.feed.rhythm import remember_tiling, remembered_tiling, tiles_path_of
from flight_assets.feed.topics import ensure_topics
from flight_assets.local.endpoints import Endpoints
from flight_assets.local.processes import free_port, is_free, spawn, stop, wait_until
from flight_assets.settings import Settings
from flight_assets.simulator.handler import FEED_PATH

BUDGET = 10_000  # requests a minute: the simulator is ours
console = Console()


@contextmanager
def own_simulator(found: Endpoints) -> Iterator[str]:
    """Yield the address of a simulator in a process of its own; stop it afterwards."""
    port = free_port()
    command = [sys.executable, "-m", "flight_assets.cli", "simulate", "--port", str(port)]
    process = spawn(command, log=found.home / "simulator.log", env=dict(os.environ))
    try:
        if not wait_until(lambda: not is_free(port), timeout_s=60):
            raise SystemExit("the simulator does not answer")
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(process)


def poll(settings: Settings, client: FeedClient) -> tuple[Sweep, float, float]:
    """Poll once as the poller does; return what was found, and the seconds of asking and of
    publishing.
    """
    begin = time.perf_counter()
    tiles = tiles_path_of(settings)
    found = sweep(client, remembered_tiling(tiles), source="simulated")
    asked_s = time.perf_counter() - begin
    servers = str(settings.kafka_bootstrap_servers)
    ensure_topics(servers)
    PollProducer(servers).publish(found)
    remember_tiling(tiles, found.tiling)
    return found, asked_s, time.perf_counter() - begin - asked_s


def ask_bare(base_url: str, tile_ids: Sequence[str]) -> float:
    """Return the seconds that the same tiles take over HTTP where the answers are dropped."""
    begin = time.perf_counter()
    with requests.Session() as session:
        for tile_id in tile_ids:
            at = bounds_of(tile_id)
            bounds = f"{at.north_deg},{at.south_deg},{at.west_deg},{at.east_deg}"
            session.get(base_url + FEED_PATH, params={"bounds": bounds}, timeout=20).content  # noqa: B018
    return time.perf_counter() - begin


def publish_bare(servers: str, found: Sweep) -> float:
    """Return the seconds until as many messages that are ready are acknowledged."""
    ready = [(each.flight_id, encode(each)) for each in found.observations]
    begin = time.perf_counter()
    producer = Producer({"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True})
    for key, value in ready:
        producer.produce(POSITIONS_TOPIC, value, key)
    if producer.flush(60):
        raise SystemExit("not every message was acknowledged; is the broker well?")
    return time.perf_counter() - begin


def measure(*, polls: int) -> dict[str, Any]:
    """Return the medians of polls and of their bare parts, in turns."""
    took: dict[str, list[float]] = {"ask": [], "publish": [], "bare_ask": [], "bare_publish": []}
    with own_line() as endpoints, own_simulator(endpoints) as base_url:
        own = {"feed_base_url": base_url, "feed_requests_per_minute": BUDGET}
        settings = Settings().model_copy(update=own)
        client = FeedClient.from_settings(settings)
        found, *_ = poll(settings, client)  # the first one finds the tree of tiles
        for _ in range(polls):
            found, asked_s, published_s = poll(settings, client)
            took["ask"].append(asked_s)
            took["publish"].append(published_s)
            took["bare_ask"].append(ask_bare(base_url, found.tiling.tile_ids))
            took["bare_publish"].append(publish_bare(endpoints.kafka_bootstrap_servers, found))
    medians = {f"{name}_s": round(statistics.median(took[name]), 3) for name in took}
    return {
        "polls": polls,
        "observations": len(found.observations),
        "requests": found.poll.request_count,
        **medians,
        "ask_over_bare": round(medians["ask_s"] / medians["bare_ask_s"], 2),
        "publish_over_bare": round(medians["publish_s"] / medians["bare_publish_s"], 2),
    }


def show(figures: dict[str, Any]) -> None:
    """Print the figures as a table."""
    table = Table(
        title=f"A poll of {figures['observations']:,} aircraft, {figures['requests']} requests"
    )
    for name in ("", "poll", "bare", "ratio"):
        table.add_column(name, justify="right" if name else "left")
    for name, text in (
        ("ask", "asking the source, reading its rows"),
        ("publish", "publishing, acknowledged by all"),
    ):
        seconds = (f"{figures[f'{name}_s']:.2f} s", f"{figures[f'bare_{name}_s']:.2f} s")
        table.add_row(text, *seconds, f"{figures[f'{name}_over_bare']}")
    console.print(table)


def main() -> None:
    """Run the benchmark and write its figures to a file."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks.polling")
    parser.add_argument("--polls", type=int, default=10)
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    figures = measure(polls=arguments.polls)
    show(figures)
    keep("polling", figures)


if __name__ == "__main__":
    main()
