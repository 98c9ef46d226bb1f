"""`flight-assets demo`: from nothing to answers on the screen, and what to do next."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from flight_assets.commands import report
from flight_assets.commands.builtin import accept_new_cluster
from flight_assets.feed.client import FeedClient
from flight_assets.feed.rhythm import poll_once
from flight_assets.local import stack
from flight_assets.settings import Settings
from flight_assets.simulator.recorded import RecordedWorld
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld
from flight_assets.warehouse.answers import answered_hours, iso_hour
from flight_assets.warehouse.connection import connect, conninfo

if TYPE_CHECKING:
    from flight_assets.commands.line import RunResult
    from flight_assets.core.polls import Poll

World = SimulatedWorld | RecordedWorld

SEED = 20250720
# When the simulated sweeps happen, from the start of the current hour: three in two hours.
SWEEPS = (timedelta(minutes=-70), timedelta(minutes=-62), timedelta(minutes=-52))
REQUESTS_PER_MINUTE = 1_000  # of our own simulator; the live feed keeps its budget


class Demo:
    """One demo: steps with their times, the polls it made and the runs over them."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.timings: list[tuple[str, float]] = []
        self.polls: list[Poll] = []
        self.runs: list[RunResult] = []

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show a step while it works, then how long it took."""
        began_at = time.monotonic()
        with self.console.status(f"{text} …"):
            yield
        self.timings.append((text, time.monotonic() - began_at))
        self.console.print(f"[green]✓[/] {text} [dim]{self.timings[-1][1]:.1f} s[/]")

    def poll(self, settings: Settings, client: FeedClient, text: str) -> None:
        """Sweep the world once and publish it."""
        with self.step(text):
            self.polls.append(poll_once(settings, client=client))

    def run_the_line(self) -> None:
        """Materialise everything through Dagster: references, bronze, silver, gold, checks."""
        import dagster as dg

        from flight_assets.commands.line import build_references, land_and_answer

        with dg.DagsterInstance.get() as instance:
            with self.step("references: airports, airlines, aircraft types"):
                self.runs.append(build_references(instance))
            with self.step("landing, silver and gold, with their checks"):
                self.runs.extend(land_and_answer(instance))


def demonstrate(
    console: Console,
    settings: Settings,
    *,
    recorded: Sequence[Path] = (),
    live: bool = False,
    keep: bool = False,
) -> None:
    """Run the whole line once and print what it answers.

    Leaves no process behind, except the stack where ``keep`` is set or it was up before. Raises
    ``FlightAssetsError`` with what failed; what had landed by then stays.
    """
    world = None if live else RecordedWorld(recorded) if recorded else SimulatedWorld(SEED)
    was_up = stack.is_up(settings)
    log = settings.home / "logs" / "demo.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    show = Demo(console)
    try:
        with show.step("the stack: Postgres and Kafka"):
            endpoints = stack.up(settings, say=console.print)
            os.environ.update(endpoints.environment())
            accept_new_cluster(endpoints)
        with log.open("a", buffering=1) as quiet:
            _poll_and_run(show, quiet, world)
        hour = _report(show, Settings())
    finally:
        if not keep and not was_up:
            with console.status("stopping the stack …"):
                stack.down(settings)
    report.print_what_next(console, hour=hour, home=str(settings.home), is_running=keep or was_up)


def _poll_and_run(show: Demo, quiet: Any, world: World | None) -> None:
    """Poll the chosen source and run the line; what the libraries print goes to the log."""
    logging.basicConfig(stream=quiet, level=logging.INFO, force=True)
    with redirect_stdout(quiet), redirect_stderr(quiet), _feed(world) as poll_all:
        poll_all(show)
        show.run_the_line()


@contextmanager
def _feed(world: World | None) -> Iterator[Callable[[Demo], None]]:
    """Give what polls the chosen source: a simulated or recorded world, FlightRadar24 without."""
    if world is None:
        settings = Settings(feed_source="live")
        yield lambda show: show.poll(
            settings, FeedClient.from_settings(settings), "one sweep of the live world"
        )
        return
    with SimulatorServer(world) as server:
        os.environ |= {
            "FEED_BASE_URL": server.base_url,
            "FEED_SOURCE": world.kind,
            "FEED_REQUESTS_PER_MINUTE": str(REQUESTS_PER_MINUTE),
        }
        settings = Settings()
        client = FeedClient.from_settings(settings)
        if isinstance(world, RecordedWorld):
            yield lambda show: _poll_recorded(show, world, settings, client)
        else:
            yield lambda show: _poll_simulated(show, world, settings, client)


def _poll_simulated(
    show: Demo, world: SimulatedWorld, settings: Settings, client: FeedClient
) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for number, offset in enumerate(SWEEPS, start=1):
        instant = hour + offset
        world.frozen_at_s = int(instant.timestamp())
        show.poll(
            settings, client, f"sweep {number} of {len(SWEEPS)}, {instant:%Y-%m-%d %H:%M} UTC"
        )


def _poll_recorded(
    show: Demo, world: RecordedWorld, settings: Settings, client: FeedClient
) -> None:
    for number in range(1, len(world.snapshots) + 1):
        instant = datetime.fromtimestamp(world.now(), UTC)
        text = f"capture {number} of {len(world.snapshots)}, {instant:%Y-%m-%d %H:%M:%S} UTC"
        show.poll(settings, client, text)
        world.advance()


def _report(show: Demo, settings: Settings) -> str:
    """Print everything; return the newest hour of this demo, as ``--as-of`` takes it."""
    began = {
        datetime.fromtimestamp(poll.started_at, UTC).replace(minute=0, second=0)
        for poll in show.polls
    }
    console = show.console
    with connect(conninfo(settings), read_only=True) as connection:
        hours = [hour for hour in answered_hours(connection) if hour in began]
        report.print_answers_of(console, connection, hours)
        console.rule("How it was made", align="left")
        report.print_polls(console, show.polls)
        report.print_counts(console, connection)
    report.print_checks(console, show.runs)
    report.print_timings(console, show.timings)
    return iso_hour(max(began))[:13]
