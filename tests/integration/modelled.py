"""A warehouse with hand-made bronze rows and the dbt project over it, for the tests of the models.

References are stand-ins: the columns that the hourly models read of their histories, each with one
version that counts on every day.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from dbt.cli.main import dbtRunner, dbtRunnerResult
from dbt.contracts.graph.manifest import Manifest
from psycopg import sql

from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.core.polls import POLLS_TOPIC
from flight_assets.settings import PROJECT_ROOT
from kafka_sensors.decoding import event_hours

EIGHT = datetime(2025, 7, 20, 8, tzinfo=UTC)
NINE = EIGHT + timedelta(hours=1)
EMPTY_BRONZE = """
truncate bronze.landed_slices, bronze.slice_event_hours, bronze.raw_flights, bronze.raw_polls;
truncate bronze.rejected_messages, bronze.pruned_days;
"""
STAND_INS = """
drop schema if exists silver cascade;
drop schema if exists gold cascade;
create schema silver;
create schema gold;
create table silver.airports_history (
    airport_icao text, airport_iata text, airport_name text, country_code text,
    continent_code text, lat_deg double precision, lon_deg double precision,
    dbt_valid_from timestamptz default '2025-01-01Z', dbt_valid_to timestamptz);
insert into silver.airports_history values
    ('WSSS', 'SIN', 'Singapore Changi', 'SG', 'AS', 1.35019, 103.994),
    ('KJFK', 'JFK', 'New York JFK', 'US', 'NA', 40.6398, -73.7789),
    ('EDDF', 'FRA', 'Frankfurt', 'DE', 'EU', 50.0264, 8.54313),
    ('EGLL', 'LHR', 'London Heathrow', 'GB', 'EU', 51.4706, -0.461941);
create view silver.airports as select * from silver.airports_history where dbt_valid_to is null;
create table silver.airlines_history (
    airline_icao text, airline_name text, country_code text,
    country_source text default 'airline_countries',
    dbt_valid_from timestamptz default '2025-01-01Z', dbt_valid_to timestamptz);
insert into silver.airlines_history values
    ('SIA', 'Singapore Airlines', 'SG'), ('DLH', 'Lufthansa', 'DE'), ('CFG', 'Condor', 'DE');
create table silver.aircraft_types_history (
    type_code text, manufacturer text, model text,
    dbt_valid_from timestamptz default '2025-01-01Z', dbt_valid_to timestamptz);
insert into silver.aircraft_types_history values
    ('A359', 'Airbus', 'A350-900'), ('A20N', 'Airbus', 'A320neo');
create table silver.countries (country_code text, country_name text, continent_code text);
insert into silver.countries values ('SG', 'Singapore', 'AS'), ('DE', 'Germany', 'EU');
"""
RESET = EMPTY_BRONZE + STAND_INS
PARTITION = """
create table if not exists bronze.{table} partition of bronze.{parent}
for values from ({first}) to ({end})
"""
FLIGHTS = """
insert into bronze.raw_flights (
    log_hour, observed_at, slice_id, kafka_offset, kafka_partition, lat_deg, lon_deg, altitude_ft,
    ground_speed_kt, is_on_ground, flight_id, poll_id, tile_id, icao24, callsign, airline_icao,
    registration, type_code, origin_iata, destination_iata
) values (
    %(log_hour)s, %(observed_at)s, %(slice_id)s, %(kafka_offset)s, 0, %(lat_deg)s, %(lon_deg)s,
    %(altitude_ft)s, %(ground_speed_kt)s, %(is_on_ground)s, %(flight_id)s, %(poll_id)s, 't',
    %(icao24)s, %(callsign)s, %(airline_icao)s, %(registration)s, %(type_code)s, %(origin_iata)s,
    %(destination_iata)s
)
"""
POLLS = """
insert into bronze.raw_polls values (
    %(log_hour)s, %(slice_id)s, %(kafka_offset)s, 0, %(poll_id)s, 'simulated', %(started_at)s,
    %(ended_at)s, 4, 0, 0, 4, 1, 1, '{}', '{}'
)
"""
SLICE = """
insert into bronze.landed_slices (
    topic, topic_id, kafka_partition, start_offset, end_offset, log_hour, row_count
)
select %(topic)s, 't', 0, coalesce(max(end_offset), 0), coalesce(max(end_offset), 0) + %(rows)s,
    %(log_hour)s, %(rows)s
from bronze.landed_slices where topic = %(topic)s
returning slice_id, start_offset
"""
EVENT_HOURS = """
insert into bronze.slice_event_hours values (
    %(slice_id)s, %(hour)s, %(first_at)s, %(last_at)s, %(row_count)s
)
"""


def hour_of(instant: datetime) -> datetime:
    """Return the hour that the instant lies in."""
    return instant.replace(minute=0, second=0, microsecond=0)


def flight(flight_id: str, observed_at: datetime, **fields: Any) -> dict[str, Any]:
    """Return an observation of an airborne flight from Singapore to New York, as told otherwise."""
    usual = {
        "poll_id": "p",
        "lat_deg": 1.0,
        "lon_deg": 1.0,
        "altitude_ft": 35_000,
        "icao24": None,
        "callsign": None,
        "is_on_ground": False,
        "airline_icao": "SIA",
        "registration": "9V-SGA",
        "type_code": "A359",
        "origin_iata": "SIN",
        "destination_iata": "JFK",
        "ground_speed_kt": 480,
    }
    return usual | {"flight_id": flight_id, "observed_at": observed_at} | fields


@dataclass(frozen=True)
class Modelled:
    """The database, its dbt project parsed once, and where dbt keeps its files."""

    connection: psycopg.Connection[Any]
    manifest: Manifest
    target: Path

    def reset(self) -> None:
        """Empty bronze, drop all models, and put the stand-ins of the references there."""
        self.connection.execute(RESET)

    def land(self, rows: Sequence[dict[str, Any]], *, log_hour: datetime | None = None) -> int:
        """Land the observations as one slice; return its id."""
        events = [row["observed_at"] for row in rows]
        return self._land(POSITIONS_TOPIC, FLIGHTS, rows, events, log_hour)

    def land_poll(self, started_at: datetime, ended_at: datetime) -> int:
        """Land a poll as one slice; return its id."""
        row = {"poll_id": str(started_at), "started_at": started_at, "ended_at": ended_at}
        return self._land(POLLS_TOPIC, POLLS, [row], [started_at], None)

    def _land(
        self,
        topic: str,
        insert: str,
        rows: Sequence[dict[str, Any]],
        events: list[datetime],
        log_hour: datetime | None,
    ) -> int:
        hour = log_hour or hour_of(max(events))
        for table in ("raw_flights", "raw_polls"):
            self.create_partition(table, hour)
        place = {"topic": topic, "rows": len(rows), "log_hour": hour}
        slice_id, offset = self.connection.execute(SLICE, place).fetchone() or (0, 0)
        for stretch in event_hours([int(event.timestamp()) for event in events]):
            self.connection.execute(EVENT_HOURS, asdict(stretch) | {"slice_id": slice_id})
        for number, row in enumerate(rows):
            origin = {"log_hour": hour, "slice_id": slice_id, "kafka_offset": offset + number}
            self.connection.execute(insert, row | origin)
        return int(slice_id)

    def create_partition(self, table: str, instant: datetime) -> None:
        """Create the day partition that the instant lands in, if it is missing."""
        day = instant.replace(hour=0, minute=0, second=0)
        names = {
            "table": sql.Identifier(f"{table}_p{day:%Y%m%d}"),
            "parent": sql.Identifier(table),
            "first": sql.Literal(day.isoformat()),
            "end": sql.Literal((day + timedelta(days=1)).isoformat()),
        }
        self.connection.execute(sql.SQL(PARTITION).format(**names))

    def dbt(self, *arguments: str, **dbt_vars: Any) -> dbtRunnerResult:
        """Call dbt in this process."""
        places = ["--project-dir", str(PROJECT_ROOT / "dbt_project"), "--profiles-dir"]
        places += [str(PROJECT_ROOT / "dbt_project"), "--target-path", str(self.target)]
        quiet = ["--log-path", str(self.target), "--quiet", "--vars", json.dumps(dbt_vars)]
        return dbtRunner(manifest=self.manifest).invoke([*arguments, *places, *quiet])

    def build(self, first: datetime, hours: int = 1, *options: str) -> dbtRunnerResult:
        """Build the hourly models of the hours, as a run does: through the newest slice."""
        newest = "select coalesce(max(slice_id), 0) from bronze.landed_slices"
        through = self.connection.execute(newest).fetchone() or (0,)
        return self.dbt(
            *("build", "--select", "tag:hourly", "--exclude-resource-type", "unit_test", *options),
            from_hour=f"{first:%Y-%m-%dT%H}:00:00Z",
            to_hour=f"{first + timedelta(hours=hours):%Y-%m-%dT%H}:00:00Z",
            through_slice_id=through[0],
            run_id="test",
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self.connection.execute(query.encode()).fetchall()


def land_two_hours(modelled: Modelled) -> None:
    """Land a poll at the end of hour 8 and one of hour 9, four flights each, one on the ground."""
    for hour in (EIGHT, NINE):
        seen = hour + timedelta(minutes=59)
        modelled.land(
            [
                flight("a", seen),
                flight("a", seen),  # the feed repeats itself
                flight("b", seen, airline_icao="DLH", type_code="A20N", origin_iata="FRA"),
                flight("c", seen, is_on_ground=True),
                flight(
                    "d",
                    seen,
                    airline_icao="DLH",
                    type_code="A20N",
                    origin_iata="FRA",
                    destination_iata="LHR",
                    ground_speed_kt=401,
                ),
            ]
        )
        modelled.land_poll(seen, seen + timedelta(seconds=20))


def plan_of(modelled: Modelled, built: dbtRunnerResult, model: str) -> dict[str, Any]:
    """Return the plan of a model as it ran: its SQL under the settings of its pre-hooks."""
    results = built.result.results  # type: ignore[union-attr]
    node = next(result.node for result in results if result.node.name == model)
    settings = [hook.sql for hook in node.config.pre_hook if hook.sql.startswith("set local")]
    with modelled.connection.transaction():
        for setting in settings:
            modelled.connection.execute(setting)
        explained = modelled.rows(f"explain (analyze, format json) {node.compiled_code}")
    return explained[0][0][0]["Plan"]


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Give the node of a plan and all nodes under it."""
    yield node
    for child in node.get("Plans", []):
        yield from walk(child)
