"""What a build of one hour reads of the tables that grow: the hour, whatever was before it.

Every statement that dbt sends is explained as it ran, on six days of history. What counts is the
rows that a scan reads, so that an index that is walked from end to end is found out as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from benchmarks.modelling_builds import Builder, BuildError, Built, history_tables
from benchmarks.modelling_plans import Scan, check
from benchmarks.modelling_world import FIRST_SLICE_ID, HOUR, MEASURED_HOUR, Warehouse
from flight_assets.warehouse.migrate import create_database_if_missing, migrate

pytestmark = pytest.mark.integration

AIRCRAFT = 600
TWO_POLLS = (29, 59)
THE_HOUR = f"as_of_hour = '{MEASURED_HOUR.isoformat()}'"
A_DAY_LATER = MEASURED_HOUR + 24 * HOUR
AN_HOUR_LATER = f"timestamptz '{(MEASURED_HOUR + HOUR).isoformat()}'"


@dataclass(frozen=True)
class Answered:
    """A warehouse with six days of history, the build of the hour after them, and its tables."""

    builder: Builder
    built: Built
    tables: list[str]

    @property
    def warehouse(self) -> Warehouse:
        return self.builder.warehouse

    def history_read_by(self, *statements: str) -> list[Scan]:
        """Return what of history the statements would read as a node of the build."""
        nodes = {"test.of.this": statements}
        return check(self.warehouse, MEASURED_HOUR, self.tables, nodes)[1]


@pytest.fixture(scope="module")
def answered(server_conninfo: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answered]:
    warehouse = Warehouse(make_conninfo(server_conninfo, dbname="plans"), AIRCRAFT)
    create_database_if_missing(warehouse.conninfo)
    migrate(warehouse.conninfo)
    builder = Builder(warehouse, Path(tmp_path_factory.mktemp("dbt")))
    with warehouse.connect() as connection:
        begin = f"alter column slice_id restart with {FIRST_SLICE_ID}"
        connection.execute(f"alter table bronze.landed_slices {begin}".encode())
    warehouse.fetch_references()
    builder.build_references()
    warehouse.land(MEASURED_HOUR - 24 * HOUR, 24 * 60, with_rows=TWO_POLLS)
    builder.build(MEASURED_HOUR - 24 * HOUR, 24)
    tables = history_tables(builder)
    warehouse.copy_days(5, tables)
    warehouse.land(MEASURED_HOUR, 60, with_rows=TWO_POLLS)
    builder.build(MEASURED_HOUR)
    yield Answered(builder, builder.build(MEASURED_HOUR), tables)
    warehouse.drop()


def test_no_statement_of_a_build_reads_history(answered: Answered) -> None:
    scans, history = check(
        answered.warehouse, MEASURED_HOUR, answered.tables, answered.built.statements
    )
    assert [(scan.node, scan.table, scan.kind, scan.row_count) for scan in history] == []
    # the check has seen what it is about: each step of the way, from bronze to gold
    seen = {(scan.node.split(".")[2], scan.table) for scan in scans}
    assert ("flight_states", "bronze.raw_flights") in seen
    assert ("as_of_hours", "bronze.raw_polls") in seen
    assert ("top_airlines", "silver.flight_states") in seen
    assert ("answered_hours", "silver.as_of_hours") in seen


@pytest.mark.parametrize(
    "statement",
    [
        "select count(*) from silver.flight_states",
        "select max(lat_deg) from bronze.raw_flights",
        # what an index cannot be asked
        f"delete from silver.flight_states where as_of_hour + interval '1 hour' = {AN_HOUR_LATER}",
        "create temporary table t as (select * from silver.flight_states where is_active)",
        f"select * from silver.as_of_hours where as_of_hour + interval '1 hour' = {AN_HOUR_LATER}",
        # every row, by an index
        "set local enable_seqscan = off; select count(as_of_hour) from silver.flight_states",
    ],
)
def test_a_statement_that_reads_history_is_found(answered: Answered, statement: str) -> None:
    assert answered.history_read_by(statement)


def test_a_statement_that_reads_its_hour_is_no_finding(answered: Answered) -> None:
    assert answered.history_read_by(f"select * from silver.flight_states where {THE_HOUR}") == []


def test_an_index_that_is_missing_is_found_while_the_table_is_small(answered: Answered) -> None:
    statement = f"select * from silver.as_of_hours where {THE_HOUR}"
    assert answered.history_read_by(statement) == []
    with answered.warehouse.connect() as connection:
        indexes = connection.execute(
            "select indexrelid::regclass::text from pg_index "
            "where indrelid = 'silver.as_of_hours'::regclass"
        ).fetchall()
    assert indexes
    drops = [f"drop index {name}" for (name,) in indexes]
    found = answered.history_read_by(*drops, statement)
    assert [scan.table for scan in found] == ["silver.as_of_hours"]


def test_a_state_of_an_hour_that_nobody_knows_is_found(answered: Answered) -> None:
    known = "relationships_flight_states_as_of_hour__as_of_hour__ref_as_of_hours_"
    move = "update silver.as_of_hours set as_of_hour = as_of_hour {} interval '1 year' where {}"
    with answered.warehouse.connect() as connection:
        connection.execute(move.format("+", THE_HOUR).encode())
        with pytest.raises(BuildError, match=known):
            answered.builder.on_hours("test", MEASURED_HOUR, 1, "--select", known)
        connection.execute(move.format("-", f"as_of_hour > '{A_DAY_LATER.isoformat()}'").encode())
        answered.builder.on_hours("test", MEASURED_HOUR, 1, "--select", known)
