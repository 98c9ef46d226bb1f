"""The whole line as in production: each part with its own login, none with more than it needs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from flight_assets.feed.client import FeedClient
from flight_assets.feed.rhythm import poll_once
from flight_assets.health import collect
from flight_assets.resources import resources
from flight_assets.retention import retention_job
from flight_assets.settings import PROJECT_ROOT, Settings
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld

from .conftest import MARKER, Databases
from .telling import files_that_tell, rows_that_tell

pytestmark = pytest.mark.integration

OWNERS = """
select pg_get_userbyid(relowner)::text, count(*)
from pg_class join pg_namespace on relnamespace = pg_namespace.oid
where nspname = any(%s) and relkind in ('r', 'p', 'v')
group by 1 order by 1
"""


def owners(conninfo: str, *schemas: str) -> set[str]:
    with psycopg.connect(conninfo) as connection:
        return {owner for owner, _ in connection.execute(OWNERS, [list(schemas)])}


def test_references_landing_models_checks_and_retention_need_no_other_rights(
    by_roles: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    assert rows_that_tell(MARKER, by_roles.warehouse, by_roles.dagster) == []
    dbt = [PROJECT_ROOT / "dbt_project" / folder for folder in ("target", "logs")]
    assert files_that_tell(MARKER, tmp_path, *dbt) == []
