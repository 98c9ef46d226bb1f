"""The checks that know the data, on a real Postgres: what they see, and what they let pass."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from flight_assets.assets.dbt import hourly_models, manifest
from flight_assets.checks import contracts, line, usual
from flight_assets.partitions import partition_key_of
from flight_assets.resources import resources
from flight_assets.warehouse import claims
from flight_assets.warehouse.usual import COLUMNS

from .modelled import EIGHT, Modelled, flight

pytestmark = pytest.mark.integration

DAY = timedelta(days=1)


def judged(check: dg.AssetChecksDefinition) -> dg.AssetCheckResult:
    """Call a check as a run over hour 8 would."""
    tags = {"dagster/partition": partition_key_of(EIGHT)}
    context: Any = SimpleNamespace(run=SimpleNamespace(run_id="by-hand", tags=tags))
    with dg.build_resources({"postgres": resources()["postgres"]}) as opened:
        function = check.op.compute_fn.decorated_fn  # type: ignore[attr-defined]
        takes_context = "context" in function.__code__.co_varnames
        return function(*([context] if takes_context else []), opened.postgres)  # type: ignore[no-any-return]


def land_days(modelled: Modelled, days: int, *, today: int, before: int, **fields: Any) -> None:
    """Build hour 8 of so many days before today with some flights, and of today with others."""
    for number in range(-days, 1):
        seen = EIGHT + number * DAY + timedelta(minutes=59)
        count = before if number else today
        told = {} if number else fields
        modelled.land([flight(f"{number}-{n}", seen, **told) for n in range(count)])
        modelled.land_poll(seen, seen + timedelta(seconds=20))
        modelled.connection.execute(
            "update bronze.raw_polls set observation_count = %s where started_at = %s",
            [count, seen],
        )
        assert modelled.build(EIGHT + number * DAY).success


def test_a_volume_a_jump_and_a_missing_column_are_seen(modelled: Modelled) -> None:
    land_days(modelled, 3, today=11, before=24, registration=None)
    assert not judged(usual.volumes_are_usual).passed
    assert not judged(usual.airlines_do_not_jump).passed
    columns = judged(usual.columns_are_as_complete_as_usual)
    assert not columns.passed
    assert list(columns.metadata["unusual"].value) == ["registration"]


def test_an_airline_that_vanished_from_the_answer_is_seen(modelled: Modelled) -> None:
    land_days(modelled, 1, today=24, before=24, airline_icao="DLH")
    result = judged(usual.airlines_do_not_jump)
    assert sorted(result.metadata["jumps"].value.values()) == [
        "0 flights, 24 the day before",
        "24 flights, 0 the day before",
    ]


def test_rejected_messages_are_seen_by_reason_with_the_newest_of_each(modelled: Modelled) -> None:
    modelled.land([flight("a", EIGHT)] * 200)
    assert judged(line.few_messages_are_rejected).passed
    modelled.create_partition("rejected_messages", EIGHT)
    for offset in range(5):
        modelled.connection.execute(
            "insert into bronze.rejected_messages (log_hour, topic, kafka_partition, kafka_offset, "
            "slice_id, message_at, value, reason, detail) values (%s, 'flights.positions', 0, %s, "
            "1, now(), %s, 'not_utf8', 'bad byte')",
            [EIGHT, offset, b"tide\xff\x00" + b"x" * 400],
        )
    result = judged(line.few_messages_are_rejected)
    assert not result.passed
    samples = result.metadata["samples"].value
    assert [sample["kafka_offset"] for sample in samples] == ["4", "3", "2"]
    assert samples[0]["value"] == r"tide\377\000" + "x" * 294


def test_a_usual_hour_passes(modelled: Modelled) -> None:
    land_days(modelled, 3, today=23, before=24)
    for check in (
        usual.volumes_are_usual,
        usual.airlines_do_not_jump,
        usual.columns_are_as_complete_as_usual,
    ):
        assert judged(check).passed


def test_a_cold_start_passes(modelled: Modelled) -> None:
    land_days(modelled, 0, today=1, before=0)
    for check in usual.CHECKS:
        result = judged(check)
        assert result.passed
        assert result.metadata["cold_start"].value, "a cold start says that it is one"


def test_a_table_that_leaves_its_contract_is_seen(modelled: Modelled) -> None:
    checks = {
        spec.asset_key.path[-1]: check for check in contracts.CHECKS for spec in check.check_specs
    }
    assert judged(checks["raw_flights"]).passed
    assert judged(checks["raw_polls"]).passed
    modelled.connection.execute("alter table bronze.raw_flights rename callsign to call_sign")
    modelled.connection.execute("alter table bronze.raw_flights alter squawk type integer using 1")
    try:
        found = judged(checks["raw_flights"]).metadata
    finally:
        modelled.connection.execute("alter table bronze.raw_flights rename call_sign to callsign")
        modelled.connection.execute("alter table bronze.raw_flights alter squawk type text")
    assert found["missing"].value == {"raw_flights": ["callsign"]}
    assert found["broken"].value == {
        "callsign": "missing",
        "squawk": "is integer, the contract says text",
    }


def test_the_sources_of_dbt_have_the_columns_of_their_tables(modelled: Modelled) -> None:
    import json

    sources = json.loads(manifest.read_text())["sources"].values()
    found: dict[str, set[str]] = {}
    asked = {"tables": [source["name"] for source in sources]}
    for table, column, *_ in modelled.connection.execute(COLUMNS, asked):
        found.setdefault(table, set()).add(column)
    for source in sources:
        assert set(source["columns"]) == found[source["name"]], source["name"]


def test_references_without_a_column_that_dbt_reads_are_seen(modelled: Modelled) -> None:
    checks = {
        spec.asset_key.path[-1]: check for check in contracts.CHECKS for spec in check.check_specs
    }
    assert judged(checks["raw_airports"]).passed
    assert judged(checks["raw_airlines"]).passed
    modelled.connection.execute("alter table bronze.raw_aircraft_types rename type_code to code")
    try:
        result = judged(checks["raw_aircraft_types"])
    finally:
        modelled.connection.execute(
            "alter table bronze.raw_aircraft_types rename code to type_code"
        )
    assert result.metadata["missing"].value == {"raw_aircraft_types": ["type_code"]}
    assert not result.passed


@pytest.mark.parametrize("start", [11, 9])
def test_a_broken_chain_is_found_beside_its_hour(modelled: Modelled, start: int) -> None:
    insert = (
        "insert into bronze.landed_slices (topic, topic_id, kafka_partition, start_offset, "
        "end_offset, log_hour) values ('t', 'i', 0, %s, %s, %s)"
    )
    modelled.connection.execute(insert, [0, 10, EIGHT - DAY])
    asked = {"topic": "t", "first": EIGHT, "last": EIGHT}
    modelled.connection.execute(insert, [10, 15, EIGHT])
    assert modelled.connection.execute(claims.BROKEN_CHAINS, asked).fetchall() == []
    modelled.connection.execute(
        "update bronze.landed_slices set start_offset = %s where end_offset = 15", [start]
    )
    assert len(modelled.connection.execute(claims.BROKEN_CHAINS, asked).fetchall()) == 1


@pytest.mark.parametrize(
    ("lat_deg", "poll_took", "claim"),
    [
        (1, timedelta(minutes=-69), "as_of_at_is_not_before_its_hour"),
        (91, timedelta(seconds=20), "positions_lie_on_earth"),
    ],
)
def test_a_claim_that_does_not_hold_keeps_what_follows_and_finds_its_rows(
    modelled: Modelled, lat_deg: float, poll_took: timedelta, claim: str
) -> None:
    seen = EIGHT + timedelta(minutes=59)
    modelled.land([flight("a", seen, lat_deg=lat_deg)])
    modelled.land_poll(seen, seen + poll_took)
    run = dg.materialize(
        [hourly_models],
        partition_key=partition_key_of(EIGHT),
        resources=resources(),
        raise_on_error=False,
    )
    assert not run.success
    [failed] = [each for each in run.get_asset_check_evaluations() if not each.passed]
    assert failed.check_name == claim
    query = str(failed.metadata["query"].value).removeprefix("```sql").removesuffix("```")
    rows = modelled.connection.execute(query.encode()).fetchall()
    assert [row[0] for row in rows] == [EIGHT]
    found = modelled.connection.execute("select to_regclass('gold.answered_hours')").fetchone()
    assert found == (None,), "nothing that follows is built"
