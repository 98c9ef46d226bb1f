"""What the statements of a build read: each of them explained again, as dbt sent it.

The statements of a node run once more in one transaction that is rolled back, each under
EXPLAIN ANALYZE and under the settings of the pre-hooks before it. What counts is how many rows a
scan reads of a table that grows with history, whatever the node of the plan is called: a sequential
scan is one way to read everything, an index without a condition is another.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import psycopg
import sqlparse

from benchmarks.modelling_world import HOUR, Warehouse

EXPLAINED = re.compile(
    r"(select|with|insert|delete|update|merge|create (temporary |temp )?table [^;]*? as)\b",
    re.IGNORECASE | re.DOTALL,
)
OF_TRANSACTIONS = re.compile(r"(begin|commit|rollback)\b", re.IGNORECASE)
BRONZE_HOUR = {
    "bronze.raw_flights": "log_hour",
    "bronze.raw_polls": "started_at",
    "bronze.landed_slices": "log_hour",
    "bronze.slice_event_hours": "event_hour",
}
PARTITION = re.compile(r"_p\d{8}$")
# Where a few blocks hold the whole table, reading them is the best plan.
SMALL_ROWS = 10_000
LEAST_ALLOWED = 100
# Of a table without an hour in it, such as one of flights that last over several.
LARGEST_SHARE = 0.05
# BRIN finds ranges of blocks, and the 15 minutes before the instant may lie in the hour before.
SLACK = 2.0


@dataclass(frozen=True)
class Scan:
    """What a node of a plan read of one table, by the turn where it ran once for each row."""

    node: str
    statement: str
    table: str  # the parent, where it is a partition
    is_partition: bool
    kind: str
    row_count: int


@dataclass(frozen=True)
class Growing:
    """A table that grows with history, and the rows of it that a build of the hour may read."""

    table: str
    row_count: int
    allowed_count: int


def scans_of(
    connection: psycopg.Connection[Any], node: str, statements: Sequence[str]
) -> list[Scan]:
    """Return every scan of a node's statements; nothing that they do stays."""
    found: list[Scan] = []
    with connection.transaction(force_rollback=True):
        for text in statements:
            for statement in sqlparse.split(sqlparse.format(text, strip_comments=True)):
                found += together(scans_in(connection, node, statement))
    return found


def together(scans: Iterable[Scan]) -> list[Scan]:
    """Return the scans with those of one table's partitions added up."""
    whole = [scan for scan in scans if not scan.is_partition]
    parts: dict[str, list[Scan]] = {}
    for scan in scans:
        if scan.is_partition:
            parts.setdefault(scan.table, []).append(scan)
    return whole + [
        replace(
            same[0],
            kind=" + ".join(sorted({scan.kind for scan in same})),
            row_count=sum(scan.row_count for scan in same),
        )
        for same in parts.values()
    ]


def scans_in(connection: psycopg.Connection[Any], node: str, statement: str) -> list[Scan]:
    """Run a statement, explained where that is possible; return its scans."""
    if OF_TRANSACTIONS.match(statement):
        return []
    if not EXPLAINED.match(statement):
        connection.execute(statement.encode())
        return []
    explain = f"explain (analyze, verbose, timing off, format json) {statement}"
    explained = connection.execute(explain.encode()).fetchone()
    steps = walk(explained[0][0]["Plan"] if explained else {})
    return [scan_from(step, node, statement) for step in steps if is_scan(step)]


def is_scan(step: Mapping[str, Any]) -> bool:
    """Return whether a step of a plan reads a table, not whether it writes one."""
    return "Relation Name" in step and "Schema" in step and step["Node Type"] != "ModifyTable"


def scan_from(step: Mapping[str, Any], node: str, statement: str) -> Scan:
    """Return what a step read each time that it ran: also the rows that it threw away."""
    thrown = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    rows = step["Actual Rows"] + sum(step.get(name, 0) for name in thrown)
    name = step["Relation Name"]
    return Scan(
        node=node,
        statement=statement,
        table=f"{step['Schema']}.{PARTITION.sub('', name)}",
        is_partition=PARTITION.search(name) is not None,
        kind=step["Node Type"],
        row_count=round(rows),
    )


def walk(step: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give a step of a plan and all steps under it."""
    yield step
    for child in step.get("Plans", ()):
        yield from walk(child)


def growing_tables(
    warehouse: Warehouse, hour: datetime, models: Iterable[str]
) -> dict[str, Growing]:
    """Return bronze and the hourly models with what a build of the hour may read of each."""
    found = {}
    with warehouse.connect() as connection:
        for table in (*BRONZE_HOUR, *models):
            column = BRONZE_HOUR.get(table) or hour_column(connection, table)
            total = count(connection, table)
            share = round(total * LARGEST_SHARE)
            if column is not None:
                within = f"where {column} >= %(first)s and {column} < %(end)s"
                hours = {"first": hour - HOUR, "end": hour + HOUR}
                share = round(count(connection, table, within, hours) * SLACK)
            found[table] = Growing(table, total, max(share, LEAST_ALLOWED))
    return found


def count(
    connection: psycopg.Connection[Any],
    table: str,
    where: str = "",
    parameters: Mapping[str, Any] | None = None,
) -> int:
    """Return how many rows a table has."""
    query = f"select count(*) from {table} {where}"
    return int(connection.execute(query.encode(), parameters).fetchone()[0])  # type: ignore[index]


def hour_column(connection: psycopg.Connection[Any], table: str) -> str | None:
    """Return the column that says which hour a row of a model belongs to, if there is one."""
    named = connection.execute(
        "select attname from pg_attribute "
        "where attrelid = %s::regclass and attname in ('as_of_hour', 'quarter_at')",
        [table],
    ).fetchone()
    return None if named is None else str(named[0])


def too_much(scans: Iterable[Scan], tables: Mapping[str, Growing]) -> list[Scan]:
    """Return the scans that read more than the hour, the largest first: history."""
    found = [scan for scan in scans if scan.row_count > tables[scan.table].allowed_count]
    return sorted(found, key=lambda scan: -scan.row_count)


def check(
    warehouse: Warehouse,
    hour: datetime,
    models: Iterable[str],
    statements: Mapping[str, Sequence[str]],
) -> tuple[list[Scan], list[Scan]]:
    """Return all scans of the tables that grow, and those of them that read history.

    Small tables are asked a second time without sequential scans: as they grow, the planner turns
    to an index, where there is one that leads to the hour.
    """
    tables = growing_tables(warehouse, hour, models)
    small = {name for name, table in tables.items() if table.row_count < SMALL_ROWS}
    scans: list[Scan] = []
    for is_small in (False, True):
        with warehouse.connect() as connection:
            if is_small:
                connection.execute("set enable_seqscan = off")
            for node, texts in statements.items():
                found = scans_of(connection, node, texts)
                scans += [s for s in found if s.table in tables and (s.table in small) == is_small]
    return scans, too_much(scans, tables)
