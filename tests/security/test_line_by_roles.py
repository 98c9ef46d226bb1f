"""The whole line as in production: each part with its own login, none with more than it needs."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from flight_assets.feed.client import FeedClient
from flight_assets.feed.rhythm import poll_once
from flight_assets.health import collect
from flight_assets.resources import resources
from flight_assets.retention import retention_job
from flight_assets.settings import PROJECT_ROOT, Settings
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld

from .conftest import Databases, new_databases

pytestmark = pytest.mark.integration

OWNERS = """
select pg_get_userbyid(relowner)::text, count(*)
from pg_class join pg_namespace on relnamespace = pg_namespace.oid
where nspname = any(%s) and relkind in ('r', 'p', 'v')
group by 1 order by 1
"""


@pytest.fixture
def by_roles(
    server_conninfo: str,
    _template: str,
    kafka_bootstrap: str,
    no_settings: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Databases]:
    """A warehouse whose code location has three logins, in the environment as in production."""
    with new_databases(server_conninfo, _template) as databases:
        warehouse = conninfo_to_dict(databases.warehouse)
        for variable, value in {
            "FLIGHT_ASSETS_HOME": tmp_path / "home",
            "POSTGRES_HOST": warehouse["host"],
            "POSTGRES_PORT": warehouse["port"],
            "POSTGRES_USER": "transform",
            "POSTGRES_PASSWORD": databases.passwords["transform"],
            "POSTGRES_INGEST_USER": "ingest",
            "POSTGRES_INGEST_PASSWORD": databases.passwords["ingest"],
            "POSTGRES_DB": warehouse["dbname"],
            "DAGSTER_POSTGRES_DB": conninfo_to_dict(databases.dagster)["dbname"],
            "DAGSTER_POSTGRES_USER": "dagster",
            "DAGSTER_POSTGRES_PASSWORD": databases.passwords["dagster"],
            "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
            "FEED_SOURCE": "simulated",
            "FEED_REQUESTS_PER_MINUTE": "1000",
            "DAGSTER_HOME": tmp_path,
        }.items():
            monkeypatch.setenv(variable, str(value))
        shutil.copy(PROJECT_ROOT / "dagster.yaml", tmp_path / "dagster.yaml")
        yield databases


def owners(conninfo: str, *schemas: str) -> set[str]:
    with psycopg.connect(conninfo) as connection:
        return {owner for owner, _ in connection.execute(OWNERS, [list(schemas)])}


def test_references_landing_models_checks_and_retention_need_no_other_rights(
    by_roles: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flight_assets.commands.line import build_references, land_and_answer

    with SimulatorServer(SimulatedWorld(3)) as server, dg.DagsterInstance.get() as instance:
        monkeypatch.setenv("FEED_BASE_URL", server.base_url)
        half_past = datetime.now(UTC).replace(minute=30, second=0, microsecond=0)
        server.world.frozen_at_s = int((half_past - timedelta(hours=3)).timestamp())
        settings = Settings(_env_file=None)
        poll_once(settings, client=FeedClient.from_settings(settings))
        references = build_references(instance)
        runs = [*land_and_answer(instance)]
        monkeypatch.setenv("RETENTION_REJECTED_DAYS", "1")
        pruned = retention_job.execute_in_process(instance=instance, resources=resources())
        report = collect(settings)

    assert [c for run in [references, *runs] for c in run.checks if not c.is_passed] == []
    assert runs and pruned.success
    assert report.unknown == () and report.last_poll is not None
    assert owners(by_roles.warehouse, "silver", "gold") == {"transform"}
    assert owners(by_roles.dagster, "public") == {"dagster"}
    with psycopg.connect(by_roles.of("reader")) as reader:
        answers = reader.execute("select count(*) from gold.answers").fetchone()
        positions = reader.execute("select count(*) from silver.flight_positions").fetchone()
    assert answers and answers[0] and positions and positions[0]
