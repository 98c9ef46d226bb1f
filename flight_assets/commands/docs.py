"""`flight-assets docs`: dbt's documentation of the warehouse, generated and served."""

from typing import Annotated

import typer

HOST = "127.0.0.1"


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command()(docs)


def docs(
    port: Annotated[int, typer.Option(help="Where to serve, on this machine only.")] = 8080,
    serve: Annotated[bool, typer.Option(help="Serve until Ctrl-C; else only generate.")] = True,
) -> None:
    """Generate dbt's documentation and serve it; starts the local Postgres if it sleeps."""
    import os

    from flight_assets.commands.stack import say
    from flight_assets.local import stack
    from flight_assets.settings import PROJECT_ROOT, load_settings

    settings = load_settings()
    stack.up_postgres(settings, say=say)
    os.environ.update(stack.endpoints(settings).environment())
    generate()
    target = PROJECT_ROOT / "dbt_project" / "target"
    typer.echo(f"Documentation: {target / 'index.html'}")
    if serve:
        serve_files(str(target), port)


def generate() -> None:
    """Write dbt's catalogue and pages to its target folder.

    Raises ``FlightAssetsError`` with dbt's own words where it fails.
    """
    from dbt.cli.main import dbtRunner

    from flight_assets.errors import FlightAssetsError
    from flight_assets.settings import PROJECT_ROOT

    project = str(PROJECT_ROOT / "dbt_project")
    where = ["--project-dir", project, "--profiles-dir", project]
    done = dbtRunner().invoke(["--quiet", "docs", "generate", *where])
    if not done.success:
        raise FlightAssetsError(f"dbt cannot document the warehouse: {done.exception}")


def serve_files(folder: str, port: int) -> None:
    """Serve a folder on this machine until interrupted.

    Raises ``FlightAssetsError`` where the port is taken.
    """
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from flight_assets.errors import FlightAssetsError

    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    try:
        server = ThreadingHTTPServer((HOST, port), handler)
    except OSError as error:
        raise FlightAssetsError(
            f"port {port} cannot be served ({error.strerror}): choose another with --port"
        ) from error
    with server:
        typer.echo(f"Serving http://{HOST}:{server.server_port} until Ctrl-C")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            typer.echo("Stopped.")
