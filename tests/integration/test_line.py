"""The line through Dagster on a stack of its own: late data, replays, and answers that follow."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import psycopg
import pytest
from confluent_kafka import Producer

from flight_assets.core import observations
from flight_assets.core.observations import Observation
from flight_assets.feed.client import FeedClient
from flight_assets.feed.rhythm import poll_once
from flight_assets.local import stack
from flight_assets.partitions import partition_key_of
from flight_assets.settings import Settings
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld
from flight_assets.warehouse.connection import connect, conninfo

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
NOW_HOUR = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
FIRST, SECOND = NOW_HOUR - 3 * HOUR, NOW_HOUR - 2 * HOUR
HALF_PAST = timedelta(minutes=30)


@pytest.fixture(scope="module")
def monkeypatch_module() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def settings(monkeypatch_module: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a stack that is up, in the environment too, where the resources read them."""
    home = Path(tempfile.mkdtemp(prefix="flight-assets-line-"))
    home.chmod(0o755)
    own = Settings(flight_assets_home=home, _env_file=None)
    try:
        for name, value in stack.up(own).environment().items():
            monkeypatch_module.setenv(name, value)
        monkeypatch_module.setenv("FEED_SOURCE", "simulated")
        monkeypatch_module.setenv("FEED_REQUESTS_PER_MINUTE", "1000")
        with SimulatorServer(SimulatedWorld(3)) as server:
            monkeypatch_module.setenv("FEED_BASE_URL", server.base_url)
            own = Settings(_env_file=None)
            client = FeedClient.from_settings(own)
            for hour in (FIRST, SECOND):
                server.world.frozen_at_s = int((hour + HALF_PAST).timestamp())
                poll_once(own, client=client)
            yield own
    finally:
        stack.down(Settings(flight_assets_home=home, _env_file=None))
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as found:
        yield found


@pytest.fixture(scope="module")
def warehouse(settings: Settings) -> Iterator[psycopg.Connection]:
    with connect(conninfo(settings), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def answered(instance: dg.DagsterInstance, warehouse: psycopg.Connection) -> list[str]:
    """The line run once: the hours of its runs."""
    from flight_assets.commands.line import build_references, land_and_answer

    build_references(instance)
    return [run.hours for run in land_and_answer(instance)]


def through(warehouse: psycopg.Connection) -> dict[datetime, int]:
    return dict(
        warehouse.execute("select as_of_hour, through_slice_id from gold.answered_hours").fetchall()
    )


def contents(warehouse: psycopg.Connection, hour: datetime) -> dict[str, str]:
    """Return a hash of what each layer holds of an hour, without what names a run."""
    queries = {
        "bronze.raw_flights": "select * from bronze.raw_flights where log_hour = %s",
        "bronze.raw_polls": "select * from bronze.raw_polls where log_hour = %s",
        "silver.flight_states": "select * from silver.flight_states where as_of_hour = %s",
        "gold.answers": "select * from gold.answers where as_of_hour = %s",
    }
    hashes = {}
    for name, query in queries.items():
        rows = warehouse.execute(
            f"select (to_jsonb(t) - 'slice_id')::text as line from ({query}) as t order by line",
            [hour],
        ).fetchall()
        assert rows, name
        hashes[name] = hashlib.sha256(repr(rows).encode()).hexdigest()
    return hashes


def publish_late_observation(settings: Settings, flight_id: str, observed_at: datetime) -> None:
    late = Observation(
        poll_id="late", tile_id="0", flight_id=flight_id, observed_at=int(observed_at.timestamp()),
        lat_deg=50.0, lon_deg=8.0, heading_deg=90, altitude_ft=35_000, ground_speed_kt=450,
        vertical_speed_fpm=0, is_on_ground=False, icao24="3C0001", callsign="DLH1",
        flight_number="LH1", registration="D-AIXX", type_code="A359", airline_icao="DLH",
        origin_iata="FRA", destination_iata="JFK", squawk=None,
    )  # fmt: skip
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers, "acks": "all"})
    producer.produce(
        observations.POSITIONS_TOPIC,
        key=flight_id,
        value=observations.encode(late),
        timestamp=int(time.time() * 1000),
    )
    assert producer.flush(30) == 0


def test_one_run_carries_the_waiting_hours_to_gold(
    answered: list[str], warehouse: psycopg.Connection
):
    assert len(answered) == 1
    assert set(through(warehouse)) == {FIRST, SECOND}
    assert warehouse.execute("select count(*) from gold.stale_hours").fetchone() == (0,)


def test_late_data_makes_its_hour_stale_and_only_that_is_built_again(
    answered: list[str],
    settings: Settings,
    instance: dg.DagsterInstance,
    warehouse: psycopg.Connection,
):
    from flight_assets.commands.line import land_and_answer

    before = through(warehouse)
    publish_late_observation(settings, "0late000", FIRST + HALF_PAST - timedelta(minutes=1))
    runs = list(land_and_answer(instance))
    repaired = [run.hours for run in runs if run.job == "answer_hours_job"]
    assert repaired == [f"{FIRST:%Y-%m-%dT%H} to {FIRST:%Y-%m-%dT%H}"]
    after = through(warehouse)
    assert after[FIRST] > before[FIRST]
    assert after[SECOND] == before[SECOND]
    found = warehouse.execute(
        "select as_of_hour, is_active from silver.flight_states where flight_id = '0late000'"
    ).fetchall()
    assert found == [(FIRST, True)]


def test_materialising_an_hour_again_gives_the_same_rows(
    answered: list[str], instance: dg.DagsterInstance, warehouse: psycopg.Connection
):
    from flight_assets.definitions import defs

    before = contents(warehouse, SECOND)
    slices_before = warehouse.execute(
        "select count(*), max(slice_id) from bronze.landed_slices"
    ).fetchone()
    result = defs.resolve_job_def("land_and_answer_job").execute_in_process(
        instance=instance, partition_key=partition_key_of(SECOND)
    )
    assert result.success
    assert contents(warehouse, SECOND) == before
    slices_after = warehouse.execute(
        "select count(*), max(slice_id) from bronze.landed_slices"
    ).fetchone()
    assert slices_after[0] == slices_before[0]
    assert slices_after[1] > slices_before[1], "a replay lands the slices under newer ids"


def columns_behind(instance: dg.DagsterInstance, key: list[str], column: str) -> set[str]:
    """Return the columns that a column is made of, as Dagster's catalogue has them."""
    event = instance.get_latest_materialization_event(dg.AssetKey(key))
    assert event is not None
    assert event.asset_materialization is not None
    lineage = event.asset_materialization.metadata["dagster/column_lineage"].value
    return {
        f"{dep.asset_key.to_user_string()}.{dep.column_name}"
        for dep in lineage.deps_by_column[column]
    }


@pytest.mark.parametrize(
    ("key", "column", "behind"),
    [
        (["gold", "top_airlines"], "subject", "gold/evidence.subject"),
        (["gold", "evidence"], "subject", "silver/flight_states.airline_icao"),
        (["silver", "flight_states"], "altitude_ft", "silver/flight_positions.altitude_ft"),
        (["silver", "flight_positions"], "altitude_ft", "bronze/raw_flights.altitude_ft"),
    ],
)
def test_a_column_leads_back_to_what_it_is_made_of(
    answered: list[str], instance: dg.DagsterInstance, key: list[str], column: str, behind: str
):
    assert behind in columns_behind(instance, key, column)


def test_a_stale_hour_is_asked_for_once(
    answered: list[str], settings: Settings, instance: dg.DagsterInstance
):
    from flight_assets.automation import stale_hours_sensor
    from flight_assets.resources import resources

    context = dg.build_sensor_context(instance=instance, resources=dict(resources()))
    tick = stale_hours_sensor.evaluate_tick(context)
    assert not tick.run_requests
    assert tick.skip_message == "0 stale hours, none of them due"


def ledger_check_passes(hour: datetime) -> bool:
    """Call the ledger's check of raw_flights as a run over one hour that lands nothing would."""
    from flight_assets.checks import ledger_check
    from flight_assets.resources import resources

    check = ledger_check("raw_flights", "flights.positions")
    tags = {"dagster/partition": partition_key_of(hour)}
    context = SimpleNamespace(run=SimpleNamespace(run_id="by-hand", tags=tags))
    with dg.build_resources({"postgres": resources()["postgres"]}) as opened:
        result = check.op.compute_fn.decorated_fn(context, opened.postgres)
    return result.passed


def test_a_row_that_is_missing_is_noticed_and_a_replay_brings_it_back(
    answered: list[str], instance: dg.DagsterInstance, warehouse: psycopg.Connection
):
    from flight_assets.definitions import defs

    before = contents(warehouse, SECOND)
    warehouse.execute(
        "delete from bronze.raw_flights where log_hour = %s and kafka_partition = 0 "
        "and kafka_offset = (select max(kafka_offset) from bronze.raw_flights "
        "where log_hour = %s and kafka_partition = 0)",
        [SECOND, SECOND],
    )
    assert not ledger_check_passes(SECOND)
    defs.resolve_job_def("land_and_answer_job").execute_in_process(
        instance=instance, partition_key=partition_key_of(SECOND)
    )
    assert ledger_check_passes(SECOND)
    assert contents(warehouse, SECOND) == before


def test_the_poll_job_publishes_a_poll(settings: Settings, instance: dg.DagsterInstance):
    from flight_assets.definitions import defs

    result = defs.resolve_job_def("poll_job").execute_in_process(instance=instance)
    [output] = [e for e in result.all_events if e.event_type_value == "STEP_OUTPUT"]
    metadata = output.event_specific_data.metadata
    assert metadata["observations"].value > 10_000
    assert metadata["failed_tiles"].value == 0
