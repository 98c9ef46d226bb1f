"""Asset checks in Python: claims over the ledger, the stream and the answers of a run's hours.

What SQL can say about one model is a dbt test beside that model.
"""

from typing import Any

import dagster as dg

from flight_assets.core.repairs import HourRange
from flight_assets.partitions import hours_of_run
from flight_assets.resources import PostgresResource

BROKEN_CHAINS = """
select topic, kafka_partition, start_offset, last_end
from (
    select topic, kafka_partition, start_offset, lag(end_offset) over (
        partition by topic, topic_id, kafka_partition order by start_offset
    ) as last_end
    from bronze.landed_slices
    where topic = %(topic)s
) as chain
where start_offset <> last_end
order by topic, kafka_partition, start_offset
limit 10
"""

# By the key of the table: it costs what the run brought, not the hour so far.
MISCOUNTED_SLICES = """
select slice_id, slices.row_count, table_rows, rejected_count, table_rejected
from bronze.landed_slices as slices
cross join lateral (
    select count(*) as table_rows from {table} as landed
    where landed.log_hour = slices.log_hour
    and landed.kafka_partition = slices.kafka_partition
    and landed.kafka_offset >= slices.start_offset
    and landed.kafka_offset < slices.end_offset
) as landed
cross join lateral (
    select count(*) as table_rejected from bronze.rejected_messages as rejected
    where rejected.log_hour = slices.log_hour
    and rejected.topic = slices.topic
    and rejected.kafka_partition = slices.kafka_partition
    and rejected.kafka_offset >= slices.start_offset
    and rejected.kafka_offset < slices.end_offset
) as rejected
where
    slices.topic = %(topic)s and kind = 'landed'
    and (run_id = %(run_id)s or log_hour between %(first)s and %(last)s and not %(has_landed)s)
    and (slices.row_count <> table_rows or rejected_count <> table_rejected)
order by slice_id
limit 10
"""

RUN_HAS_LANDED = """
select exists (
    select from bronze.landed_slices where run_id = %(run_id)s and topic = %(topic)s
) as has_landed
"""

REJECTED_BY_REASON = """
select reason, count(*) as messages, min(detail) as example
from bronze.rejected_messages
where topic = 'flights.positions' and log_hour between %(first)s and %(last)s
group by reason
order by messages desc
limit 20
"""
LANDED_ROWS = """
select coalesce(sum(row_count), 0)::bigint as rows
from bronze.landed_slices
where topic = 'flights.positions' and log_hour between %(first)s and %(last)s
"""

OFF_EARTH = """
select count(*) as positions
from silver.flight_states
where as_of_hour between %(first)s and %(last)s
and not (lat_deg between -90 and 90 and lon_deg between -180 and 180)
"""

COVERAGE = """
select as_of_hour, coverage_pct, saturated_tile_count, failed_tile_count
from silver.as_of_hours
where as_of_hour between %(first)s and %(last)s
order by as_of_hour
"""

# Of the active flights that name a code, how many have one that the references know.
MATCHES = """
select
    count(origin_iata) + count(destination_iata) as airport_codes,
    count(origin_icao) + count(destination_icao) as airports_matched,
    count(airline_icao) as airline_codes,
    count(airline_country_code) as airlines_matched,
    count(type_code) as type_codes,
    count(model) as types_matched
from silver.flight_states
where as_of_hour between %(first)s and %(last)s and is_active
"""
UNMATCHED = """
select kind, code, count(*) as flights
from silver.flight_states
cross join lateral (values
    ('airport', origin_iata, origin_icao),
    ('airport', destination_iata, destination_icao),
    ('airline', airline_icao, airline_country_code),
    ('type', type_code, model)
) as named (kind, code, matched)
where as_of_hour between %(first)s and %(last)s and is_active
and code is not null and matched is null
group by kind, code
order by flights desc, kind, code
limit 20
"""

UNANSWERED = """
select as_of_hour, as_of_at, newest_slice_id, answered_through_slice_id
from gold.stale_hours
where as_of_hour between %(first)s and %(last)s
order by as_of_hour
limit 24
"""

MIN_MATCH_RATIO = 0.95  # of the flights that name a code
MAX_REJECTED_RATIO = 0.01
MIN_COVERAGE_PCT = 99  # the sky itself changes by some flights while a poll sweeps it


def query(postgres: PostgresResource, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    """Return the rows of a query by column name."""
    from psycopg.rows import dict_row

    with postgres.connect() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(sql, parameters).fetchall()


def window(context: dg.AssetCheckExecutionContext, postgres: PostgresResource) -> dict[str, Any]:
    """Return the first and last hour to look at: the run's, or the newest that has a poll."""
    hours = hours_of_run(context.run.tags)
    if hours is None:
        newest = query(
            postgres,
            "select coalesce(date_trunc('hour', max(started_at), 'UTC'), now()) as hour "
            "from bronze.raw_polls",
        )[0]["hour"]
        hours = HourRange(first=newest, last=newest)
    return {"first": hours.first, "last": hours.last}


def table(rows: list[dict[str, Any]]) -> dg.MetadataValue:
    """Return rows as metadata that the UI shows as they are."""
    return dg.MetadataValue.json([{name: str(value) for name, value in r.items()} for r in rows])


def ledger_check(asset: str, topic: str) -> dg.AssetChecksDefinition:
    """Return the check that a topic's ledger is one chain and counts what its table holds."""

    @dg.asset_check(
        asset=["bronze", asset],
        name="ledger_is_contiguous",
        blocking=True,
        description=(
            f"Each slice of {topic} starts where the last one ended, and what the ledger counts is "
            "what the tables hold. When it fails, turn the landing sensor off and compare the "
            "slices that it names with the topic; materialising their hour lands them again."
        ),
    )
    def ledger_is_contiguous(
        context: dg.AssetCheckExecutionContext, postgres: PostgresResource
    ) -> dg.AssetCheckResult:
        run = {"topic": topic, "run_id": context.run.run_id}
        has_landed = query(postgres, RUN_HAS_LANDED, **run)[0]["has_landed"]
        broken = query(postgres, BROKEN_CHAINS, topic=topic)
        miscounted = query(
            postgres,
            MISCOUNTED_SLICES.format(table=f"bronze.{asset}"),
            **run,
            **window(context, postgres),
            has_landed=has_landed,
        )
        return dg.AssetCheckResult(
            passed=not broken and not miscounted,
            metadata={"broken_chains": table(broken), "miscounted_slices": table(miscounted)},
        )

    return ledger_is_contiguous


@dg.asset_check(
    asset=["bronze", "raw_flights"],
    description=(
        f"At most {MAX_REJECTED_RATIO:.0%} of the messages of the hours broke the contract. When "
        "it warns, look at the reasons here and at the bytes in bronze.rejected_messages."
    ),
)
def few_messages_are_rejected(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Compare the rejected messages of the hours with all of them."""
    hours = window(context, postgres)
    by_reason = query(postgres, REJECTED_BY_REASON, **hours)
    rejected = sum(reason["messages"] for reason in by_reason)
    landed = query(postgres, LANDED_ROWS, **hours)[0]["rows"]
    ratio = rejected / (landed + rejected) if landed + rejected else 0.0
    return dg.AssetCheckResult(
        passed=ratio <= MAX_REJECTED_RATIO,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "rejected_ratio": ratio,
            "rejected": rejected,
            "landed": landed,
            "by_reason": table(by_reason),
        },
    )


@dg.asset_check(
    asset=["silver", "flight_states"],
    blocking=True,
    description=(
        "Every position lies on earth. The message contract refuses others, so a failure means "
        "that a model changed them: look at silver.flight_positions."
    ),
)
def positions_lie_on_earth(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Count positions whose latitude or longitude is no place."""
    off_earth = query(postgres, OFF_EARTH, **window(context, postgres))[0]["positions"]
    return dg.AssetCheckResult(passed=off_earth == 0, metadata={"positions_off_earth": off_earth})


@dg.asset_check(
    asset=["silver", "as_of_hours"],
    description=(
        f"The last poll of each hour saw at least {MIN_COVERAGE_PCT} % of the aircraft that the "
        "source says it has. When it warns, look at the failed and saturated tiles in "
        "bronze.raw_polls, and raise FEED_REQUESTS_PER_MINUTE where the budget was too small."
    ),
)
def polls_cover_the_world(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Compare the coverage of the hours' last polls with what the answers need."""
    polls = query(postgres, COVERAGE, **window(context, postgres))
    poor = [p for p in polls if p["coverage_pct"] is None or p["coverage_pct"] < MIN_COVERAGE_PCT]
    return dg.AssetCheckResult(
        passed=not poor,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"hours": table(polls), "poorly_covered": table(poor)},
    )


@dg.asset_check(
    asset=["gold", "answered_hours"],
    description=(
        "Every hour of the run that has a poll is answered through the newest slice that touches "
        "it. When it warns, messages landed while the models ran: the stale-hours sensor asks for "
        "those hours again; if it is off, materialise them."
    ),
)
def answers_follow_the_ledger(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Look for hours of the run whose answers are older than what has landed."""
    stale = query(postgres, UNANSWERED, **window(context, postgres))
    return dg.AssetCheckResult(
        passed=not stale,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"stale_hours": table(stale)},
    )


@dg.asset_check(
    asset=["silver", "flight_states"],
    description=(
        f"At least {MIN_MATCH_RATIO:.0%} of the active flights that name an airport, an airline or "
        "a type name one that the references know. When it warns, add the codes it lists to the "
        "seeds in dbt_project/seeds."
    ),
)
def codes_match_the_references(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Compare the codes that the hours' flights name with the silver references, by traffic."""
    hours = window(context, postgres)
    counts = query(postgres, MATCHES, **hours)[0]
    ratios = {
        "airport_match_ratio": _ratio(counts["airports_matched"], counts["airport_codes"]),
        "airline_match_ratio": _ratio(counts["airlines_matched"], counts["airline_codes"]),
        "type_match_ratio": _ratio(counts["types_matched"], counts["type_codes"]),
    }
    return dg.AssetCheckResult(
        passed=all(ratio >= MIN_MATCH_RATIO for ratio in ratios.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={**ratios, "unmatched": table(query(postgres, UNMATCHED, **hours))},
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


CHECKS = [
    ledger_check("raw_flights", "flights.positions"),
    ledger_check("raw_polls", "flights.polls"),
    few_messages_are_rejected,
    positions_lie_on_earth,
    polls_cover_the_world,
    codes_match_the_references,
    answers_follow_the_ledger,
]
