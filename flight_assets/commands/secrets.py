"""`flight-assets secrets make | check | rotate | certificates`: passwords and keys, a file each."""

from typing import TYPE_CHECKING, Annotated

import typer

from flight_assets.errors import FlightAssetsError

if TYPE_CHECKING:
    from flight_assets.settings import Settings

app = typer.Typer(help="Passwords and certificates of the stack.", no_args_is_help=True)


def register(parent: typer.Typer) -> None:
    """Add the commands to the app."""
    parent.add_typer(app, name="secrets")


@app.command()
def make() -> None:
    """Make the passwords and certificates that are missing; never writes over one."""
    from flight_assets.certificates import make_certificates
    from flight_assets.secret_files import make_secrets
    from flight_assets.settings import load_settings

    place = load_settings().secrets_dir
    made = make_secrets(place)
    made += [f"certificate of {name}" for name in make_certificates(place)]
    for name in made:
        typer.echo(f"made {name}")
    typer.echo(f"{place}: {len(made)} made, what was there is as it was")


@app.command()
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Some of them, by the names of their files.")
    ] = None,
) -> None:
    """Say which secrets are missing, short, like a default or readable by others; exit code 1."""
    import time

    from flight_assets.secret_files import problems_of
    from flight_assets.settings import load_settings

    place = load_settings().secrets_dir
    found = problems_of(place, now_s=time.time(), names=names or ())
    for problem in found:
        typer.echo(problem, err=True)
    if found:
        raise typer.Exit(1)
    typer.echo(f"{place}: {'these' if names else 'all'} secrets are there and fit for use")


@app.command()
def rotate(
    name: Annotated[
        str, typer.Argument(help="The name of its file, such as kafka_poller_password.")
    ],
) -> None:
    """Give a password a new value: to its server, where one is named, and then in its file."""
    from flight_assets.secret_files import begin_rotation, end_rotation
    from flight_assets.settings import load_settings

    settings = load_settings()
    new = begin_rotation(settings.secrets_dir, name)
    told = tell_server(settings, name, new)
    end_rotation(settings.secrets_dir, name)
    typer.echo(f"{name}: {told}")
    typer.echo("Start again what reads it (docs/security.md says what that is).")


@app.command()
def certificates(
    name: Annotated[
        list[str] | None, typer.Option(help="Another name that the servers are reached by.")
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Make those of the servers anew, by the same authority.")
    ] = False,
) -> None:
    """Make the certificates that are missing: an authority, and one for each server."""
    from flight_assets.certificates import make_certificates
    from flight_assets.settings import load_settings

    place = load_settings().secrets_dir
    if not place.is_dir():
        raise FlightAssetsError(f"{place} is missing: call `flight-assets secrets make`")
    made = list(make_certificates(place, names=name or [], renew=renew))
    typer.echo(f"made certificates of {', '.join(made)}" if made else "none was missing")


def tell_server(settings: "Settings", name: str, secret: str) -> str:
    """Give a new password to the server that asks for it; return what was done, for a person.

    Raises ``FlightAssetsError`` where a server is named that cannot be told: nothing is changed.
    """
    from flight_assets.secret_files import KAFKA, POSTGRES, SUPERUSER

    if name in POSTGRES or name == SUPERUSER:
        if settings.postgres_host is None:
            return "a new value; no Postgres is named (POSTGRES_HOST) that could be told"
        return tell_postgres(settings, POSTGRES.get(name), secret)
    if name in KAFKA:
        if settings.kafka_security_protocol == "PLAINTEXT":
            return "a new value; no Kafka with log-ins is named that could be told"
        return tell_kafka(settings, KAFKA[name], secret)
    return "a new value, for the proxy alone"


def tell_postgres(settings: "Settings", login: str | None, secret: str) -> str:
    """Give the login a password, the one of POSTGRES_USER itself where there is none."""
    from flight_assets.warehouse.connection import connect, conninfo
    from flight_assets.warehouse.roles import change_password

    with connect(conninfo(settings)) as connection:
        login = login or connection.info.user
        change_password(connection, login, secret)
    return f"a new value, which Postgres takes from {login} from now on"


def tell_kafka(settings: "Settings", user: str, secret: str) -> str:
    """Give the user a password."""
    from flight_assets.brokers import security_options
    from flight_assets.feed.access import change_password

    change_password(str(settings.kafka_bootstrap_servers), security_options(settings), user, secret)
    return f"a new value, which Kafka takes from {user} from now on"
