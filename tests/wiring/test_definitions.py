"""The definitions load in a clean process without any server, and their names meet."""

import json
import os
import subprocess
import sys
from functools import cache

import dagster as dg
import pytest
from dagster._daemon.sensor import MIN_INTERVAL_LOOP_TIME

from flight_assets.assets import policy_of
from flight_assets.assets.dbt import manifest
from flight_assets.assets.raw_flights import RAW_FLIGHTS, RAW_POLLS
from flight_assets.checks import CHECKS
from flight_assets.core.freshness import LAYERS
from flight_assets.core.health import LANDING_RUN_ENDS_WITHIN
from flight_assets.core.observations import Observation
from flight_assets.core.polls import Poll
from flight_assets.core.report import LANDING_JOB, LANDING_SENSOR
from flight_assets.definitions import defs
from flight_assets.settings import PROJECT_ROOT

SERVERS = ("POSTGRES_", "KAFKA_", "FEED_", "DAGSTER_", "FLIGHT_ASSETS_")


@cache
def dbt_manifest() -> dict:
    return json.loads(manifest.read_text())


def test_definitions_load_in_a_clean_process_without_a_server():
    environment = {k: v for k, v in os.environ.items() if not k.startswith(SERVERS)}
    code = "from flight_assets.definitions import defs; defs.resolve_all_job_defs()"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_every_dbt_source_is_written_by_an_asset_of_its_name():
    keys = defs.resolve_asset_graph().materializable_asset_keys
    sources = {
        dg.AssetKey([source["schema"], source["name"]])
        for source in dbt_manifest()["sources"].values()
    }
    # the ledger and the rejected messages are written beside the raw tables, by the same assets
    beside = {"landed_slices", "slice_event_hours", "rejected_messages"}
    beside |= {"pruned_days", "pruned_slice_hours"}  # by the retention job
    assert {key for key in sources if key.path[-1] not in beside} <= keys


def test_every_dbt_model_is_an_asset_in_the_group_of_its_layer():
    graph = defs.resolve_asset_graph()
    models = [n for n in dbt_manifest()["nodes"].values() if n["resource_type"] == "model"]
    assert models
    for model in models:
        assert (
            graph.get(dg.AssetKey([model["schema"], model["name"]])).group_name == model["schema"]
        )


def test_the_lineage_leads_from_the_topics_to_the_answers():
    graph = defs.resolve_asset_graph()
    upstream = graph.get_ancestor_asset_keys(dg.AssetKey(["gold", "answers"]))
    for path in (
        ["kafka", "flights", "positions"],
        ["bronze", "raw_flights"],
        ["silver", "airports"],
    ):
        assert dg.AssetKey(path) in upstream


def test_histories_are_references_between_the_observed_fleets_and_the_states():
    graph = defs.resolve_asset_graph()
    histories = {
        dg.AssetKey([node["schema"], node["name"]])
        for node in dbt_manifest()["nodes"].values()
        if node["resource_type"] == "snapshot"
    }
    assert {key.path[-1] for key in histories} == {
        "aircraft_types_history",
        "airlines_history",
        "airports_history",
    }
    job = defs.resolve_job_def("references_job")
    assert histories <= job.asset_layer.executable_asset_keys
    assert {graph.get(key).group_name for key in histories} == {"silver"}
    # no circle: states use the airlines, and the airlines are inferred from what is not a state
    states = dg.AssetKey(["silver", "flight_states"])
    fleets = dg.AssetKey(["silver", "observed_fleets"])
    assert histories | {fleets} <= graph.get_ancestor_asset_keys(states)
    assert states not in graph.get_ancestor_asset_keys(fleets)


def test_every_asset_has_a_description_and_an_owner():
    graph = defs.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key


def test_every_materialisable_asset_has_a_freshness_policy():
    graph = defs.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        assert graph.get(key).freshness_policy is not None, key


def test_every_check_says_what_to_do_about_it():
    graph = defs.resolve_asset_graph()
    keys = {spec.key for check in CHECKS for spec in check.check_specs}
    assert keys < graph.asset_check_keys
    for key in graph.asset_check_keys:
        described = graph.get_check_spec(key).description
        assert "When it fails" in described or "When it warns" in described, key


def test_every_test_of_dbt_is_a_check():
    tests = {n["name"] for n in dbt_manifest()["nodes"].values() if n["resource_type"] == "test"}
    assert tests <= {key.name for key in defs.resolve_asset_graph().asset_check_keys}


@pytest.mark.parametrize(
    ("target", "record"), [(RAW_FLIGHTS, Observation), (RAW_POLLS, Poll)], ids=["flights", "polls"]
)
def test_every_field_of_a_contract_lands_in_a_column(target, record):
    assert set(target.columns) == set(record.__struct_fields__) - {"version"}


def test_one_landing_run_carries_an_hour_from_the_broker_to_gold():
    job = defs.resolve_job_def("land_and_answer_job")
    keys = job.asset_layer.executable_asset_keys
    for path in (
        ["bronze", "raw_flights"],
        ["silver", "flight_states"],
        ["gold", "answered_hours"],
    ):
        assert dg.AssetKey(path) in keys


def test_a_failed_landing_is_not_retried_by_the_instance():
    # the sensor measures again what waits; a second retry mechanism would run beside it
    instance = (PROJECT_ROOT / "dagster.yaml").read_text()
    assert "retry_on_asset_or_op_failure: false" in instance


def test_the_assets_that_speak_for_a_layer_exist_and_have_its_policy():
    graph = defs.resolve_asset_graph()
    for layer in LAYERS:
        for asset in layer.assets:
            policy = graph.get(dg.AssetKey([layer.name, asset])).freshness_policy
            assert policy == policy_of(layer.window), asset


def test_what_is_watched_has_the_names_of_the_landing_and_its_longest_run():
    assert defs.resolve_sensor_def(LANDING_SENSOR).job_name == LANDING_JOB
    tags = defs.resolve_job_def(LANDING_JOB).tags
    assert int(tags["dagster/max_runtime"]) == LANDING_RUN_ENDS_WITHIN.total_seconds()


def test_the_landing_sensor_is_looked_at_in_every_round_of_the_daemon():
    sensor = defs.resolve_sensor_def(LANDING_SENSOR)
    # as long as a round, it would be found too young in every second one
    assert sensor.minimum_interval_seconds < MIN_INTERVAL_LOOP_TIME
