"""`flight-assets backup now`, `list`, `verify`, `seal`, `receive`, and `flight-assets restore`."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flight_assets.errors import FlightAssetsError

if TYPE_CHECKING:
    from flight_assets.backup.places import BaseBackup, Places
    from flight_assets.settings import Settings

app = typer.Typer(
    help="Base backups and the archived log: take, list, verify.", no_args_is_help=True
)


def register(parent: typer.Typer) -> None:
    """Add the commands to the app."""
    parent.add_typer(app, name="backup")
    parent.command()(restore)


@app.command()
def now() -> None:
    """Take a base backup and drop the old ones; starts the local Postgres if it sleeps."""
    from datetime import UTC

    from flight_assets.backup.places import places
    from flight_assets.backup.prune import prune
    from flight_assets.backup.take import back_up
    from flight_assets.commands.show_status import size
    from flight_assets.commands.stack import say
    from flight_assets.settings import load_settings

    settings = load_settings()
    of = places(settings)
    backup = back_up(of, _server(settings), say=say)
    dropped = prune(of, now=datetime.now(UTC), keep_days=settings.backup_keep_days)
    typer.echo(f"{backup.label}  {size(backup.byte_count)}  in {of.data(backup.label).parent}")
    for label in dropped.labels:
        typer.echo(f"{label} is older than BACKUP_KEEP_DAYS={settings.backup_keep_days}: dropped")


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the base backups, and the instants that each can be restored to; starts nothing."""
    from rich.console import Console

    from flight_assets.backup.choose import span_of
    from flight_assets.backup.places import places
    from flight_assets.commands import show_backups
    from flight_assets.settings import load_settings

    of = places(load_settings())
    names = of.wal_names()
    spans = [span_of(of, backup, names) for backup in of.backups()]
    if as_json:
        typer.echo(show_backups.as_json(spans))
    else:
        show_backups.print_spans(Console(), of, spans)


@app.command()
def verify(
    label: Annotated[str | None, typer.Argument(help="One base backup; all without it.")] = None,
) -> None:
    """Read all of it and name what is damaged or missing; exit code 1 where anything is."""
    from flight_assets.backup.places import places
    from flight_assets.backup.verify import faults_of, faults_of_all
    from flight_assets.settings import load_settings

    of = places(load_settings())
    if not of.backups():
        raise FlightAssetsError(
            f"there is no base backup in {of.base}: `flight-assets backup now` takes one"
        )
    found = list(faults_of_all(of) if label is None else faults_of(of, _named(of, label)))
    for fault in found:
        typer.echo(fault)
    if found:
        raise FlightAssetsError(
            f"{len(found)} faults: take a base backup with `flight-assets backup now`, remove the "
            "damaged one, and look at the disk of BACKUP_DIR"
        )
    typer.echo("All of it is whole.")


@app.command()
def seal() -> None:
    """Have the server archive what is committed by now, so that a restore can go up to now."""
    from flight_assets.backup import archive
    from flight_assets.backup.places import places
    from flight_assets.settings import load_settings
    from flight_assets.warehouse.connection import connect

    settings = load_settings()
    with connect(_server(settings), autocommit=True) as connection:
        archive.needs_archiving(connection)
        typer.echo(f"{archive.seal(connection, places(settings))} is archived.")


@app.command()
def receive() -> None:
    """Write the log of a server of your own to the archive as it comes, until Ctrl-C."""
    from flight_assets.backup.places import places
    from flight_assets.backup.receive import receive as receive_log
    from flight_assets.settings import load_settings

    settings = load_settings()
    receive_log(places(settings), _server(settings), settings.home)


def restore(
    at: Annotated[str, typer.Option("--at", help="An instant, such as 2026-01-31T17:05:00Z.")],
    into: Annotated[Path, typer.Option("--into", help="A new directory: the restored home.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Move the Postgres that is there aside.")
    ] = False,
) -> None:
    """Restore the whole cluster as it was at an instant, beside the one that runs.

    Both databases are in it. It is left stopped, in a home of its own with a password of its own.
    """
    from flight_assets.backup.choose import shown
    from flight_assets.backup.places import places
    from flight_assets.backup.restore import restore as restore_cluster
    from flight_assets.commands.stack import say
    from flight_assets.settings import load_settings

    settings = load_settings()
    home = into.expanduser().resolve()
    done = restore_cluster(places(settings), instant(at), home, replace=replace, say=say)
    typer.echo(f"{home} is as of {shown(done.at)}, from the base backup {done.label}.")
    typer.echo(f"Its last transaction ended at {done.last_ended_at or 'the end of the backup'}.")
    say(f"Next: {_next(settings, home)}")


def _next(settings: "Settings", home: Path) -> str:
    """Return how the line goes on from what was restored: with the same Kafka, from its ledger."""
    from flight_assets.local.status import reachable

    if home == settings.home:
        return "flight-assets up"
    brokers = reachable(settings).kafka_bootstrap_servers or "HOST:PORT"
    return (
        f"FLIGHT_ASSETS_HOME={home} KAFKA_BOOTSTRAP_SERVERS={brokers} flight-assets up; where "
        "BACKUP_DIR is set, with another one"
    )


def instant(text: str) -> datetime:
    """Return an instant; one without a zone is refused, as nobody knows which was meant."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise FlightAssetsError(
            f"--at {text} is no instant ({error}): write it as 2026-01-31T17:05:00Z"
        ) from None
    if at.tzinfo is None:
        raise FlightAssetsError(f"--at {text} has no time zone: write {text}Z for UTC")
    return at


def _server(settings: "Settings") -> str:
    from flight_assets.backup.take import backup_conninfo
    from flight_assets.commands.stack import say
    from flight_assets.local.stack import up_postgres

    return backup_conninfo(settings, up_postgres(settings, say=say))


def _named(of: "Places", label: str) -> "BaseBackup":
    backup = next((each for each in of.backups() if each.label == label), None)
    if backup is None:
        raise FlightAssetsError(
            f"there is no base backup {label} in {of.base}: `flight-assets backup list` has them"
        )
    return backup
