"""Asset checks about what is pruned: that it goes, and what came too late because it went."""

from datetime import UTC, datetime

import dagster as dg

from flight_assets.check_result import CheckResult
from flight_assets.checks.line import query, table, window
from flight_assets.resources import PostgresResource
from flight_assets.settings import load_settings
from flight_assets.warehouse import claims

LATE_DAYS = 2  # the job runs once a day, and may fail once
MOST_DAYS = 3  # looked at, as a run waits for it


@dg.asset_check(
    asset=["bronze", "raw_flights"],
    description=(
        f"No day of bronze is kept {LATE_DAYS} days longer than RETENTION_BRONZE_DAYS. When it "
        "warns, something of the day is not modelled yet: the reason names the hours to "
        "materialise. Without a reason nobody prunes: turn on retention_daily_schedule, or call "
        "`flight-assets prune`."
    ),
)
def old_days_are_pruned(postgres: PostgresResource) -> dg.AssetCheckResult:
    """Look for days that should have gone, the oldest first."""
    from flight_assets.warehouse.retention import bronze_plan

    age_days = load_settings().retention_bronze_days
    with postgres.connect() as connection:
        late = bronze_plan(
            connection,
            now=datetime.now(UTC),
            age_days=age_days and age_days + LATE_DAYS,
            most=MOST_DAYS,
        )
    kept = {str(day): "may go" for day in late.may_go}
    kept |= {str(day): reason for day, reason in late.kept.items()}
    return CheckResult(
        passed=not kept, severity=dg.AssetCheckSeverity.WARN, metadata={"kept": kept}
    )


@dg.asset_check(
    asset=["bronze", "raw_flights"],
    description=(
        "What the run landed is of times that can still be modelled. When it warns, observations "
        "came after those of their time were pruned: they are in bronze, and kept out of flights "
        "and answers, which would lose the rest. Where late data is usual, raise "
        "RETENTION_BRONZE_DAYS."
    ),
)
def nothing_comes_after_it_was_pruned(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Count what the run landed of times whose other observations are gone."""
    hours = window(context, postgres)
    late = query(postgres, claims.TOO_LATE, run_id=context.run.run_id, **hours)
    return CheckResult(
        passed=not late,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"late": table(late), "observations": sum(row["observations"] for row in late)},
    )


CHECKS = [old_days_are_pruned, nothing_comes_after_it_was_pruned]
