"""`flight-assets dev`: stack, feed, poller and Dagster, running by themselves until Ctrl-C."""

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from flight_assets.commands.feed import parse_duration_s
from flight_assets.errors import FlightAssetsError

if TYPE_CHECKING:
    from flight_assets.local.processes import ProcessRecord
    from flight_assets.settings import Settings

OWN_BUDGET = "1000"  # requests a minute to our own simulator; the live feed keeps its budget
LOOK_S = 1.0


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(dev)


def dev(
    every: Annotated[str, typer.Option(help="How often to poll, such as 30s.")] = "30s",
    live: Annotated[bool, typer.Option("--live", help="Poll FlightRadar24 itself.")] = False,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the Dagster UI.")] = 3000,
    seed: Annotated[int, typer.Option(help="The simulated sky.")] = 1,
) -> None:
    """Run the whole line by itself: stack, simulator, poller and `dagster dev`, until Ctrl-C."""
    parse_duration_s(every)
    from flight_assets.local import stack
    from flight_assets.settings import load_settings

    settings = load_settings()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    was_up = stack.is_up(settings)
    line = Line(settings)
    try:
        line.start(every=every, live=live, port=port, seed=seed)
        typer.echo(f"Dagster's UI  http://127.0.0.1:{port}\nLogs          {line.logs}")
        typer.echo("The line runs by itself now; Ctrl-C stops it.")
        line.watch(stopped)
    finally:
        typer.echo("Stopping …")
        line.stop()
        if not was_up:
            stack.down(settings)


class Line:
    """The processes of the line beside the stack: simulator, poller, Dagster. One log each."""

    def __init__(self, settings: "Settings") -> None:
        self.settings = settings
        self.logs = settings.home / "logs"
        self.processes: dict[str, ProcessRecord] = {}

    def start(self, *, every: str, live: bool, port: int, seed: int) -> None:
        """Start the stack and what runs on it; raises ``FlightAssetsError`` for a taken port."""
        from flight_assets.commands.builtin import accept_new_cluster
        from flight_assets.local import stack
        from flight_assets.local.processes import is_free
        from flight_assets.settings import PROJECT_ROOT
        from flight_assets.warehouse.references import has_references

        if not is_free(port):
            raise FlightAssetsError(f"port {port} is taken: choose another one with --port")
        typer.echo("Starting the stack …")
        endpoints = stack.up(self.settings, say=typer.echo)
        environment = os.environ | endpoints.environment()
        accept_new_cluster(endpoints)
        if not live and self.settings.feed_base_url is None:
            environment |= self._start_simulator(seed)
        environment |= {"DBT_LOG_PATH": str(self.logs / "dbt")}
        if not has_references(endpoints.conninfo()):
            self._build_references(environment)
        command = ["-m", "flight_assets.cli", "poll", "--every", every]
        self._start("poller", command, environment)
        workspace = str(PROJECT_ROOT / "workspace.yaml")
        command = ["-m", "dagster", "dev", "-w", workspace, "-h", "127.0.0.1", "-p", str(port)]
        self._start("dagster", command, environment)

    def watch(self, stopped: threading.Event) -> None:
        """Wait until told to stop; raises ``FlightAssetsError`` where a part ends by itself."""
        from flight_assets.local.processes import last_line

        while not stopped.wait(LOOK_S):
            for name, process in self.processes.items():
                if not process.is_alive():
                    log = self.logs / f"{name}.log"
                    raise FlightAssetsError(f"the {name} ended: {last_line(log)} (see {log})")

    def stop(self) -> None:
        """Stop what was started here, the newest first."""
        from flight_assets.local import stack
        from flight_assets.local.processes import stop

        for name, process in reversed(self.processes.items()):
            stop(process)
            stack.forget_process(self.settings, name)

    def _start(self, name: str, arguments: list[str], environment: dict[str, str]) -> None:
        from flight_assets.local import stack
        from flight_assets.local.processes import spawn

        process = spawn(
            [sys.executable, *arguments],
            log=self.logs / f"{name}.log",
            env=environment,
        )
        self.processes[name] = process
        stack.register_process(self.settings, name, process.pid)

    def _start_simulator(self, seed: int) -> dict[str, str]:
        from flight_assets.local.processes import free_port, is_free, wait_until

        port = free_port()
        command = ["-m", "flight_assets.cli", "simulate", "--seed", str(seed), "--port", str(port)]
        self._start("simulator", command, dict(os.environ))
        if not wait_until(lambda: not is_free(port), timeout_s=60):
            raise FlightAssetsError(f"the simulator does not answer (see {self.logs})")
        return {
            "FEED_BASE_URL": f"http://127.0.0.1:{port}",
            "FEED_SOURCE": "simulated",
            "FEED_REQUESTS_PER_MINUTE": OWN_BUDGET,
        }

    def _build_references(self, environment: dict[str, str]) -> None:
        """Build the references: every answer needs them."""
        import subprocess

        typer.echo("Building the references: airports, airlines, aircraft types …")
        command = [sys.executable, "-m", "flight_assets.cli", "references"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["no word of why"]
            raise FlightAssetsError(f"the references could not be built: {lines[-1]}")
