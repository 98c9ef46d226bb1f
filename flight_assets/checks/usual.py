"""Asset checks that know the data: what earlier hours say of an hour, and contracts of tables."""

from typing import Any, get_args, get_origin

import dagster as dg
import msgspec

from flight_assets.checks.line import query, table, window
from flight_assets.core import expectations
from flight_assets.core.observations import Observation
from flight_assets.core.polls import Poll
from flight_assets.resources import PostgresResource
from flight_assets.warehouse import usual

# What Postgres calls the types of a contract; an instant, whose name ends in _at, is none of them.
INSTANT = "timestamp with time zone"
DATA_TYPES = {int: "integer", float: "double precision", bool: "boolean", str: "text"}


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
    return dg.AssetCheckResult(
        passed=not unusual,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"unusual": unusual, "hours": table(hours)},
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
    return dg.AssetCheckResult(
        passed=not unusual,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"unusual": unusual, "shares": shares, "earlier_hours": len(earlier)},
    )


@dg.asset_check(
    asset=["gold", "top_airlines"],
    description=(
        "No airline of the answer has less than half or more than twice the flights that it had in "
        "the same hour of the day before. When it warns, ask `flight-assets why top_airlines "
        "--subject CODE` in both hours, and look at the polls' coverage where the airline flies."
    ),
)
def airlines_do_not_jump(
    context: dg.AssetCheckExecutionContext, postgres: PostgresResource
) -> dg.AssetCheckResult:
    """Compare the top airlines of the hours with those of 24 hours before."""
    rows = query(postgres, usual.JUMPS, **window(context, postgres))
    jumps = {
        f"{row['as_of_hour']} {row['subject']}": said
        for row in rows
        if (said := expectations.jump(row["flight_count"], row["flight_count_24h_before"]))
    }
    return dg.AssetCheckResult(
        passed=not jumps,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"jumps": jumps, "compared": len(rows)},
    )


def contract_columns(record: type[msgspec.Struct]) -> dict[str, tuple[str, bool]]:
    """Return what a table must have for a message contract: data type and whether null fits.

    >>> contract_columns(Poll)["full_count"], contract_columns(Poll)["ended_at"][0]
    (('integer', True), 'timestamp with time zone')
    """
    return {
        field.name: (_data_type(field.name, field.type), type(None) in get_args(field.type))
        for field in msgspec.structs.fields(record)
        if field.name != "version"
    }


def _data_type(name: str, declared: Any) -> str:
    if name.endswith("_at"):
        return INSTANT
    alternatives = [each for each in get_args(declared) or (declared,) if each is not type(None)]
    plain = alternatives[0]
    if get_origin(plain) is list or get_origin(declared) is list:
        return "ARRAY"
    return DATA_TYPES[get_args(plain)[0] if get_args(plain) else plain]


def broken_contract(
    expected: dict[str, tuple[str, bool]], found: dict[str, tuple[str, bool]]
) -> dict[str, str]:
    """Return what of a table is not as its contract says, by column."""
    broken = {}
    for column, (data_type, can_be_null) in expected.items():
        if column not in found:
            broken[column] = "missing"
        elif found[column][0] != data_type:
            broken[column] = f"is {found[column][0]}, the contract says {data_type}"
        elif can_be_null and not found[column][1]:
            broken[column] = "cannot be null, and the contract lets it"
        elif not can_be_null and found[column][1]:
            broken[column] = "can be null, and the contract does not let it"
    return broken


def contract_check(asset: str, record: type[msgspec.Struct]) -> dg.AssetChecksDefinition:
    """Return the check that a raw table has the columns of its message contract."""

    @dg.asset_check(
        asset=["bronze", asset],
        name="columns_follow_the_contract",
        blocking=True,
        description=(
            f"bronze.{asset} has the columns, types and nulls of the message contract "
            f"`{record.__name__}`. When it fails, the table was changed by hand or a migration is "
            "missing: call `flight-assets up`, which migrates, and compare the columns it names."
        ),
    )
    def columns_follow_the_contract(postgres: PostgresResource) -> dg.AssetCheckResult:
        rows = query(postgres, usual.COLUMNS, schemas=["bronze"])
        found = {
            row["column_name"]: (row["data_type"], row["is_nullable"])
            for row in rows
            if row["relation"] == f"bronze.{asset}"
        }
        broken = broken_contract(contract_columns(record), found)
        return dg.AssetCheckResult(passed=not broken, metadata={"broken": broken})

    return columns_follow_the_contract


CHECKS = [
    volumes_are_usual,
    columns_are_as_complete_as_usual,
    airlines_do_not_jump,
    contract_check("raw_flights", Observation),
    contract_check("raw_polls", Poll),
]
