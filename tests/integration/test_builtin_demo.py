"""The demo without Java: librdkafka's built-in cluster, announced, and a second time as well."""

import json
from pathlib import Path

import pytest

from tests.command import flight_assets, processes_of

pytestmark = pytest.mark.integration

COUNTS = (
    "select (select count(*) from bronze.raw_polls) as polls, "
    "(select count(*) from gold.stale_hours) as stale, "
    "(select count(*) from bronze.landed_slices where kind = 'hole') as holes"
)


def test_the_demo_runs_twice_on_the_builtin_cluster_and_says_what_it_is(new_home: Path):
    builtin = {"FLIGHT_ASSETS_KAFKA": "builtin"}
    counts = []
    for _ in range(2):
        printed = flight_assets(new_home, "demo", **builtin)
        assert "WARNING" in printed
        assert "built-in cluster" in printed
        assert "checks passed" in printed
        counts += json.loads(flight_assets(new_home, "sql", COUNTS, "--json", **builtin))
    flight_assets(new_home, "down", **builtin)
    assert processes_of(new_home) == []
    assert [(c["polls"], c["stale"]) for c in counts] == [(3, 0), (6, 0)]
    assert counts[0]["holes"] == 0
    assert counts[1]["holes"] > 0, "the ledger says that the first cluster's topics are gone"
