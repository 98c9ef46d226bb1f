"""Connections to the warehouse, and what a failure to connect means to a person."""

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_assets.errors import FlightAssetsError
from flight_assets.settings import Settings

CONNECT_TIMEOUT_S = 10
# A host that has vanished is noticed within a minute, on both sides: the server would otherwise
# keep the session, and the locks of its transaction, for two hours.
KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


def conninfo(settings: Settings, *, dbname: str | None = None) -> str:
    """Return the connection string of the warehouse, or of another database beside it.

    Raises ``FlightAssetsError`` naming the settings of the server that are missing.
    """
    needed = {
        "POSTGRES_HOST": settings.postgres_host,
        "POSTGRES_USER": settings.postgres_user,
        "POSTGRES_PASSWORD": settings.postgres_password,
    }
    missing = [name for name, value in needed.items() if value is None]
    if missing or settings.postgres_password is None:
        verb = "is" if len(missing) == 1 else "are"
        raise FlightAssetsError(
            f"{' and '.join(missing)} {verb} not set: name the server, the user and the password "
            "together, or unset POSTGRES_HOST to have a local one started"
        )
    return make_conninfo(
        host=settings.postgres_host,
        port=settings.postgres_port,
        user=settings.postgres_user,
        password=settings.postgres_password.get_secret_value(),
        dbname=dbname or settings.postgres_db,
        **tls(settings),
    )


def tls(settings: Settings) -> dict[str, str]:
    """Return how libpq is to secure a connection, by its own names; nothing for its default."""
    wanted = {}
    if settings.postgres_sslmode != "prefer":
        wanted["sslmode"] = settings.postgres_sslmode
    if settings.postgres_sslrootcert is not None:
        wanted["sslrootcert"] = str(settings.postgres_sslrootcert)
    return wanted


def connect(
    conninfo: str,
    *,
    autocommit: bool = False,
    read_only: bool = False,
    lock_timeout_s: float | None = None,
    timeout_s: int = CONNECT_TIMEOUT_S,
    statement_timeout_s: float | None = None,
) -> psycopg.Connection[tuple[Any, ...]]:
    """Return a connection whose session is in UTC; with ``read_only`` it cannot write.

    ``timeout_s`` is for connecting. A statement fails that has taken ``statement_timeout_s``, or
    has waited ``lock_timeout_s`` for a lock. Raises ``FlightAssetsError`` when the server refuses,
    rejects or does not know the database.
    """
    session = {"timezone": "UTC"} | {f"tcp_{name}": value for name, value in KEEPALIVE.items()}
    if read_only:
        session["default_transaction_read_only"] = "on"
    if lock_timeout_s is not None:
        session["lock_timeout"] = f"{round(lock_timeout_s * 1000)}ms"
    if statement_timeout_s is not None:
        session["statement_timeout"] = f"{round(statement_timeout_s * 1000)}ms"
    options = " ".join(f"-c {name}={value}" for name, value in session.items())
    try:
        connection = psycopg.connect(
            conninfo,
            autocommit=autocommit,
            options=options,
            application_name="flight-assets",
            connect_timeout=timeout_s,
            **KEEPALIVE,
        )
    except psycopg.OperationalError as error:
        raise FlightAssetsError(why_not(conninfo, error)) from error
    if read_only:
        connection.read_only = True
    return connection


def why_not(conninfo: str, error: Exception) -> str:
    """Return one line that says why Postgres cannot be used, and what to do; never a password."""
    parts = conninfo_to_dict(conninfo)
    where = f"{parts.get('host')}:{parts.get('port', 5432)}"
    user, dbname = parts.get("user"), parts.get("dbname")
    words = (str(error).strip().splitlines() or ["no message"])[0]
    if "password authentication failed" in words or "no password supplied" in words:
        return (
            f"Postgres at {where} rejects the password of user {user}: "
            "check POSTGRES_USER and POSTGRES_PASSWORD"
        )
    if f'database "{dbname}" does not exist' in words:
        return f"Postgres at {where} has no database {dbname}: call `flight-assets up`"
    if "Connection refused" in words:
        return (
            f"Postgres at {where} refuses connections: is it running? Call `flight-assets up` for "
            "the local one; for your own check POSTGRES_HOST and POSTGRES_PORT"
        )
    if "the database system is" in words:  # starting up, shutting down, in recovery mode
        return f"Postgres at {where} takes no connections yet or any more: {words}; try again"
    if "no encryption" in words:  # as its pg_hba.conf has it
        return (
            f"Postgres at {where} takes no connections in the clear: set POSTGRES_SSLMODE to "
            "verify-full, and POSTGRES_SSLROOTCERT to the certificate of its authority"
        )
    if "certificate" in words:
        return (
            f"Postgres at {where} is not who it should be by its certificate: {words}; check "
            "POSTGRES_HOST, POSTGRES_SSLMODE and POSTGRES_SSLROOTCERT"
        )
    if "permission denied for database" in words:
        return (
            f"Postgres at {where} does not let user {user} into the database {dbname}: name the "
            "login that may (docs/security.md), or call `flight-assets roles apply`"
        )
    return (
        f"Postgres at {where} cannot be used as user {user}: {words}; check POSTGRES_HOST, "
        "POSTGRES_PORT, POSTGRES_USER and POSTGRES_PASSWORD"
    )
