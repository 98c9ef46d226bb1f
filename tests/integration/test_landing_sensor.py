"""The landing sensor on Dagster itself, with a real ledger and a topic in memory."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import dagster as dg
import msgspec
import psycopg
import pytest

from kafka_sensors.errors import HoleError
from kafka_sensors.landing import Target, land_waiting
from kafka_sensors.offsets import HOUR, OffsetRange, Watermarks, floor_hour
from kafka_sensors.sensors import build_landing_sensor, is_landing_run

pytestmark = pytest.mark.integration

HOURS = dg.HourlyPartitionsDefinition(start_date="2025-01-01-00:00", end_offset=1)
TABLE = """
create table bronze.readings (
    log_hour timestamptz not null,
    slice_id bigint not null,
    kafka_partition integer not null,
    kafka_offset bigint not null,
    read_at timestamptz not null,
    primary key (log_hour, kafka_partition, kafka_offset, slice_id)
) partition by range (log_hour)
"""


class Reading(msgspec.Struct):
    read_at: int


TARGET = Target(
    topic="readings",
    table="bronze.readings",
    columns={"read_at": "timestamptz"},
    decode=msgspec.json.Decoder(Reading).decode,
    row=lambda reading: (reading.read_at,),
    event_at_s=attrgetter("read_at"),
    earliest_hour=HOURS.start,
)


@dataclass(frozen=True)
class Stored:
    """A message of the topic in memory."""

    at_offset: int
    at: datetime

    def __len__(self) -> int:
        return len(self.value())

    def offset(self) -> int:
        return self.at_offset

    def key(self) -> None:
        return None

    def value(self) -> bytes:
        return b'{"read_at":%d}' % self.at.timestamp()

    def headers(self) -> None:
        return None

    def timestamp(self) -> tuple[int, int]:
        return 1, int(self.at.timestamp() * 1000)


class TopicInMemory:
    """A topic of one partition, and the reader of it."""

    topic = "readings"

    def __init__(self) -> None:
        self.messages: list[Stored] = []
        self.low = 0

    def send(self, at: datetime) -> None:
        self.messages.append(Stored(len(self.messages), at))

    def topic_id(self) -> str:
        return "T1"

    def partitions(self) -> list[int]:
        return [0]

    def watermarks(self, partition: int) -> Watermarks:
        return Watermarks(self.low, len(self.messages))

    def read(self, partition: int, offsets: OffsetRange) -> Generator[list[Stored], None, None]:
        yield self.messages[offsets.start : offsets.end]

    def timestamps_ms(self, positions: Mapping[int, int]) -> dict[int, int]:
        return {part: self.messages[at].timestamp()[1] for part, at in positions.items()}

    def commit(self, positions: Mapping[int, int]) -> None:
        pass


@dataclass(frozen=True)
class Kafka:
    held: TopicInMemory

    @contextmanager
    def reader(self, topic: str) -> Iterator[TopicInMemory]:
        yield self.held


@dataclass(frozen=True)
class Postgres:
    database: str

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(self.database) as connection:
            yield connection


@dg.asset(
    partitions_def=HOURS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    required_resource_keys={"kafka", "postgres"},
)
def readings(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """One row per reading."""
    assert is_landing_run(context.run.tags)
    window = context.partition_time_window
    resources = context.resources
    with resources.kafka.reader("readings") as reader, resources.postgres.connect() as connection:
        landed = land_waiting(
            TARGET,
            reader,
            connection,
            first_hour=window.start.astimezone(UTC),
            last_hour=window.end.astimezone(UTC) - HOUR,
            now=datetime.now(UTC),
            run_id=context.run.run_id,
        )
    for hour in landed:
        context.add_asset_metadata(hour.metadata(), partition_key=hour.partition_key)
    return dg.MaterializeResult()


@dg.asset(deps=[readings], partitions_def=HOURS, backfill_policy=dg.BackfillPolicy.single_run())
def answers(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Downstream of the readings; fails where a run is told to."""
    if "fail" in context.run.tags:
        raise dg.Failure("told to fail", allow_retries=False)
    return dg.MaterializeResult()


landing_job = dg.define_asset_job(
    "landing_job",
    selection=dg.AssetSelection.assets(readings, answers),
    executor_def=dg.in_process_executor,
)
sensor = build_landing_sensor(
    name="readings_landing_sensor", targets=[TARGET], job=landing_job, partitions_def=HOURS
)


class Line:
    """The sensor, its job and an instance to run them on."""

    def __init__(self, instance: dg.DagsterInstance, database: str) -> None:
        self.instance = instance
        self.database = database
        self.topic = TopicInMemory()
        self.resources = {"kafka": Kafka(self.topic), "postgres": Postgres(database)}
        self.definitions = dg.Definitions(
            assets=[readings, answers],
            jobs=[landing_job],
            sensors=[sensor],
            resources=self.resources,
        )

    def tick(self) -> dg.RunRequest | str:
        """Return the request of a tick, or why it makes none, as the daemon sees it."""
        context = dg.build_sensor_context(
            instance=self.instance, resources=self.resources, definitions=self.definitions
        )
        outcome = sensor.evaluate_tick(context)
        if outcome.run_requests:
            (request,) = outcome.run_requests
            return request
        return outcome.skip_message or ""

    def execute(self, request: dg.RunRequest, **tags: str) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_job_def("landing_job").execute_in_process(
            tags={**request.tags, **tags}, instance=self.instance, raise_on_error=False
        )


@pytest.fixture
def line(database: str) -> Iterator[Line]:
    with psycopg.connect(database) as connection:
        connection.execute(TABLE)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Line(instance, database)


def asked_for(outcome: dg.RunRequest | str) -> dg.RunRequest:
    assert isinstance(outcome, dg.RunRequest), outcome
    return outcome


def skipped(outcome: dg.RunRequest | str) -> str:
    assert isinstance(outcome, str), outcome
    return outcome


def test_what_waits_is_asked_for_and_lands_in_one_run(line: Line) -> None:
    assert skipped(line.tick()) == "nothing waits that could land now; readings: 0 in 0 partitions"
    line.topic.send(datetime(2025, 7, 20, 8, 5, tzinfo=UTC))
    line.topic.send(datetime(2025, 7, 20, 9, 59, tzinfo=UTC))
    request = asked_for(line.tick())
    tags = {name: tag for name, tag in request.tags.items() if "sensor_name" not in name}
    assert tags == {
        "dagster/asset_partition_range_start": "2025-07-20-07:00",
        "dagster/asset_partition_range_end": "2025-07-20-09:00",
        "kafka_sensors/landing": "waiting",
    }
    assert request.run_key is None
    result = line.execute(request)
    assert result.success
    materialized = result.asset_materializations_for_node("readings")
    rows = {each.partition: each.metadata["rows"].value for each in materialized if each.metadata}
    assert rows["2025-07-20-08:00"] == 1
    assert rows["2025-07-20-09:00"] == 1
    assert {each.partition for each in result.asset_materializations_for_node("answers")} == {
        "2025-07-20-07:00",
        "2025-07-20-08:00",
        "2025-07-20-09:00",
    }
    assert "nothing waits" in skipped(line.tick())


def test_the_current_hour_is_a_partition(line: Line) -> None:
    now = datetime.now(UTC)
    line.topic.send(now)
    request = asked_for(line.tick())
    assert line.execute(request).success
    assert request.tags["dagster/asset_partition_range_end"] == floor_hour(now).strftime(HOURS.fmt)


def test_one_run_at_a_time(line: Line) -> None:
    line.topic.send(datetime(2025, 7, 20, 8, 5, tzinfo=UTC))
    job = line.definitions.resolve_job_def("landing_job")
    run = line.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert run.run_id in skipped(line.tick())
    line.instance.report_run_canceled(run)
    asked_for(line.tick())


def test_a_run_that_failed_in_vain_is_asked_for_again_after_a_while(line: Line) -> None:
    line.topic.send(datetime(2025, 7, 20, 8, 5, tzinfo=UTC))
    request = asked_for(line.tick())
    with psycopg.connect(line.database) as connection:
        connection.execute("alter table bronze.readings rename to away")
    assert not line.execute(request).success
    assert "the last run failed and landed nothing" in skipped(line.tick())


def test_a_run_that_failed_after_it_landed_delays_nothing(line: Line) -> None:
    line.topic.send(datetime(2025, 7, 20, 8, 5, tzinfo=UTC))
    assert not line.execute(asked_for(line.tick()), fail="yes").success
    line.topic.send(datetime(2025, 7, 20, 8, 6, tzinfo=UTC))
    asked_for(line.tick())


def test_a_hole_fails_the_tick_and_starts_no_run(line: Line) -> None:
    line.topic.send(datetime(2025, 7, 20, 8, 5, tzinfo=UTC))
    assert line.execute(asked_for(line.tick())).success
    line.topic.send(datetime(2025, 7, 20, 8, 6, tzinfo=UTC))
    line.topic.send(datetime(2025, 7, 20, 8, 7, tzinfo=UTC) + timedelta(seconds=1))
    line.topic.low = 2
    with pytest.raises(HoleError, match=r"\[1, 2\) are gone"):
        line.tick()
