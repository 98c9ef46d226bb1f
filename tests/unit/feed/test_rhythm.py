"""The rhythm of polls, and the tree that is remembered between them."""

import logging
import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from flight_assets.core.polls import Poll
from flight_assets.core.tiling import Tiling, first_tiling
from flight_assets.errors import FlightAssetsError
from flight_assets.feed import rhythm
from flight_assets.feed.rhythm import (
    line_of,
    poll_forever,
    poll_once,
    remember_tiling,
    remembered_tiling,
    ticks,
    tiles_path_of,
)
from flight_assets.settings import Settings

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
    failed_tile_ids=["03"],
)


class Clock:
    """A clock that waiting moves, exactly."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False


def test_ticks_keep_their_rhythm_however_long_a_poll_takes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, at = Clock(), []
    steps = ticks(60, threading.Event(), clock=clock, wait=clock.wait)
    for work_s in (10, 59, 61, 125, 0, 0):
        tick = next(steps)
        at.append((tick, clock.now - 1000))
        clock.now += work_s
    assert at == [(0, 0), (1, 60), (2, 120), (4, 240), (7, 420), (8, 480)]
    assert [record.args for record in caplog.records] == [(60, 1), (60, 2)]


def test_no_tick_follows_the_end() -> None:
    stopped, clock = threading.Event(), Clock()
    steps = ticks(60, stopped, clock=clock, wait=clock.wait)
    next(steps)
    stopped.set()
    assert list(steps) == []


def forever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, outcomes: list[object]) -> int:
    """Poll for ever with these outcomes of one poll; a callable is called."""

    def scripted_poll(*_: object, **__: object) -> Poll:
        outcome = outcomes.pop(0)
        if callable(outcome):
            outcome()
        if isinstance(outcome, Exception):
            raise outcome
        return POLL

    monkeypatch.setattr(rhythm, "poll_once", scripted_poll)
    return poll_forever(Settings(flight_assets_home=tmp_path, _env_file=None), 0.001)


def test_a_failed_poll_is_one_line_and_the_next_goes_on_until_sigterm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    outcomes = [
        FlightAssetsError("Kafka does not answer"),
        None,
        lambda: os.kill(os.getpid(), signal.SIGTERM),
    ]
    assert forever(monkeypatch, tmp_path, outcomes) == 2  # the poll under way was finished
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert errors == ["Kafka does not answer"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_without_brokers_the_setting_is_named(tmp_path: Path) -> None:
    settings = Settings(flight_assets_home=tmp_path, kafka_bootstrap_servers=None, _env_file=None)
    with pytest.raises(FlightAssetsError, match="KAFKA_BOOTSTRAP_SERVERS is not set"):
        poll_once(settings)


def test_the_tree_is_remembered_for_each_source(tmp_path: Path) -> None:
    path = tiles_path_of(
        Settings(flight_assets_home=tmp_path / "new", feed_source="simulated", _env_file=None)
    )
    assert remembered_tiling(path) == first_tiling()
    tiling = Tiling({"00": 1, "01": None, "02": 3, "03": 4})
    remember_tiling(path, tiling)
    assert remembered_tiling(path) == tiling
    assert [other.name for other in path.parent.iterdir()] == ["tiles-simulated.json"]


def test_a_broken_memory_is_named_and_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tiles-live.json"
    path.write_text('{"version": 1, "tiles": {"00": 1}}')
    assert remembered_tiling(path) == first_tiling()
    assert "tiles-live.json: tiles do not cover the globe; the tree begins anew" in caplog.text


def test_a_poll_in_one_line() -> None:
    assert line_of(POLL) == (
        "poll 20250720T082010Z-1f3a5c: 1485 aircraft, coverage 99.0 %, 7 requests, 4 tiles, "
        "2 of them incomplete, 2 rows refused"
    )


def test_pollers_in_containers_keep_their_trees_in_one_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts: list[Path] = []
    replace = Path.replace

    def noted(draft: Path, target: Path) -> Path:
        drafts.append(draft)
        return replace(draft, target)

    monkeypatch.setattr(Path, "replace", noted)
    monkeypatch.setattr(threading, "get_native_id", lambda: 7)
    for name in ("poller-1", "poller-2"):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        remember_tiling(tmp_path / "tiles-live.json", first_tiling())
    assert len(set(drafts)) == 2
    assert [each.name for each in tmp_path.iterdir()] == ["tiles-live.json"]
