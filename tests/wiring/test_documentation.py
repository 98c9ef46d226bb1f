"""Everything that dbt knows is described: relations, their columns, and who uses them."""

import json
from functools import cache
from typing import Any

import pytest

from flight_assets.assets.dbt import manifest

KINDS = ("model", "seed", "snapshot")


@cache
def relations() -> dict[str, dict[str, Any]]:
    """Return models, seeds, snapshots and sources by name."""
    body = json.loads(manifest.read_text())
    nodes = [node for node in body["nodes"].values() if node["resource_type"] in KINDS]
    return {f"{n['schema']}.{n['name']}": n for n in [*nodes, *body["sources"].values()]}


@pytest.mark.parametrize("name", relations())
def test_a_relation_and_its_columns_are_described(name: str):
    relation = relations()[name]
    assert relation["description"].strip()
    assert relation["columns"]
    lacking = [c for c, column in relation["columns"].items() if not column["description"].strip()]
    assert lacking == []


def test_every_exposure_depends_on_models_that_there_are():
    body = json.loads(manifest.read_text())
    assert body["exposures"]
    for exposure in body["exposures"].values():
        assert exposure["description"]
        assert set(exposure["depends_on"]["nodes"]) <= set(body["nodes"])


def test_every_model_has_a_group_with_an_owner():
    body = json.loads(manifest.read_text())
    owners = {group["name"]: group["owner"]["name"] for group in body["groups"].values()}
    for node in body["nodes"].values():
        if node["resource_type"] == "model":
            assert owners[node["group"]], node["name"]
