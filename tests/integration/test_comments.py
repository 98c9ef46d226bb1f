"""dbt's descriptions as comments of Postgres."""

import json
from typing import Any

import pytest

from flight_assets.assets.dbt import manifest
from flight_assets.warehouse.comments import PRESENT, descriptions, write_comments

from .modelled import EIGHT, Modelled, land_two_hours

pytestmark = pytest.mark.integration


def test_what_is_described_is_commented_once(modelled: Modelled) -> None:
    land_two_hours(modelled)
    assert modelled.build(EIGHT, 2).success
    body: dict[str, Any] = json.loads(manifest.read_text())
    assert write_comments(modelled.connection, body) > 200
    assert write_comments(modelled.connection, body) == 0
    found = modelled.connection.execute(PRESENT, {"schemas": ["bronze", "silver", "gold"]})
    present = {(row[0], row[2]): row[3] for row in found}
    described = descriptions(body)
    # every column of what dbt has built, and of every source; but not of the references' stand-ins
    built = {
        f"{node['schema']}.{node['name']}"
        for node in [*body["nodes"].values(), *body["sources"].values()]
        if node["resource_type"] == "source" or "hourly" in node["tags"]
    }
    looked_at = {place for place in present if place[0] in built}
    assert len({relation for relation, _ in looked_at}) > 25
    assert {place: present[place] for place in looked_at} == {
        place: described.get(place) for place in looked_at
    }


def test_a_run_that_makes_a_view_anew_comments_it_again(modelled: Modelled) -> None:
    body: dict[str, Any] = json.loads(manifest.read_text())
    for _ in range(2):
        land_two_hours(modelled)
        assert modelled.build(EIGHT, 2).success
        assert write_comments(modelled.connection, body) > 0
        assert write_comments(modelled.connection, body) == 0
