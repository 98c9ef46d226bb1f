"""The logins of Postgres and what they may: made where missing, put right where changed.

Safe to repeat; each time all of it is said anew, what somebody granted besides is taken back.
``warehouse.privileges`` says who may do what.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import errors, sql

from flight_assets.errors import FlightAssetsError
from flight_assets.warehouse.connection import connect
from flight_assets.warehouse.privileges import (
    BACKUP,
    DAGSTER,
    INGEST,
    LOGINS,
    OWNER,
    READER,
    TRANSFORM,
)

Connection = psycopg.Connection[Any]

ROLES_LOCK = 0x726F_6C65_73  # "roles": one at a time
LOCK_TIMEOUT_S = 10
NOTHING_MORE = "nosuperuser nocreatedb nocreaterole nobypassrls"
MEMBER_OF = {OWNER: (INGEST, TRANSFORM)}

# What our logins are members of, their own or pg_read_all_data, and who has granted it.
MEMBERSHIPS = """
select members.rolname, granted.rolname, grantors.rolname
from pg_auth_members
join pg_roles as members on pg_auth_members.member = members.oid
join pg_roles as granted on pg_auth_members.roleid = granted.oid
join pg_roles as grantors on pg_auth_members.grantor = grantors.oid
where members.rolname = any(%(logins)s)
"""

# Partitioned tables are of the login that makes and drops their days; what is not of a layer that
# others write is the owner's.
MISOWNED = """
with relations as (
    select
        namespaces.nspname as schema_name,
        classes.relname,
        pg_get_userbyid(classes.relowner)::text as owner,
        case
            when namespaces.nspname in ('silver', 'gold') then %(transform)s::text
            when
                namespaces.nspname = 'bronze'
                and (classes.relkind = 'p' or classes.relispartition)
                then %(ingest)s::text
            else %(owner)s::text
        end as wanted
    from pg_class as classes
    join pg_namespace as namespaces on classes.relnamespace = namespaces.oid
    where
        namespaces.nspname in ('public', 'bronze', 'silver', 'gold')
        and classes.relkind in ('r', 'p', 'v', 'm')
)
select schema_name, relname, wanted from relations where owner <> wanted
"""

# In this order: what goes to nobody, whose it is, what each gets.
WAREHOUSE = (
    "revoke all on database {database} from public, {others} cascade",
    "alter database {database} owner to {owner}",
    "grant all on database {database} to {owner}",
    "grant connect on database {database} to {ingest}, {transform}, {reader}",
    "grant temporary on database {database} to {transform}",  # dbt's incremental models
    "revoke all on schema public, bronze, silver, gold from public, {others} cascade",
    "alter schema public owner to {owner}",
    "alter schema bronze owner to {owner}",
    "alter schema silver owner to {owner}",
    "alter schema gold owner to {owner}",
    "grant all on schema public, bronze, silver, gold to {owner}",
    "grant usage on schema public to {ingest}, {transform}",
    "grant usage, create on schema bronze to {ingest}",
    "grant usage on schema bronze to {transform}",
    "grant usage, create on schema silver, gold to {transform}",
    "grant usage on schema silver, gold to {reader}",
    "revoke all on all tables in schema public, bronze, silver, gold from public, {others} cascade",
    "revoke all on all sequences in schema public, bronze, silver, gold "
    "from public, {others} cascade",
    "grant all on all tables in schema public, bronze to {owner}",
    "grant all on all sequences in schema public, bronze to {owner}",
    "grant select on public.alembic_version to {ingest}, {transform}",
    "grant select, insert, update, delete on all tables in schema bronze to {ingest}",
    "grant usage on all sequences in schema bronze to {ingest}",  # landing takes a slice's id
    "grant select on all tables in schema bronze to {transform}",
    "grant all on all tables in schema silver, gold to {transform}",
    "grant select on all tables in schema silver, gold to {reader}",
    # what migrations, landing and dbt make later
    "alter default privileges for role {owner} in schema bronze "
    "grant select, insert, update, delete on tables to {ingest}",
    "alter default privileges for role {owner} in schema bronze "
    "grant usage on sequences to {ingest}",
    "alter default privileges for role {owner}, {ingest} in schema bronze "
    "grant select on tables to {transform}",
    "alter default privileges for role {transform} in schema silver, gold "
    "grant select on tables to {reader}",
)
DAGSTERS_OWN = (
    "revoke all on database {database} from public, {others} cascade",
    "alter database {database} owner to {owner}",
    "grant all on database {database} to {owner}",
    "revoke all on schema public from public, {others} cascade",
    "alter schema public owner to {owner}",
    "grant all on schema public to {owner}",
    "revoke all on all tables in schema public from public, {others} cascade",
)


def apply_roles(warehouse: str, dagster: str, passwords: Mapping[str, str]) -> None:
    """Give the logins their passwords and rights, in two databases that exist and are migrated.

    ``warehouse`` and ``dagster`` are connection strings of a superuser. Each database changes in
    one transaction. Raises ``FlightAssetsError`` where the user may not, or the warehouse is not
    migrated.
    """
    with connect(warehouse, lock_timeout_s=LOCK_TIMEOUT_S) as connection:
        _require_superuser(connection)
        connection.execute("select pg_advisory_xact_lock(%s)", [ROLES_LOCK])
        for login in LOGINS:
            set_login(connection, login, passwords[login])
        _set_memberships(connection)
        _own_and_grant(connection, OWNER, WAREHOUSE)
    with connect(dagster, lock_timeout_s=LOCK_TIMEOUT_S) as connection:
        _own_and_grant(connection, DAGSTER, DAGSTERS_OWN)


def set_login(connection: Connection, login: str, password: str) -> None:
    """Make the login where it is missing; give it the password, and no power over the server."""
    name = sql.Identifier(login)
    try:
        with connection.transaction():
            connection.execute(sql.SQL("create role {}").format(name))
    except errors.DuplicateObject:
        pass  # it is put right below
    replication = "replication" if login == BACKUP else "noreplication"
    connection.execute(sql.SQL(f"alter role {{}} login {NOTHING_MORE} {replication}").format(name))
    change_password(connection, login, password)


def change_password(connection: Connection, login: str, password: str) -> None:
    """Give a login a password; what the server is told, and may log, is only what checks it.

    Raises ``FlightAssetsError`` where there is no such login, or this one may not.
    """
    made = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
    statement = sql.SQL("alter role {} password {}").format(
        sql.Identifier(login), sql.Literal(made.decode())
    )
    try:
        connection.execute(statement)
    except errors.UndefinedObject as error:
        raise FlightAssetsError(
            f"Postgres has no login {login}: call `flight-assets roles apply` first"
        ) from error
    except errors.InsufficientPrivilege as error:
        raise FlightAssetsError(
            f"user {connection.info.user} may not give {login} a password: name a superuser by "
            "POSTGRES_USER and its password for this command"
        ) from error


def _require_superuser(connection: Connection) -> None:
    row: Any = connection.execute(
        "select rolsuper, to_regclass('public.alembic_version') is not null "
        "from pg_roles where rolname = current_user"
    ).fetchone()
    is_superuser, is_migrated = row
    info = connection.info
    if not is_superuser:
        raise FlightAssetsError(
            f"user {info.user} may not make logins on {info.host}:{info.port}: name a superuser of "
            "it by POSTGRES_USER and its password for this command"
        )
    if not is_migrated:
        raise FlightAssetsError(
            f"the database {info.dbname} has not been migrated: call `flight-assets up` first"
        )


def _set_memberships(connection: Connection) -> None:
    """Make the owner a member of those whose tables it migrates, and nobody of anything else."""
    wanted = [(member, group) for member, groups in MEMBER_OF.items() for group in groups]
    found = connection.execute(MEMBERSHIPS, {"logins": list(LOGINS)}).fetchall()
    for member, group, grantor in found:
        if (member, group) not in wanted:
            revoke = sql.SQL("revoke {} from {} granted by {} cascade")
            connection.execute(revoke.format(*map(sql.Identifier, (group, member, grantor))))
    for member, group in wanted:
        grant = sql.SQL("grant {} to {}")
        connection.execute(grant.format(sql.Identifier(group), sql.Identifier(member)))


def _own_and_grant(connection: Connection, owner: str, statements: tuple[str, ...]) -> None:
    """Give every relation to whom it belongs, then say the grants."""
    names = {"owner": owner, "ingest": INGEST, "transform": TRANSFORM}
    for schema, relation, wanted in connection.execute(MISOWNED, names).fetchall():
        connection.execute(
            sql.SQL("alter table {} owner to {}").format(
                sql.Identifier(schema, relation), sql.Identifier(wanted)
            )
        )
    others = [sql.Identifier(login) for login in LOGINS if login != owner]
    filled_in = {
        "database": sql.Identifier(str(connection.info.dbname)),
        "owner": sql.Identifier(owner),
        "others": sql.SQL(", ").join(others),
        **{login: sql.Identifier(login) for login in (INGEST, TRANSFORM, READER)},
    }
    for statement in statements:
        connection.execute(sql.SQL(statement).format(**filled_in))
