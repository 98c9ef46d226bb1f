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
    for relation in ("bronze.raw_flights", "silver.flight_states", "gold.answers"):
        columns = {column for name, column in present if name == relation}
        assert "" in columns
        for column in columns:
            assert present[relation, column] == described[relation, column]
