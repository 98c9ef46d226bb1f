"""The warehouse's databases and their migrations, by Alembic without a file of settings."""

import os
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_assets.errors import FlightAssetsError
from flight_assets.warehouse.connection import CONNECT_TIMEOUT_S, connect, why_not
from flight_assets.warehouse.troubles import why_locked

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x666C_6967_6874  # "flight": one migration at a time, whoever starts it
# A statement that waits for a table keeps all others from it that come after: so not for ever.
LOCK_TIMEOUT_S = 60
# For its turn a migration waits as long as another takes, for tables no longer than it is told to.
ITS_TURN = f"""
set local lock_timeout = 0;
select pg_advisory_xact_lock({MIGRATION_LOCK});
set local lock_timeout to default;
"""


def create_database_if_missing(conninfo: str) -> bool:
    """Create the database that the connection string names; return whether it was missing."""
    name = str(conninfo_to_dict(conninfo)["dbname"])
    if _exists(conninfo, name):
        return False
    # the database that clusters have from the start: one cannot connect to what is missing
    with connect(make_conninfo(conninfo, dbname="postgres"), autocommit=True) as connection:
        try:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except (errors.DuplicateDatabase, errors.UniqueViolation):
            return False  # another was quicker, or is as quick
        except errors.InsufficientPrivilege as error:
            raise FlightAssetsError(
                f"the database {name} is missing and user {connection.info.user} may not create "
                "it: create it, or give the user CREATEDB"
            ) from error
    return True


def _exists(conninfo: str, name: str) -> bool:
    try:
        psycopg.connect(conninfo, connect_timeout=CONNECT_TIMEOUT_S).close()
    except psycopg.OperationalError as error:
        if f'database "{name}" does not exist' in str(error):
            return False
        raise FlightAssetsError(why_not(conninfo, error)) from error
    return True


def migrate(
    conninfo: str, *, to: str = "head", lock_timeout_s: float = LOCK_TIMEOUT_S
) -> list[str]:
    """Bring the database to the newest migration, or to an older one that it has not reached yet.

    All in one transaction, one process at a time: others wait, and find nothing left to do. Return
    the migrations that this call applied, oldest first. Raises ``FlightAssetsError`` where somebody
    holds a table for too long; the database then is as it was.
    """
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.pool import StaticPool

    config = Config()
    config.set_main_option("script_location", os.fspath(MIGRATIONS).replace("%", "%%"))
    with connect(conninfo, lock_timeout_s=lock_timeout_s) as own:
        # psycopg reads the string itself: what it says of host, password and options holds
        engine = create_engine("postgresql+psycopg://", creator=lambda: own, poolclass=StaticPool)
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql(ITS_TURN)
                config.attributes |= {"connection": connection, "applied": []}
                command.upgrade(config, to)
        except OperationalError as error:
            if not isinstance(error.orig, errors.LockNotAvailable):
                raise
            why = why_locked(own, error.orig, is_any_in_the_way=True)
            raise FlightAssetsError(f"the database was not migrated: {why}") from error
    return list(config.attributes["applied"])


@cache
def newest_revision() -> str:
    """Return the newest migration, by the names of their files: Alembic takes long to load."""
    return max(path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def require_newest(connection: "psycopg.Connection[Any]") -> None:
    """Raise ``FlightAssetsError`` unless the database is at the newest migration of this code."""
    try:
        with connection.transaction():
            found = connection.execute("select version_num from public.alembic_version").fetchone()
    except errors.UndefinedTable:
        found = None
    revision = found[0] if found else None
    if revision == newest_revision():
        return
    database = f"the database {connection.info.dbname}"
    if revision is not None and revision > newest_revision():
        raise FlightAssetsError(
            f"{database} is at migration {revision}, this code knows them up to "
            f"{newest_revision()}: install the version of flight-assets that migrated it"
        )
    at = "has not been migrated" if revision is None else f"is at migration {revision}"
    raise FlightAssetsError(
        f"{database} {at}, this code needs {newest_revision()}: call `flight-assets up`, which "
        "migrates it. Nothing was read or written"
    )
