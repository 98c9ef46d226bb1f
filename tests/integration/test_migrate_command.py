"""`flight-assets migrate` and `prepare`: from empty servers to what a deployment needs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from psycopg.conninfo import make_conninfo

from flight_assets.commands.migrate import migrate, prepare
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.topics import PARTITION_COUNTS
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld
from flight_assets.warehouse.connection import connect
from flight_assets.warehouse.migrate import newest_revision
from flight_assets.warehouse.references import has_references
from tests.command import flight_assets

pytestmark = pytest.mark.integration


def test_empty_servers_have_all_that_the_line_needs_and_a_second_time_changes_nothing(
    outside_servers: None,
    new_home: Path,
    server_conninfo: str,
    kafka_bootstrap: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSTGRES_DB", "deployed")
    monkeypatch.setenv("DAGSTER_POSTGRES_DB", "deployed_dagster")
    warehouse = make_conninfo(server_conninfo, dbname="deployed")
    assert "deployed_dagster are there" in flight_assets(new_home, "migrate")
    with SimulatorServer(SimulatedWorld(1)) as server:
        monkeypatch.setenv("FEED_BASE_URL", server.base_url)
        monkeypatch.setenv("FEED_SOURCE", "simulated")
        first = flight_assets(new_home, "prepare")
    assert has_references(warehouse)
    # the source is not asked again
    flight_assets(new_home, "migrate")
    second = flight_assets(new_home, "prepare")
    assert "References are built" in first and "References are built" not in second
    with connect(warehouse) as connection:
        found = connection.execute("select version_num from public.alembic_version").fetchall()
    assert found == [(newest_revision(),)]
    topics = AdminClient({"bootstrap.servers": kafka_bootstrap}).list_topics(timeout=20).topics
    assert PARTITION_COUNTS.items() <= {n: len(t.partitions) for n, t in topics.items()}.items()
    assert (new_home / "dagster" / "dagster.yaml").exists()


@pytest.mark.parametrize("command", [migrate, prepare])
def test_a_laptop_is_told_what_to_call_instead(new_home: Path, command: Callable[[], None]) -> None:
    with pytest.raises(FlightAssetsError, match="`flight-assets up` starts and migrates local"):
        command()
