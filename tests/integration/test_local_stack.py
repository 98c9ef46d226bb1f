"""The local stack, really started, killed, started again and stopped."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from flight_assets.errors import FlightAssetsError
from flight_assets.local import stack
from flight_assets.local.endpoints import Endpoints
from flight_assets.local.processes import record_of, wait_until
from flight_assets.local.state import STATE_NAME, read_state
from flight_assets.local.status import status
from flight_assets.settings import PROJECT_ROOT, Settings
from flight_assets.warehouse.connection import connect, conninfo
from tests.apache_kafka import libs_or_skip

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("no_settings"),
]


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """The settings of one home that the tests of this module share."""
    libs_or_skip()
    place = Path(tempfile.mkdtemp(prefix="flight-assets-tests-"))
    place.chmod(0o755)
    shared = Settings(flight_assets_home=place / "home", kafka_kind="apache")
    try:
        yield shared
    finally:
        stack.down(shared)
        shutil.rmtree(place)


def pids(settings: Settings) -> dict[str, int]:
    return {name: record.pid for name, record in read_state(settings.home).processes.items()}


def session(endpoints: Endpoints) -> "psycopg.Connection[tuple[object, ...]]":
    found = Settings.model_validate(endpoints.environment())
    return connect(conninfo(found))


def publish(endpoints: Endpoints, topic: str, value: bytes) -> None:
    address = {"bootstrap.servers": endpoints.kafka_bootstrap_servers}
    admin = AdminClient(address)
    admin.create_topics([NewTopic(topic, 1)])[topic].result(30)
    errors: list[object] = []
    producer = Producer(address | {"acks": "all", "enable.idempotence": True})
    producer.produce(
        topic, value, timestamp=1_262_304_000_000, callback=lambda e, _: errors.append(e)
    )
    producer.flush(30)
    assert errors == [None]


def published(endpoints: Endpoints, topic: str) -> list[bytes | None]:
    consumer = Consumer(
        {
            "bootstrap.servers": endpoints.kafka_bootstrap_servers,
            "group.id": "test",
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        messages = consumer.consume(2, timeout=30)
        return [message.value() for message in messages if not message.error()]
    finally:
        consumer.close()


def test_up_twice_finds_the_same_servers(settings: Settings) -> None:
    first = stack.up(settings)
    before = pids(settings)
    assert stack.up(settings) == first
    assert pids(settings) == before and len(before) == 2
    assert {server.state for server in status(settings)} == {"running"}
    assert stack.endpoints(settings) == first


def test_the_warehouse_and_the_instance_are_ready(settings: Settings) -> None:
    endpoints = stack.up(settings)
    with session(endpoints) as connection:
        assert connection.execute("select count(*) from bronze.raw_flights").fetchone() == (0,)
        assert connection.execute("show timezone").fetchone() == ("UTC",)
    environment = endpoints.environment()
    dagster_home = Path(environment["DAGSTER_HOME"])
    assert (dagster_home / "dagster.yaml").read_text() == (
        PROJECT_ROOT / "dagster.yaml"
    ).read_text()
    with connect(
        conninfo(Settings.model_validate(environment), dbname=endpoints.dagster_postgres_db)
    ) as connection:
        assert connection.info.dbname == "dagster"


def test_the_local_postgres_asks_for_the_password(settings: Settings) -> None:
    endpoints = stack.up(settings)
    wrong = Settings.model_validate(endpoints.environment() | {"POSTGRES_PASSWORD": "guess"})
    with pytest.raises(FlightAssetsError, match="rejects the password of user flight_assets"):
        connect(conninfo(wrong))


def test_data_survives_kill_9_of_both(settings: Settings) -> None:
    endpoints = stack.up(settings)
    with session(endpoints) as connection:
        connection.execute("create table public.survivors as select 1 as n")
    publish(endpoints, "survivors", b"one")
    before = pids(settings)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    again = stack.up(settings)
    assert set(pids(settings).values()).isdisjoint(before.values())
    with session(again) as connection:
        assert connection.execute("select n from public.survivors").fetchall() == [(1,)]
    assert published(again, "survivors") == [b"one"]


def test_a_taken_port_is_replaced_and_the_data_kept(settings: Settings) -> None:
    stack.up(settings)
    stack.down(settings)
    ports = read_state(settings.home).ports
    listeners = [socket.create_server(("127.0.0.1", port)) for port in ports.values()]
    try:
        endpoints = stack.up(settings)
        assert set(read_state(settings.home).ports.values()).isdisjoint(ports.values())
        with session(endpoints) as connection:
            assert connection.execute("select n from public.survivors").fetchall() == [(1,)]
        assert published(endpoints, "survivors") == [b"one"]
    finally:
        for listener in listeners:
            listener.close()


def test_servers_missing_from_the_state_are_found_by_their_data(settings: Settings) -> None:
    endpoints = stack.up(settings)
    before = pids(settings)
    (settings.home / STATE_NAME).unlink()
    assert stack.up(settings) == endpoints
    assert pids(settings) == before


def test_a_lock_file_with_another_programs_id_does_not_keep_postgres_down(
    settings: Settings,
) -> None:
    stack.up(settings)
    os.kill(pids(settings)["postgres"], signal.SIGKILL)
    lock = (settings.home / "postgres").resolve() / "data" / "postmaster.pid"
    lock.write_text("\n".join([str(os.getpid()), *lock.read_text().splitlines()[1:]]) + "\n")
    with session(stack.up(settings)) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_down_leaves_no_process_behind(settings: Settings) -> None:
    stack.up(settings)
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    stack.register_process(settings, "simulator", helper.pid)
    with pytest.raises(FlightAssetsError, match="a simulator already runs"):
        stack.register_process(settings, "simulator", os.getpid())
    family = [
        record_of(process.pid)
        for pid in pids(settings).values()
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    ]
    assert len(family) > 5
    assert stack.down(settings) == ["simulator", "kafka", "postgres"]
    helper.wait(10)
    assert wait_until(lambda: not any(p and p.is_alive() for p in family), timeout_s=5)
    assert not stack.is_up(settings)
    assert stack.down(settings) == []
    with pytest.raises(FlightAssetsError, match="the stack is not up"):
        stack.endpoints(settings)


def test_two_ups_at_once_start_one_of_each(settings: Settings) -> None:
    stack.down(settings)
    command = [sys.executable, "-m", "flight_assets.cli", "up"]
    env = os.environ | {"FLIGHT_ASSETS_HOME": str(settings.home)}
    both = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert told[0] == told[1] and "Postgres  127.0.0.1:" in told[0]
    data = (settings.home / "postgres").resolve() / "data"
    marks = [str(data), str(settings.home / "kafka" / "server.properties")]
    for mark in marks:
        with_it = [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]
        assert len(with_it) == 1
