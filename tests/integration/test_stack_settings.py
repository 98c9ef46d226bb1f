"""The stack as the settings want it: servers of one's own, the stand-in, errors; and `sql`."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from flight_assets.errors import FlightAssetsError
from flight_assets.local import mock_kafka, stack
from flight_assets.local.postgres import LocalPostgres
from flight_assets.local.state import read_state
from flight_assets.local.status import status
from flight_assets.settings import Settings
from flight_assets.warehouse.connection import connect

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def run(home: Path, *arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run the command with a home of its own."""
    return subprocess.run(
        [sys.executable, "-m", "flight_assets.cli", *arguments],
        env=os.environ | {"FLIGHT_ASSETS_HOME": str(home)} | env,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_sql_wakes_postgres_and_cannot_write(new_home: Path) -> None:
    woken = run(new_home, "sql", "--json", "select 1.50 as n, null as nothing")
    assert json.loads(woken.stdout) == [{"n": 1.5, "nothing": None}]
    assert "Started the local Postgres" in woken.stderr
    assert set(read_state(new_home).processes) == {"postgres"}
    assert run(new_home, "sql", "--csv", "select '%s' as a, 'b,c' as b").stdout == 'a,b\n%s,"b,c"\n'
    for statement, why in {
        "create table public.x (n int)": "read-only transaction",
        "commit; create table public.x (n int)": "multiple commands",
        "select * from gold.nothing": 'relation "gold.nothing" does not exist at character 15',
        "copy (select 1) to stdout": "COPY",
        " ; ": "there is no statement",
    }.items():
        failed = run(new_home, "sql", statement)
        assert failed.returncode == 1 and failed.stdout == ""
        assert why in failed.stderr and failed.stderr.count("\n") == 1
    assert run(new_home, "down").stdout == "Stopped postgres.\n"


def test_the_environment_of_a_stack_leads_back_to_it(new_home: Path) -> None:
    local = Settings(flight_assets_home=new_home, kafka_kind="builtin")
    environment = stack.up(local).environment()
    stack.down(local)
    from_shell = Settings.model_validate(environment | {"FLIGHT_ASSETS_KAFKA": "builtin"})
    with connect(stack.up_postgres(from_shell)) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert set(read_state(new_home).processes) == {"postgres"}


@pytest.fixture
def external(new_home: Path, postgres_server: LocalPostgres) -> Callable[..., Settings]:
    """Settings that name a Postgres that is not this home's, to be varied."""

    def vary(**changed: object) -> Settings:
        named = {
            "flight_assets_home": new_home,
            "postgres_host": postgres_server.host,
            "postgres_port": postgres_server.port,
            "postgres_user": postgres_server.user,
            "postgres_password": postgres_server.password,
            "postgres_db": "external_warehouse",
            "dagster_postgres_db": "external_dagster",
        }
        return Settings.model_validate(named | changed)

    return vary


def test_servers_that_are_named_are_used_and_nothing_starts(
    external: Callable[..., Settings], kafka_bootstrap: str, new_home: Path
) -> None:
    named = external(kafka_bootstrap_servers=kafka_bootstrap)
    endpoints = stack.up(named)
    assert (endpoints.is_postgres_local, endpoints.kafka_kind) == (False, "external")
    assert read_state(new_home).processes == {}
    assert not (new_home / "postgres").exists() and not (new_home / "kafka").exists()
    assert {server.state for server in status(named)} == {"external"}
    assert stack.down(named) == []
    assert stack.up(named) == endpoints


def test_servers_that_cannot_be_used_are_one_clear_line(
    external: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "KAFKA_TIMEOUT_S", 2)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # and not listening
        port = closed.getsockname()[1]
        for wrong, line in [
            (external(postgres_port=port), f"Postgres at 127.0.0.1:{port} refuses connections"),
            (external(postgres_password="guess"), "rejects the password of user flight_assets"),
            (external(postgres_password=None), "POSTGRES_PASSWORD is not set"),
            (
                external(kafka_bootstrap_servers=f"127.0.0.1:{port}"),
                f"Kafka does not answer at 127.0.0.1:{port}",
            ),
        ]:
            with pytest.raises(FlightAssetsError, match=line) as error:
                stack.up(wrong)
            assert "\n" not in str(error.value)


def first_message(bootstrap_servers: str, topic: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": "test"})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        message = consumer.poll(30)
        return None if message is None else message.value()
    finally:
        consumer.close()


def test_the_built_in_cluster_tells_its_limits_and_carries_messages(
    external: Callable[..., Settings],
) -> None:
    said: list[str] = []
    builtin = external(kafka_kind="builtin")
    endpoints = stack.up(builtin, say=said.append)
    assert endpoints.kafka_kind == "builtin"
    assert said == [f"WARNING: FLIGHT_ASSETS_KAFKA=builtin. {mock_kafka.LIMITS}"]
    assert stack.up(builtin) == endpoints
    producer = Producer({"bootstrap.servers": endpoints.kafka_bootstrap_servers})
    producer.produce("look", b"one", partition=0)
    assert producer.flush(30) == 0
    assert first_message(endpoints.kafka_bootstrap_servers, "look") == b"one"
    assert stack.down(builtin) == ["builtin-kafka"]


def test_what_up_started_ends_when_up_fails(new_home: Path) -> None:
    broken = Settings(
        flight_assets_home=new_home, kafka_kind="apache", kafka_libs=new_home / "libs"
    )
    (new_home / "libs").mkdir(parents=True)
    (new_home / "libs" / "something-else").touch()
    with pytest.raises(FlightAssetsError):
        stack.up(broken)
    assert not stack.is_up(broken)
    assert (new_home / "postgres").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root is refused by Postgres")
def test_a_home_that_only_root_can_enter_has_its_data_elsewhere(
    new_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = new_home.parent / "elsewhere"
    monkeypatch.setattr("flight_assets.local.postgres_user.ROOTS_PLACE", elsewhere)
    closed = new_home / "closed"
    closed.mkdir(mode=0o700, parents=True)
    hidden = Settings(flight_assets_home=closed / "home")
    try:
        for n in (1, 2):  # the second is a new home in the place of one that was removed
            with connect(stack.up_postgres(hidden)) as connection:
                connection.execute("create table public.only_here as select 1 as n")
            assert (hidden.home / "postgres").resolve().parent == elsewhere, n
            stack.down(hidden)
            shutil.rmtree(hidden.home)
    finally:
        stack.down(hidden)
