"""Each login tries each act on a real Postgres: what it may works, what it may not is refused."""

from dataclasses import replace

import psycopg
import pytest
from psycopg import errors

from flight_assets.errors import FlightAssetsError
from flight_assets.settings import PROJECT_ROOT
from flight_assets.warehouse.migrate import migrate
from flight_assets.warehouse.privileges import ACTS, LOGINS, Act, as_markdown
from flight_assets.warehouse.roles import apply_roles

from .conftest import OF_DAGSTER, OF_DBT, Databases

pytestmark = pytest.mark.integration


def refusal(conninfo: str, statement: str) -> str | None:
    """Return why Postgres refuses a statement for want of a right, ``None`` where it does it.

    Nothing of it stays. Any other error is the test's own and fails it.
    """
    try:
        connection = psycopg.connect(conninfo)
    except psycopg.OperationalError as error:
        assert "permission denied for database" in str(error)
        return str(error)
    with connection:
        try:
            connection.execute(statement.encode())
        except errors.InsufficientPrivilege as error:
            return str(error)
        finally:
            connection.rollback()
    return None


def refused(databases: Databases, act: Act) -> set[str]:
    return {
        login
        for login in LOGINS
        if refusal(databases.of(login, in_dagster=act.in_dagster), act.statement) is not None
    }


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.what)
def test_an_act_is_done_for_those_who_may_and_refused_to_the_others(
    tried: Databases, act: Act
) -> None:
    assert refused(tried, act) == set(LOGINS) - set(act.may)


def test_what_others_made_and_granted_is_put_right(databases: Databases) -> None:
    for conninfo, statements in {
        databases.warehouse: (
            "drop table silver.airports, gold.answered_hours",
            OF_DBT,  # by the superuser, as before there were logins
            "grant all on database {0} to public; grant all on schema bronze to public",
            "grant all on all tables in schema bronze, gold to reader, dagster, public",
            "grant pg_read_all_data, pg_write_all_data, ingest to reader",
            "alter role reader createdb createrole bypassrls superuser",
            "revoke all on bronze.landed_slices from ingest, flight_assets_owner",
            "alter table bronze.raw_flights owner to reader",
        ),
        databases.dagster: (
            f"drop table runs; {OF_DAGSTER}",
            "grant all on database {0} to public, reader; grant all on runs to reader",
        ),
    }.items():
        with psycopg.connect(conninfo) as connection:
            for statement in statements:
                connection.execute(statement.format(connection.info.dbname).encode())
    read = next(act for act in ACTS if act.what == "read bronze")
    assert refused(databases, read) == set()
    apply_roles(databases.warehouse, databases.dagster, databases.passwords)
    for act in ACTS:
        assert refused(databases, act) == set(LOGINS) - set(act.may), act.what


def test_a_new_password_is_the_only_one(databases: Databases) -> None:
    changed = replace(databases, passwords={**databases.passwords, "reader": "another"})
    apply_roles(changed.warehouse, changed.dagster, changed.passwords)
    try:
        psycopg.connect(changed.of("reader")).close()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(databases.of("reader"))
    finally:  # the login is the server's
        apply_roles(databases.warehouse, databases.dagster, databases.passwords)


def test_the_server_is_never_told_a_password(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    execute = psycopg.Connection.execute

    def listen(connection, query, *arguments, **options):
        said.append(query if isinstance(query, str) else query.as_string(connection))
        return execute(connection, query, *arguments, **options)

    monkeypatch.setattr(psycopg.Connection, "execute", listen)
    apply_roles(databases.warehouse, databases.dagster, databases.passwords)
    assert any("password 'SCRAM-SHA-256$" in statement for statement in said)
    assert [p for p in databases.passwords.values() if p in "".join(said)] == []


def test_the_owner_migrates_a_database_that_has_the_logins(databases: Databases) -> None:
    with psycopg.connect(databases.warehouse) as connection:
        connection.execute(
            "drop view bronze.pruned_slice_hours; drop table bronze.pruned_days; "
            "update public.alembic_version set version_num = '0003'"
        )
    migrate(databases.of("flight_assets_owner"))
    for login, verb in (("ingest", "delete from"), ("transform", "table")):
        statement = f"{verb} bronze.pruned_days"
        assert refusal(databases.of(login), statement) is None
    assert refusal(databases.of("transform"), "delete from bronze.pruned_days") is not None


def test_who_is_no_superuser_is_told_what_to_do(tried: Databases) -> None:
    with pytest.raises(FlightAssetsError, match="name a superuser of it by POSTGRES_USER"):
        apply_roles(tried.of("flight_assets_owner"), tried.dagster, tried.passwords)


def test_a_database_that_is_not_migrated_is_named(tried: Databases) -> None:
    with pytest.raises(FlightAssetsError, match="has not been migrated: call `flight-assets up`"):
        apply_roles(tried.dagster, tried.dagster, tried.passwords)


def test_the_page_has_the_table_that_is_tested() -> None:
    page = (PROJECT_ROOT / "docs" / "security.md").read_text()
    assert as_markdown() in page, "run python -m flight_assets.warehouse.privileges"
