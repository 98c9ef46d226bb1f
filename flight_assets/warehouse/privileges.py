"""Who may do what in Postgres: the logins, and every kind of act beside those who may do it.

``warehouse.roles`` grants it, the tests try each act as each login, and docs/security.md shows it.
"""

from dataclasses import dataclass

OWNER, INGEST, TRANSFORM = "flight_assets_owner", "ingest", "transform"
READER, DAGSTER, BACKUP = "reader", "dagster", "backup"

# What each login is for.
LOGINS = {
    OWNER: "migrations: it owns the database, and is a member of `ingest` and `transform`",
    INGEST: "landing: writes bronze and its ledger, and makes and drops the days of its tables",
    TRANSFORM: "dbt, checks and sensors: reads bronze, owns what is in silver and gold",
    READER: "people and dashboards: reads silver and gold",
    DAGSTER: "Dagster's own records, in a database of its own",
    BACKUP: "base backups and the log, by the replication protocol",
}
WRITERS = (OWNER, INGEST, TRANSFORM, READER)  # what the warehouse lets in at all


@dataclass(frozen=True, kw_only=True)
class Act:
    """One kind of act: SQL that does it in a database, and the logins that may."""

    what: str
    statement: str
    may: tuple[str, ...]
    in_dagster: bool = False  # in Dagster's database, otherwise in the warehouse


# A day that nothing lands in, made as landing makes it and dropped as retention drops it.
NEW_DAY = """
create table bronze.raw_flights_p19990101 (like bronze.raw_flights including all);
alter table bronze.raw_flights attach partition bronze.raw_flights_p19990101
    for values from ('1999-01-01') to ('1999-01-02');
drop table bronze.raw_flights_p19990101
"""
COPY_OUT = "copy (select 1) to program 'true'"

# gold.answered_hours and silver.airports stand for what dbt has made in their layers.
ACTS = (
    Act(what="connect to the warehouse", statement="select 1", may=WRITERS),
    Act(
        what="read bronze",
        statement="select count(*) from bronze.raw_flights, bronze.landed_slices where false",
        may=(OWNER, INGEST, TRANSFORM),
    ),
    Act(
        what="write to the ledger",
        statement="select nextval(pg_get_serial_sequence('bronze.landed_slices', 'slice_id')); "
        "delete from bronze.landed_slices where false",
        may=(OWNER, INGEST),
    ),
    Act(
        what="write raw tables and references",
        statement="delete from bronze.raw_polls where false; "
        "update bronze.raw_airports set city = city where false",
        may=(OWNER, INGEST),
    ),
    Act(what="make and drop a day of a raw table", statement=NEW_DAY, may=(OWNER, INGEST)),
    Act(
        what="change or drop the ledger",
        statement="alter table bronze.landed_slices add column more int",
        may=(OWNER,),
    ),
    Act(
        what="read silver and gold",
        statement="select count(*) from silver.airports, gold.answered_hours where false",
        may=(OWNER, TRANSFORM, READER),
    ),
    Act(
        what="write silver and gold",
        statement="delete from silver.airports where false; delete from gold.answered_hours "
        "where false",
        may=(OWNER, TRANSFORM),
    ),
    Act(
        what="make and drop tables of silver and gold",
        statement="create table silver.more (); drop table gold.answered_hours cascade",
        may=(OWNER, TRANSFORM),
    ),
    Act(
        what="make temporary tables",
        statement="create temporary table passing ()",
        may=(OWNER, TRANSFORM),
    ),
    Act(
        what="read which migration there is",
        statement="select version_num from public.alembic_version",
        may=(OWNER, INGEST, TRANSFORM),
    ),
    Act(what="make a table in public", statement="create table public.more ()", may=(OWNER,)),
    Act(what="make a schema", statement="create schema more", may=(OWNER,)),
    Act(what="make a login", statement="create role more login", may=()),
    Act(what="read the passwords of others", statement="table pg_authid", may=()),
    Act(what="read the server's files", statement="select pg_read_file('PG_VERSION')", may=()),
    Act(what="run programs on the server", statement=COPY_OUT, may=()),
    Act(
        what="connect to Dagster's database",
        statement="select 1",
        may=(DAGSTER,),
        in_dagster=True,
    ),
    Act(
        what="make, write and drop Dagster's tables",
        statement="create table more (); alter table runs add column more int; drop table runs",
        may=(DAGSTER,),
        in_dagster=True,
    ),
)


def as_markdown() -> str:
    """Return the table of acts and logins as docs/security.md has it."""
    lines = [
        "| | " + " | ".join(f"`{login}`" for login in LOGINS) + " |",
        "|---|" + "---|" * len(LOGINS),
    ]
    for act in ACTS:
        marks = ["yes" if login in act.may else "no" for login in LOGINS]
        lines.append(f"| {act.what} | " + " | ".join(marks) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown())
