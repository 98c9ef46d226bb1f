"""The whole line in containers: from nothing to ten answers, harmed in turn, and nothing lost."""

import base64
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from .engine import Engine
from .proofs import (
    answered_questions,
    assert_answers_of_an_undisturbed_run,
    assert_landed_exactly_once,
)
from .stack import PORT, Stack, eventually, running

pytestmark = [pytest.mark.compose, pytest.mark.timeout(1800)]

ONE_SHOT = {"migrate", "prepare"}
LONG_LIVED = (
    *("poller", "code", "daemon", "backup", "web", "viewer", "docs", "proxy", "simulator"),
    *("kafka", "postgres"),
)
HEALED_WITHIN_S = 300
CRASHED = ("poller", "daemon", "kafka", "postgres")
SETTLED_S = 6  # within that `make keep` has answered an end, or leaves it alone
KILLED = 137  # the exit code of what was killed because it did not end
CONNECT = """
import os, psycopg
names = ("host", "user", "password")
own = {{name: os.environ["POSTGRES_" + name.upper()] for name in names}}
try:
    with psycopg.connect(**{{"dbname": "flight_assets", **own, **{more}}}) as connection:
        print(connection.pgconn.ssl_in_use)
except psycopg.OperationalError as error:
    print(error)
"""
# what a client of Kafka is told in five seconds, with our own log-in changed a little
ASK_KAFKA = """
from confluent_kafka import Consumer
said = []
own = {{"group.id": "kafka-sensors-landing", "error_cb": lambda error: said.append(error.str())}}
client = Consumer({{**servers, **own, **{more}}})
try:
    print(sorted(client.list_topics(timeout=5).topics))
except Exception as error:
    client.poll(0)
    print(error, *said)
"""
PERMISSIONS = "{ permissions { permission value } }"
Answer = tuple[int, str]


@pytest.fixture(scope="module")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(engine, tmp_path_factory.mktemp("project"), profiles="simulator") as found:
        yield found


@pytest.fixture(scope="module")
def kept(stack: Stack) -> Iterator[None]:
    """``make keep`` runs beside the stack, from the first test that asks for it to the last."""
    with stack.kept():
        yield


@pytest.fixture(scope="module")
def services(stack: Stack) -> list[str]:
    return sorted(set(stack.containers()) - ONE_SHOT)


def ask(
    stack: Stack,
    path: str,
    user: str | None = None,
    body: dict | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    """Return what the proxy answers: the status and the text."""
    request = urllib.request.Request(f"https://localhost:{PORT}{path}", headers=headers or {})
    if user is not None:
        password = stack.secrets.password(f"{user}_password")
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {token}")
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    trusted = ssl.create_default_context(cafile=str(stack.place / "secrets" / "ca_certificate"))
    try:
        with urllib.request.urlopen(request, timeout=20, context=trusted) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode(errors="replace")


def permissions(stack: Stack, path: str, user: str) -> set[bool]:
    """Return the values of Dagster's permissions for who asks so."""
    status, text = ask(stack, path, user, {"query": PERMISSIONS})
    assert status == 200, text
    return {each["value"] for each in json.loads(text)["data"]["permissions"]}


def test_all_ten_questions_are_answered_with_no_hand_on_it(stack: Stack) -> None:
    assert eventually(lambda: len(answered_questions(stack)) == 10, within_s=600)


def test_a_person_asks_for_them_in_a_container(stack: Stack) -> None:
    answers = json.loads(stack.line("answers", "--json"))
    assert len({answer["question"] for answer in answers}) == 10


def test_landing_takes_the_short_way_in_a_container(stack: Stack) -> None:
    found = stack.python("daemon", "from kafka_sensors import plain; print(plain.IS_COMPILED)")
    assert found.strip() == "True"


def test_every_container_is_well(stack: Stack, services: list[str]) -> None:
    assert eventually(lambda: all(stack.is_healthy(each) for each in services), within_s=120)
    assert [stack.inspect(each)["State"]["ExitCode"] for each in sorted(ONE_SHOT)] == [0, 0]


def test_every_container_is_bounded_and_can_write_nowhere_else(
    stack: Stack, services: list[str]
) -> None:
    for service in services:
        found = stack.inspect(service)
        host = found["HostConfig"]
        assert host["Memory"] > 0, service
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert host["RestartPolicy"]["Name"] == "unless-stopped", service
        assert host["LogConfig"]["Config"]["max-size"], service
        if service not in ("postgres", "kafka"):
            assert found["Config"]["User"].split(":")[0] not in ("", "0", "root"), service


@pytest.mark.parametrize("path", ["/", "/graphql", "/operate", "/operate/graphql", "/docs/"])
def test_nothing_is_shown_without_a_log_in(stack: Stack, path: str) -> None:
    status, text = ask(stack, path)
    assert status == 401
    assert "agster" not in text and "dbt" not in text


def test_viewers_look_and_may_change_nothing(stack: Stack) -> None:
    assert ask(stack, "/", "viewer")[0] == 200
    assert ask(stack, "/docs/", "viewer")[0] == 200
    assert ask(stack, "/operate", "viewer")[0] == 401
    assert permissions(stack, "/graphql", "viewer") == {False}


def test_operators_may_launch(stack: Stack) -> None:
    assert ask(stack, "/operate", "operator")[0] == 200
    assert True in permissions(stack, "/operate/graphql", "operator")


def test_the_log_in_cannot_be_used_by_a_page_of_somebody_elses(stack: Stack) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    body = {"query": PERMISSIONS}
    assert ask(stack, "/operate/graphql", "operator", body, foreign)[0] == 403
    upgrade = foreign | {"Upgrade": "websocket", "Connection": "upgrade"}
    assert ask(stack, "/operate/graphql", "operator", headers=upgrade)[0] == 403
    assert ask(stack, "/", "viewer", headers=foreign)[0] == 200


def test_postgres_is_reached_by_tls_and_a_password_alone(stack: Stack) -> None:
    assert stack.python("daemon", CONNECT.format(more={})).strip() == "True"
    [[in_the_clear]] = stack.sql(
        "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) "
        "where client_addr is not null and not ssl"
    )
    assert in_the_clear == "0"
    clear = stack.python("daemon", CONNECT.format(more={"sslmode": "disable"}))
    assert "no encryption" in clear
    guessed = stack.python("daemon", CONNECT.format(more={"password": "guessed"}))
    assert "password authentication failed" in guessed


def test_kafka_is_reached_by_tls_and_a_log_in_alone(stack: Stack) -> None:
    def told(**more: str) -> str:
        return stack.kafka(ASK_KAFKA.format(more=more))

    assert told().strip() == str(["flights.polls", "flights.positions"])
    assert "flights" not in told(**{"security.protocol": "plaintext"})
    assert "flights" not in told(**{"security.protocol": "ssl"})
    assert "uthentication" in told(**{"sasl.password": "guessed"})


def test_each_part_logs_in_as_who_may_do_no_more(stack: Stack) -> None:
    clients = stack.sql(
        "select distinct datname, usename from pg_stat_activity "
        "where client_addr is not null and usename is not null"
    )
    seen = {(database, login) for database, login in clients}
    assert {("dagster", "dagster")} <= seen
    expected = {("dagster", "dagster"), ("flight_assets", "transform"), ("flight_assets", "ingest")}
    assert seen <= expected | {("flight_assets", "reader")}
    owners = stack.sql(
        "select distinct schemaname, tableowner from pg_tables where schemaname in "
        "('bronze', 'silver', 'gold')"
    )
    assert ["gold", "transform"] in owners and ["bronze", "flight_assets"] not in owners


def test_no_secret_is_in_a_description_a_log_or_a_command(
    stack: Stack, services: list[str]
) -> None:
    told = [stack.compose("logs", "--no-color")]
    for service in [*services, *ONE_SHOT]:
        told.append(json.dumps(stack.inspect(service)))
    told += [stack.engine.run("top", stack.containers()[each]) for each in services]
    assert len(told) == 2 * len(services) + len(ONE_SHOT) + 1
    # what brokers keep of passwords is not for logs either
    assert "storedKey" not in told[0] and "SCRAM-SHA-512$" not in told[0]
    for secret in stack.secrets.values():
        assert [text for text in told if secret in text] == []


@pytest.mark.parametrize(
    ("name", "reader"),
    [("kafka_poller_password", "poller"), ("postgres_ingest_password", "daemon")],
)
def test_a_password_is_changed_and_the_line_goes_on(stack: Stack, name: str, reader: str) -> None:
    before, polls = stack.secrets.password(name), landed_polls(stack)
    stack.make("rotate", f"NAME={name}")
    after = stack.secrets.password(name)
    assert before != after
    stack.compose("restart", reader)
    assert eventually(lambda: stack.is_healthy(reader), within_s=HEALED_WITHIN_S)
    assert eventually(lambda: landed_polls(stack) > polls + 1, within_s=HEALED_WITHIN_S)
    if reader == "daemon":
        old = CONNECT.format(more={"user": "ingest", "password": before})
        assert "password authentication failed" in stack.python("daemon", old)


def test_what_was_backed_up_is_restored_to_a_second_beside_what_runs(stack: Stack) -> None:
    def turn_to_a_new_file_of_the_log() -> None:
        stack.sql("select pg_switch_wal()", database="postgres")

    def backups() -> list[dict]:
        return json.loads(stack.line("backup", "list", "--json"))

    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(stack.line, "backup", "now")
        # it waits for a new file, which its login may not ask for
        while not taking.done():
            turn_to_a_new_file_of_the_log()
            time.sleep(2)
        taking.result()
    assert backups()[0]["byte_count"] > 0
    assert "whole" in stack.line("backup", "verify")
    time.sleep(1)
    at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    polls = landed_polls(stack)
    assert eventually(lambda: landed_polls(stack) > polls, within_s=120)

    def is_archived() -> bool:
        turn_to_a_new_file_of_the_log()
        return backups()[0]["restore_to_before"] > at

    assert eventually(is_archived, within_s=120)
    restored = stack.line("restore", "--at", at, "--into", "/var/lib/flight-assets/restored")
    assert f"is as of {at}" in restored


@pytest.mark.parametrize("service", CRASHED)
def test_a_container_that_crashes_comes_back_by_itself_and_the_line_goes_on(
    stack: Stack, services: list[str], service: str
) -> None:
    restarts = stack.inspect(service)["RestartCount"]
    assert_heals(stack, services, service, stack.crash)
    assert stack.inspect(service)["RestartCount"] > restarts


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("service", LONG_LIVED)
def test_a_container_that_is_killed_comes_back_and_the_line_goes_on(
    stack: Stack, services: list[str], service: str
) -> None:
    assert_heals(stack, services, service, stack.kill)


def assert_heals(
    stack: Stack, services: list[str], service: str, harm: Callable[[str], None]
) -> None:
    """Assert that what is harmed starts again, becomes well, and polls land as before."""
    before, started_at = landed_polls(stack), stack.inspect(service)["State"]["StartedAt"]
    harm(service)
    assert eventually(
        lambda: (
            stack.inspect(service)["State"]["StartedAt"] > started_at and stack.is_healthy(service)
        ),
        within_s=HEALED_WITHIN_S,
    )
    # one poll may have been on its way
    assert eventually(lambda: landed_polls(stack) > before + 1, within_s=HEALED_WITHIN_S)
    assert eventually(lambda: all(stack.is_healthy(each) for each in services), within_s=120)


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("service", ["poller", "daemon", "code", "web"])
def test_a_container_that_is_stopped_ends_by_itself_and_stays_so(
    stack: Stack, service: str
) -> None:
    stack.compose("stop", service)
    time.sleep(SETTLED_S)
    state = stack.inspect(service)["State"]
    assert (state["Status"], state["ExitCode"] == KILLED) == ("exited", False)
    stack.compose("start", service)
    assert eventually(lambda: stack.is_healthy(service), within_s=HEALED_WITHIN_S)


def test_a_run_under_way_finishes_when_the_daemon_is_stopped(stack: Stack) -> None:
    assert eventually(lambda: started_runs(stack) != [], within_s=300, every_s=0.1)
    under_way = started_runs(stack)
    assert under_way, "it ended before it could be stopped"
    stack.compose("stop", "daemon")
    assert [status_of(stack, run) for run in under_way] == ["SUCCESS"] * len(under_way)
    stack.compose("start", "daemon")
    assert eventually(lambda: stack.is_healthy("daemon"), within_s=HEALED_WITHIN_S)


def test_the_line_goes_on_after_the_engine_was_started_again(
    stack: Stack, services: list[str], engine: Engine
) -> None:
    if not engine.is_own:
        pytest.skip("the engine is not ours to stop")
    before = landed_polls(stack)
    engine.stop()
    engine.start()
    assert eventually(lambda: all(stack.is_healthy(each) for each in services), within_s=600)
    assert eventually(lambda: landed_polls(stack) > before + 1, within_s=HEALED_WITHIN_S)


def test_what_was_acknowledged_is_in_bronze_exactly_once_and_is_what_answers_say(
    stack: Stack,
) -> None:
    stack.compose("stop", "poller")
    assert_landed_exactly_once(stack)
    assert_answers_of_an_undisturbed_run(stack)
    stack.compose("start", "poller")


def test_down_leaves_the_data(stack: Stack) -> None:
    before = landed_polls(stack)
    stack.make("down")
    assert stack.containers() == {}
    stack.make("up", "PROFILES=simulator")
    assert landed_polls(stack) >= before


def landed_polls(stack: Stack) -> int:
    """Return how many polls are in bronze; -1 while Postgres does not say."""
    try:
        return int(stack.sql("select count(*) from bronze.raw_polls")[0][0])
    except AssertionError:
        return -1


def started_runs(stack: Stack) -> list[str]:
    """Return the runs that are under way, by Dagster's own records."""
    rows = stack.sql("select run_id from runs where status = 'STARTED'", database="dagster")
    return [run_id for (run_id,) in rows]


def status_of(stack: Stack, run_id: str) -> str:
    """Return how a run is, by Dagster's own records."""
    return stack.sql(f"select status from runs where run_id = '{run_id}'", database="dagster")[0][0]
