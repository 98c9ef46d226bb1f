"""Asset checks in Python: claims over the ledger, the stream and the answers of a run's hours.

What SQL can say about one model is a dbt test beside that model.
"""

from typing import Any

import dagster as dg

from flight_assets.check_result import CheckResult
from flight_assets.core.repairs import HourRange
from flight_assets.partitions import hours_of_run
from flight_assets.resources import PostgresResource
from flight_assets.warehouse import claims

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
        hours = window(context, postgres)
        run = {"topic": topic, "run_id": context.run.run_id, **hours}
        has_landed = query(postgres, claims.RUN_HAS_LANDED, **run)[0]["has_landed"]
        broken = query(postgres, claims.BROKEN_CHAINS, topic=topic, **hours)
        miscounted = query(
            postgres,
            claims.MISCOUNTED_SLICES.format(table=f"bronze.{asset}"),
            **run,
            has_landed=has_landed,
        )
        return CheckResult(
            passed=not broken and not miscounted,
            metadata={"broken_chains": table(broken), "miscounted_slices": table(miscounted)},
        )

    return ledger_is_contiguous


@dg.asset_check(
    asset=["bronze", "raw_flights"],
    description=(
        f"At most {MAX_REJECTED_RATIO:.0%} of the messages of the hours broke the contract. When "
        "it warns, look at the reasons and samples here; `flight-assets rejected show` has the "
        "bytes of each, and `flight-assets rejected retry` lands them when the decoder is repaired."
    ),
)
def few_messages_are_rejected(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Compare the rejected messages of the hours with all of them."""
    hours = window(context, postgres)
    by_reason = query(postgres, claims.REJECTED_BY_REASON, **hours)
    rejected = sum(reason["messages"] for reason in by_reason)
    landed = query(postgres, claims.LANDED_ROWS, **hours)[0]["rows"]
    ratio = rejected / (landed + rejected) if landed + rejected else 0.0
    return CheckResult(
        passed=ratio <= MAX_REJECTED_RATIO,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "rejected_ratio": ratio,
            "rejected": rejected,
            "landed": landed,
            "by_reason": table(by_reason),
            "samples": table(query(postgres, claims.REJECTED_SAMPLES, **hours)),
        },
    )


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
    polls = query(postgres, claims.COVERAGE, **window(context, postgres))
    poor = [p for p in polls if p["coverage_pct"] is None or p["coverage_pct"] < MIN_COVERAGE_PCT]
    return CheckResult(
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
    stale = query(postgres, claims.UNANSWERED, **window(context, postgres))
    return CheckResult(
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
    counts = query(postgres, claims.MATCHES, **hours)[0]
    ratios = {
        "airport_match_ratio": _ratio(counts["airports_matched"], counts["airport_codes"]),
        "airline_match_ratio": _ratio(counts["airlines_matched"], counts["airline_codes"]),
        "type_match_ratio": _ratio(counts["types_matched"], counts["type_codes"]),
    }
    return CheckResult(
        passed=all(ratio >= MIN_MATCH_RATIO for ratio in ratios.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={**ratios, "unmatched": table(query(postgres, claims.UNMATCHED, **hours))},
    )


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


CHECKS = [
    ledger_check("raw_flights", "flights.positions"),
    ledger_check("raw_polls", "flights.polls"),
    few_messages_are_rejected,
    polls_cover_the_world,
    codes_match_the_references,
    answers_follow_the_ledger,
]
