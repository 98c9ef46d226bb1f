"""bronze.raw_flights and bronze.raw_polls: where the stream lands, hour by hour of its log."""

from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

import dagster as dg

from flight_assets.assets import OWNERS, STREAM_FRESHNESS
from flight_assets.core import observations, polls
from flight_assets.errors import FlightAssetsError
from flight_assets.partitions import FIRST_HOUR, hour_of, hourly_utc, hours_of_run
from flight_assets.resources import KafkaResource, PostgresResource
from flight_assets.warehouse.brin import summarize
from kafka_sensors.decoding import integers_that_fit
from kafka_sensors.landing import LandedHour, Target, land_waiting
from kafka_sensors.plain import plan_of
from kafka_sensors.replay import replay_hours
from kafka_sensors.sensors import is_landing_run

# What a person calls to accept that messages of a topic are gone.
ACKNOWLEDGE = 'flight-assets holes acknowledge {topic} --by NAME --reason "WHY"'

FLIGHT_COLUMNS = {
    "observed_at": "timestamptz",
    "lat_deg": "float8",
    "lon_deg": "float8",
    "altitude_ft": "int4",
    "ground_speed_kt": "int4",
    "vertical_speed_fpm": "int4",
    "heading_deg": "int4",
    "is_on_ground": "bool",
    "flight_id": "text",
    "poll_id": "text",
    "tile_id": "text",
    "icao24": "text",
    "callsign": "text",
    "flight_number": "text",
    "registration": "text",
    "type_code": "text",
    "airline_icao": "text",
    "origin_iata": "text",
    "destination_iata": "text",
    "squawk": "text",
}
RAW_FLIGHTS = Target(
    topic=observations.POSITIONS_TOPIC,
    table="bronze.raw_flights",
    columns=FLIGHT_COLUMNS,
    decode=observations.decode,
    fitting=integers_that_fit(observations.Observation, FLIGHT_COLUMNS),
    plan=plan_of(observations.Observation, FLIGHT_COLUMNS, event_at="observed_at"),
    row=attrgetter(*FLIGHT_COLUMNS),
    event_at_s=attrgetter("observed_at"),
    earliest_hour=hour_of(FIRST_HOUR),
    acknowledge=ACKNOWLEDGE.format(topic=observations.POSITIONS_TOPIC),
)

POLL_COLUMNS = {
    "poll_id": "text",
    "source": "text",
    "started_at": "timestamptz",
    "ended_at": "timestamptz",
    "observation_count": "int4",
    "refused_count": "int4",
    "duplicate_count": "int4",
    "full_count": "int4",
    "request_count": "int4",
    "tile_count": "int4",
    "saturated_tile_ids": "text[]",
    "failed_tile_ids": "text[]",
}
RAW_POLLS = Target(
    topic=polls.POLLS_TOPIC,
    table="bronze.raw_polls",
    columns=POLL_COLUMNS,
    decode=polls.decode,
    fitting=integers_that_fit(polls.Poll, POLL_COLUMNS),
    row=attrgetter(*POLL_COLUMNS),
    event_at_s=attrgetter("started_at"),
    earliest_hour=hour_of(FIRST_HOUR),
    acknowledge=ACKNOWLEDGE.format(topic=polls.POLLS_TOPIC),
)
TARGETS = {target.topic: target for target in (RAW_FLIGHTS, RAW_POLLS)}


def targets_of(topic: str | None) -> list[Target]:
    """Return the target of a topic, all without one; raises ``FlightAssetsError`` for another."""
    if topic is None:
        return list(TARGETS.values())
    if topic not in TARGETS:
        raise FlightAssetsError(f"'{topic}' is no topic that lands; they are {', '.join(TARGETS)}")
    return [TARGETS[topic]]


# The topics head the lineage; nothing materialises them here, the poller writes them.
topics = [
    dg.AssetSpec(
        key=["kafka", *topic.split(".")],
        group_name="kafka",
        kinds={"kafka"},
        owners=OWNERS,
        description=description,
        metadata={"topic": topic, "partitions": partitions, "contract_version": version},
    )
    for topic, description, partitions, version in (
        (
            observations.POSITIONS_TOPIC,
            "One message per observation, keyed by flight id, published by the poller. The "
            "contract is `flight_assets/core/observations.py`.",
            6,
            observations.CONTRACT_VERSION,
        ),
        (
            polls.POLLS_TOPIC,
            "One message per sweep of the world, published when all of its observations are "
            "acknowledged. The contract is `flight_assets/core/polls.py`.",
            1,
            polls.CONTRACT_VERSION,
        ),
    )
]


@dg.asset(
    key_prefix="bronze",
    group_name="bronze",
    deps=[topics[1].key],
    partitions_def=hourly_utc,
    backfill_policy=dg.BackfillPolicy.single_run(),
    kinds={"kafka", "postgres"},
    owners=OWNERS,
    freshness_policy=STREAM_FRESHNESS,
    pool="landing",
    # before the observations: then those of every landed poll are in what lands after it
    op_tags={"dagster/priority": "1"},
)
def raw_polls(
    context: dg.AssetExecutionContext, kafka: KafkaResource, postgres: PostgresResource
) -> dg.MaterializeResult:
    """One row per sweep of the world, as published to ``flights.polls``."""
    return land(context, RAW_POLLS, kafka, postgres)


@dg.asset(
    key_prefix="bronze",
    group_name="bronze",
    deps=[topics[0].key],
    partitions_def=hourly_utc,
    backfill_policy=dg.BackfillPolicy.single_run(),
    kinds={"kafka", "postgres"},
    owners=OWNERS,
    freshness_policy=STREAM_FRESHNESS,
    pool="landing",
)
def raw_flights(
    context: dg.AssetExecutionContext, kafka: KafkaResource, postgres: PostgresResource
) -> dg.MaterializeResult:
    """One row per observation, as published to ``flights.positions``."""
    return land(context, RAW_FLIGHTS, kafka, postgres)


def land(
    context: dg.AssetExecutionContext,
    target: Target,
    kafka: KafkaResource,
    postgres: PostgresResource,
) -> dg.MaterializeResult:
    """Land what waits in the run's hours; a person's run replays what has landed in them too."""
    hours = hours_of_run(context.run.tags)
    if hours is None:
        raise FlightAssetsError(f"{target.table} lands by the hour: choose its partitions")
    asked = {
        "first_hour": hours.first,
        "last_hour": hours.last,
        "now": datetime.now(UTC),
        "run_id": context.run.run_id,
    }
    landed: list[LandedHour] = []
    with (
        kafka.reader(target.topic) as reader,
        postgres.connect(writes_bronze=True) as connection,
    ):
        if not is_landing_run(context.run.tags):
            landed += replay_hours(target, reader, connection, **asked)
        landed += land_waiting(target, reader, connection, **asked)
        summarize(connection, target.table, [hour.hour for hour in landed])
    for hour in landed:
        context.add_asset_metadata(shown(hour), partition_key=hour.partition_key)
    return dg.MaterializeResult()


def shown(hour: LandedHour) -> dict[str, Any]:
    """Return an hour's metadata as the catalogue shows it: one line a partition."""
    lines = [
        f"{partition}: {', '.join(map(str, ranges))}"
        for partition, ranges in sorted(hour.ranges.items())
    ]
    return {
        **hour.metadata(),
        "offset_ranges": "\n".join(lines),
        "dagster/partition_row_count": hour.row_count,
    }
