"""`flight-assets simulate` and `poll`: the two ends of the wire to the feed."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flight_assets.errors import FlightAssetsError

if TYPE_CHECKING:
    from flight_assets.feed.metrics import PollMetrics
    from flight_assets.settings import Settings

UNITS_S = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    for command in (simulate, poll):
        app.command()(command)


def parse_duration_s(text: str) -> float:
    """Return the seconds in ``60s``, ``5m``, ``1h`` or a bare number of seconds.

    Raises ``FlightAssetsError`` for anything else, and for less than a second.

    >>> parse_duration_s("5m")
    300.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|)", text.strip())
    duration_s = float(match[1]) * UNITS_S[match[2]] if match else 0.0
    if duration_s < 1:
        raise FlightAssetsError(f"'{text}' is no duration of a second or more; write 60s or 5m.")
    return duration_s


def files_of(is_recorded: bool, files: list[Path] | None) -> list[Path]:
    """Return the recorded files; raises ``FlightAssetsError`` where they and the flag disagree."""
    if is_recorded and not files:
        raise FlightAssetsError("--recorded needs files: CSV or JSON captures, gzipped or not.")
    if files and not is_recorded:
        raise FlightAssetsError(f"'{files[0]}' is a file: say --recorded before it to play it.")
    return files or []


def simulate(
    files: Annotated[list[Path] | None, typer.Argument(help="Captures to play.")] = None,
    recorded: Annotated[bool, typer.Option("--recorded", help="Play FILES.")] = False,
    seed: Annotated[int | None, typer.Option(help="The sky of this seed.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8024,
    host: Annotated[str, typer.Option(help="Where to listen; it has no log-in.")] = "127.0.0.1",
) -> None:
    """Serve a simulated or recorded world on FlightRadar24's wire protocol, until Ctrl-C."""
    from flight_assets.simulator.server import run

    run(seed, files_of(recorded, files), port, host=host)


def poll(
    every: Annotated[str, typer.Option(help="How often, such as 60s or 5m.")] = "60s",
    once: Annotated[bool, typer.Option("--once", help="One poll, then end.")] = False,
) -> None:
    """Sweep the world and publish it to Kafka, again and again until Ctrl-C."""
    import logging
    import os

    every_s = parse_duration_s(every)
    from flight_assets.feed.rhythm import line_of, poll_forever, poll_once
    from flight_assets.local import stack
    from flight_assets.settings import load_settings

    settings = load_settings()
    if settings.kafka_bootstrap_servers is None:  # of Postgres a poller has no need
        os.environ.update(stack.endpoints(settings).environment())
        settings = load_settings()
    if once:
        typer.echo(line_of(poll_once(settings)))
        return
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    poll_forever(settings, every_s, serve_metrics=metrics_server(settings))


def metrics_server(settings: "Settings") -> "Callable[[PollMetrics], None] | None":
    """Return what serves a poller's metrics together with the line's, ``None`` where none are."""
    port = settings.poller_metrics_port
    if port is None:
        return None

    def serve_both(metrics: "PollMetrics") -> None:
        from flight_assets.feed.metrics import serve
        from flight_assets.health.here import report_here
        from flight_assets.health.metrics import metrics_of

        host = settings.poller_metrics_host
        serve(metrics, lambda: metrics_of(report_here(settings)), host=host, port=port)
        typer.echo(f"Metrics       http://{host}:{port}/metrics")

    return serve_both
