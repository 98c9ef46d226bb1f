"""Asset checks that know the data: what earlier hours say of the hours of a run."""

import dagster as dg

from flight_assets.check_result import CheckResult
from flight_assets.checks.line import query, table, window
from flight_assets.core import expectations
from flight_assets.resources import PostgresResource
from flight_assets.warehouse import usual


@dg.asset_check(
    asset=["silver", "as_of_hours"],
    description=(
        "The last poll of each hour saw about as many flights as those of the same hour on up to "
        "seven earlier days. When it warns, compare the poll's coverage, failed tiles and "
        "full_count in bronze.raw_polls with the day before: a part of the world may be missing."
    ),
)
def volumes_are_usual(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Judge the observations of the hours' last polls by earlier days."""
    hours = query(postgres, usual.VOLUMES, **window(context, postgres))
    unusual = {
        str(hour["as_of_hour"]): said
        for hour in hours
        if (
            said := expectations.unusual_volume(
                hour["observation_count"], hour["observation_counts"]
            )
        )
    }
    cold = [h for h in hours if len(h["observation_counts"]) < expectations.MIN_EARLIER_DAYS]
    return CheckResult(
        passed=not unusual,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"unusual": unusual, "hours": table(hours), "cold_start": table(cold)},
    )


@dg.asset_check(
    asset=["silver", "flight_states"],
    description=(
        "Each column is given by about as many flights of the newest hour as in the hours before "
        "it. When it warns, the source has stopped to give a field, or its rows have changed: look "
        "at the feed's answer and at flight_assets/core/observations.py."
    ),
)
def columns_are_as_complete_as_usual(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Judge the share of flights that give each column by the nearest earlier hours."""
    hours = query(postgres, usual.SHARES, **window(context, postgres))
    *earlier, newest = hours or [{}]
    shares = {column: newest[column] for column in usual.GIVEN if column in newest}
    unusual = expectations.unusual_shares(shares, earlier)
    return CheckResult(
        passed=not unusual,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "unusual": unusual,
            "shares": shares,
            "earlier_hours": len(earlier),
            "cold_start": len(earlier) < expectations.MIN_EARLIER_HOURS,
        },
    )


@dg.asset_check(
    asset=["gold", "top_airlines"],
    description=(
        "No airline in the answer of the hour, or of the same hour of the day before, has less "
        "than half or more than twice the flights that it had then. When it warns, ask "
        "`flight-assets why top_airlines --subject CODE` in both hours, and look at the polls' "
        "coverage where the airline flies."
    ),
)
def airlines_do_not_jump(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Compare the flights of the top airlines of both days with those of 24 hours before."""
    rows = query(postgres, usual.JUMPS, **window(context, postgres))
    jumps = {
        f"{row['as_of_hour']} {row['subject']}": said
        for row in rows
        if (said := expectations.jump(row["flight_count"], row["flight_count_24h_before"]))
    }
    return CheckResult(
        passed=not jumps,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"jumps": jumps, "compared": len(rows), "cold_start": not rows},
    )


CHECKS = [volumes_are_usual, columns_are_as_complete_as_usual, airlines_do_not_jump]
