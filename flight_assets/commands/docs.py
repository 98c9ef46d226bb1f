"""`flight-assets docs`: dbt's documentation of the warehouse, generated and served."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import threading
    from pathlib import Path

HOST = "127.0.0.1"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(docs)


def docs(
    port: Annotated[int, typer.Option(help="Where to serve.")] = 8080,
    host: Annotated[str, typer.Option(help="Where to listen; it has no log-in.")] = HOST,
    every: Annotated[str | None, typer.Option(help="Generate it again so often, as 6h.")] = None,
    serve: Annotated[bool, typer.Option(help="Serve until Ctrl-C; else only generate.")] = True,
) -> None:
    """Generate dbt's documentation and serve it; starts the local Postgres if it sleeps."""
    import os

    from flight_assets.commands.feed import parse_duration_s
    from flight_assets.commands.stack import say
    from flight_assets.local.stack import up_postgres
    from flight_assets.settings import load_settings

    every_s = None if every is None else parse_duration_s(every)
    settings = load_settings()
    os.environ.update(environment_of(up_postgres(settings, say=say)))
    # apart from the manifest that Dagster reads
    target = settings.home / "docs"
    generate(target)
    typer.echo(f"Documentation: {target / 'index.html'}")
    if not serve:
        return
    if every_s is not None:
        generate_again(every_s)
    serve_files(str(target), port, host=host)


def environment_of(conninfo: str) -> dict[str, str]:
    """Return the settings by which dbt finds the warehouse, TLS where it is asked for."""
    from psycopg.conninfo import conninfo_to_dict

    names = {"dbname": "POSTGRES_DB"}
    parts = conninfo_to_dict(conninfo)
    wanted = ("host", "port", "user", "password", "dbname", "sslmode", "sslrootcert")
    found = [(name, parts[name]) for name in wanted if name in parts]
    return {names.get(name, f"POSTGRES_{name.upper()}"): str(value) for name, value in found}


def generate(target: "Path") -> None:
    """Write dbt's catalogue and pages to a folder.

    Raises ``FlightAssetsError`` with dbt's own words where it fails.
    """
    from dbt.cli.main import dbtRunner

    from flight_assets.errors import FlightAssetsError
    from flight_assets.settings import PROJECT_ROOT

    project = str(PROJECT_ROOT / "dbt_project")
    where = ["--project-dir", project, "--profiles-dir", project]
    where += ["--target-path", str(target), "--log-path", str(target)]
    done = dbtRunner().invoke(["--quiet", "docs", "generate", *where])
    if not done.success:
        why = done.exception or "its log says why"
        raise FlightAssetsError(f"dbt cannot document the warehouse: {why} ({target / 'dbt.log'})")


def generate_again(every_s: float) -> "threading.Event":
    """Generate the documentation again and again, from a thread; return what stops it.

    Each time in a process of its own: dbt keeps what it has once read, and some 200 MB with it.
    """
    import subprocess
    import sys
    import threading

    stopped = threading.Event()
    command = [sys.executable, "-m", "flight_assets.cli", "docs", "--no-serve"]

    def again() -> None:
        while not stopped.wait(every_s):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:  # what there is goes on being served
                typer.echo(f"not generated anew: {done.stderr.strip()}", err=True)

    threading.Thread(target=again, name="documentation", daemon=True).start()
    return stopped


def serve_files(folder: str, port: int, *, host: str = HOST) -> None:
    """Serve a folder until interrupted, to this machine alone unless told otherwise.

    Raises ``FlightAssetsError`` where the port is taken.
    """
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from flight_assets.errors import FlightAssetsError

    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise FlightAssetsError(
            f"port {port} cannot be served ({error.strerror}): choose another with --port"
        ) from error
    with server:
        typer.echo(f"Serving http://{host}:{server.server_port} until Ctrl-C")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("Stopped.")
