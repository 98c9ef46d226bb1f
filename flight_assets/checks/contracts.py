"""Asset checks of raw tables: the columns of their message contract, and those dbt describes."""

import json
from collections.abc import Iterable
from typing import Any, get_args, get_origin

import dagster as dg
import msgspec

from flight_assets.check_result import CheckResult
from flight_assets.checks.line import query
from flight_assets.core.observations import Observation
from flight_assets.core.polls import Poll
from flight_assets.resources import PostgresResource
from flight_assets.settings import PROJECT_ROOT
from flight_assets.warehouse import usual

MANIFEST = PROJECT_ROOT / "dbt_project" / "target" / "manifest.json"  # loading the assets parses it
# What Postgres calls the types of a contract; an instant, whose name ends in _at, is none of them.
INSTANT = "timestamp with time zone"
DATA_TYPES = {int: "integer", float: "double precision", bool: "boolean", str: "text"}

# by table and column: data type and whether it can be null
Columns = dict[str, dict[str, tuple[str, bool]]]


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


def columns_of(postgres: PostgresResource, tables: Iterable[str]) -> Columns:
    """Return the columns that the tables of bronze have."""
    found: Columns = {name: {} for name in tables}
    for row in query(postgres, usual.COLUMNS, tables=list(found)):
        found[row["table_name"]][row["column_name"]] = (row["data_type"], row["is_nullable"])
    return found


def missing_columns(found: Columns) -> dict[str, list[str]]:
    """Return the columns that dbt describes and a table has not, by table."""
    described = {
        source["name"]: source["columns"]
        for source in json.loads(MANIFEST.read_text())["sources"].values()
    }
    missing = {name: sorted(set(described[name]) - set(found[name])) for name in found}
    return {name: columns for name, columns in missing.items() if columns}


def contract_check(
    asset: str, record: type[msgspec.Struct], *, beside: tuple[str, ...] = ()
) -> dg.AssetChecksDefinition:
    """Return the check that a raw table, and those written ``beside`` it, have their columns."""

    @dg.asset_check(
        asset=["bronze", asset],
        name="columns_follow_the_contract",
        blocking=True,
        description=(
            f"bronze.{asset} has the columns, types and nulls of the message contract "
            f"`{record.__name__}`, and {' and '.join((asset, *beside))} those that dbt describes. "
            "When it fails, a table was changed by hand or a migration is missing: call "
            "`flight-assets up`, which migrates, and compare the columns it names with the "
            "contract and with dbt_project/models/silver/_sources.yml."
        ),
    )
    def columns_follow_the_contract(postgres: PostgresResource) -> dg.AssetCheckResult:
        found = columns_of(postgres, (asset, *beside))
        broken = broken_contract(contract_columns(record), found[asset])
        missing = missing_columns(found)
        return CheckResult(
            passed=not broken and not missing, metadata={"broken": broken, "missing": missing}
        )

    return columns_follow_the_contract


def source_check(asset: str) -> dg.AssetChecksDefinition:
    """Return the check that a raw table of references has the columns that dbt describes."""

    @dg.asset_check(
        asset=["bronze", asset],
        name="columns_are_as_dbt_describes",
        blocking=True,
        description=(
            f"bronze.{asset} has the columns that dbt describes and reads. When it fails, the "
            "table was changed by hand or a migration is missing: call `flight-assets up`, which "
            "migrates, and compare the columns with dbt_project/models/silver/_sources.yml."
        ),
    )
    def columns_are_as_dbt_describes(postgres: PostgresResource) -> dg.AssetCheckResult:
        missing = missing_columns(columns_of(postgres, [asset]))
        return CheckResult(passed=not missing, metadata={"missing": missing})

    return columns_are_as_dbt_describes


LEDGER_TABLES = ("landed_slices", "slice_event_hours", "rejected_messages")
CHECKS = [
    contract_check("raw_flights", Observation, beside=LEDGER_TABLES),
    contract_check("raw_polls", Poll),
    *map(source_check, ("raw_airports", "raw_airlines", "raw_aircraft_types")),
]
