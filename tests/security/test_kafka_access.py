"""Who may do what on a real Kafka with log-ins, TLS and access lists; tried in both ways."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from flight_assets.commands.roles import apply_to_kafka
from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.access import (
    ADMIN,
    EVERY_BINDING,
    LANDING,
    POLLER,
    RIGHTS,
    apply_access,
    change_password,
    done,
)
from flight_assets.feed.producer import PollProducer
from flight_assets.feed.rhythm import poll_once
from flight_assets.feed.topics import ensure_topics
from flight_assets.health.lags import lags
from flight_assets.resources import KafkaResource
from flight_assets.settings import Settings
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.world import SimulatedWorld
from kafka_sensors.client import Reader
from kafka_sensors.errors import KafkaUnavailableError, NotAllowedError
from kafka_sensors.offsets import OffsetRange
from tests.sweeps import a_sweep

from .secured_kafka import SecuredKafka, running_kafka

pytestmark = pytest.mark.integration

FORBIDDEN = {KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED}


@pytest.fixture(scope="module")
def kafka() -> Iterator[SecuredKafka]:
    with running_kafka() as kafka:
        publish(kafka, POLLER)
        yield kafka


def publish(kafka: SecuredKafka, user: str) -> None:
    producer = PollProducer(kafka.bootstrap, acknowledge_within_s=20, security=kafka.security(user))
    producer.publish(a_sweep(3))


def reader(kafka: SecuredKafka, options: dict[str, str]) -> Reader:
    return Reader(kafka.bootstrap, POSITIONS_TOPIC, timeout_s=5, options=options)


def read_all(kafka: SecuredKafka, user: str) -> int:
    """Return how many messages a user can read; commits how far."""
    count = 0
    with reader(kafka, kafka.security(user)) as reading:
        for partition in reading.partitions():
            marks = reading.watermarks(partition)
            for messages in reading.read(partition, OffsetRange(marks.low, marks.high)):
                count += len(messages)
            reading.commit({partition: marks.high})
    return count


def refusal(kafka: SecuredKafka, topic: str, user: str) -> int | None:
    """Return the code that a plain producer of a user gets for a message, ``None`` for none."""
    codes: list[int | None] = []
    producer = Producer(
        {
            "bootstrap.servers": kafka.bootstrap,
            "delivery.timeout.ms": 15_000,
            "log_level": 0,
            **kafka.security(user),
        }
    )
    producer.produce(topic, b"x", on_delivery=lambda error, _: codes.append(error and error.code()))
    producer.flush(20)
    (code,) = codes
    return code


def administer(kafka: SecuredKafka, user: str, ask: Callable[[AdminClient], Any]) -> None:
    ask(AdminClient({"bootstrap.servers": kafka.bootstrap, "log_level": 0, **kafka.security(user)}))


def test_the_poller_writes_and_finds_its_topics(kafka: SecuredKafka) -> None:
    ensure_topics(kafka.bootstrap, kafka.security(POLLER))
    publish(kafka, POLLER)


def test_the_poller_does_not_read(kafka: SecuredKafka) -> None:
    with pytest.raises(NotAllowedError, match=r"does not let this user.*right to read the topic"):
        read_all(kafka, POLLER)


def test_landing_reads_and_commits(kafka: SecuredKafka) -> None:
    assert read_all(kafka, LANDING) >= 3


def test_landing_does_not_write(kafka: SecuredKafka) -> None:
    assert refusal(kafka, POSITIONS_TOPIC, LANDING) == KafkaError.TOPIC_AUTHORIZATION_FAILED


@pytest.mark.parametrize("user", [POLLER, LANDING])
def test_nobody_but_admin_makes_or_deletes_topics_or_sets_rights(
    kafka: SecuredKafka, user: str
) -> None:
    def make(admin: AdminClient) -> None:
        admin.create_topics([NewTopic("more", 1, 1)])["more"].result()

    def delete(admin: AdminClient) -> None:
        admin.delete_topics([POSITIONS_TOPIC])[POSITIONS_TOPIC].result()

    def allow(admin: AdminClient) -> None:
        binding = next(right.binding() for right in RIGHTS)
        admin.create_acls([binding])[binding].result()

    for ask in (make, delete, allow):
        with pytest.raises(KafkaException) as error:
            administer(kafka, user, ask)
        assert error.value.args[0].code() in FORBIDDEN, ask.__name__
    with pytest.raises(FlightAssetsError, match="name its super user by KAFKA_SASL_USERNAME"):
        apply_access(kafka.bootstrap, kafka.security(user), kafka.passwords)


@pytest.mark.parametrize("user", [POLLER, LANDING])
def test_another_topic_is_of_nobody(kafka: SecuredKafka, user: str) -> None:
    def make(admin: AdminClient) -> None:
        admin.create_topics([NewTopic(f"other-{user}", 1, 1)])[f"other-{user}"].result()

    administer(kafka, ADMIN, make)
    assert refusal(kafka, f"other-{user}", user) == KafkaError.TOPIC_AUTHORIZATION_FAILED


def without_log_in(kafka: SecuredKafka) -> dict[str, dict[str, str]]:
    tls = {"ssl.ca.location": str(kafka.ca)}
    return {
        "in the clear": {},
        "TLS alone": {"security.protocol": "SSL", **tls},
        "a wrong password": kafka.security(LANDING, "guess"),
        "an unknown user": {**kafka.security(LANDING), "sasl.username": "nobody"},
        "another authority": {
            **kafka.security(LANDING),
            "ssl.ca.location": str(kafka.place / "kafka_certificate"),
        },
    }


@pytest.mark.parametrize(
    "way",
    ["in the clear", "TLS alone", "a wrong password", "an unknown user", "another authority"],
)
def test_who_does_not_log_in_gets_nothing(kafka: SecuredKafka, way: str) -> None:
    with (
        reader(kafka, without_log_in(kafka)[way]) as reading,
        pytest.raises(KafkaUnavailableError) as error,
    ):
        reading.partitions()
    assert "guess" not in str(error.value)


def test_a_wrong_password_is_said_to_be_wrong(kafka: SecuredKafka) -> None:
    with (
        reader(kafka, kafka.security(LANDING, "guess")) as reading,
        pytest.raises(KafkaUnavailableError, match=r"[Aa]uthentication fail|invalid credentials"),
    ):
        reading.partitions()


def test_the_settings_let_the_resource_in(
    kafka: SecuredKafka, no_settings: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = kafka.place / "landing-password"
    secret.write_text(kafka.passwords[LANDING] + "\n")
    for name, value in {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_USERNAME": LANDING,
        "KAFKA_SASL_PASSWORD_FILE": str(secret),
        "KAFKA_SSL_CA": str(kafka.ca),
    }.items():
        monkeypatch.setenv(name, value)
    with KafkaResource(bootstrap_servers=kafka.bootstrap).reader(POSITIONS_TOPIC) as reading:
        assert len(reading.partitions()) == 6
        assert reading.topic_id()


def settings_of(kafka: SecuredKafka, user: str, home: Path) -> Settings:
    return Settings(
        flight_assets_home=home,
        secrets_dir=home,
        kafka_bootstrap_servers=kafka.bootstrap,
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username=user,
        kafka_sasl_password=kafka.passwords[user],
        kafka_ssl_ca=kafka.ca,
        feed_source="simulated",
        feed_requests_per_minute=1000,
        _env_file=None,
    )


def test_a_poll_is_published_as_the_poller(
    kafka: SecuredKafka, no_settings: None, tmp_path: Path
) -> None:
    before = read_all(kafka, LANDING)
    with SimulatorServer(SimulatedWorld(3)) as server:
        settings = settings_of(kafka, POLLER, tmp_path)
        poll = poll_once(settings.model_copy(update={"feed_base_url": server.base_url}))
    assert read_all(kafka, LANDING) - before == poll.observation_count + poll.refused_count


def test_the_lag_is_told_to_landing(kafka: SecuredKafka, database: str) -> None:
    with psycopg.connect(database) as connection:
        security = kafka.security(LANDING)
        found, unknown = lags(kafka.bootstrap, connection, timeout_s=5, security=security)
    assert (len(found), unknown) == (7, [])


def test_the_command_takes_the_users_passwords_from_the_secrets(
    kafka: SecuredKafka, no_settings: None, tmp_path: Path
) -> None:
    for user, password in kafka.passwords.items():
        (tmp_path / f"kafka_{user}_password").write_text(f"{password}\n")
    apply_to_kafka(settings_of(kafka, ADMIN, tmp_path))
    assert read_all(kafka, LANDING) >= 3


def test_a_rotated_password_is_the_only_one(kafka: SecuredKafka) -> None:
    old, new = kafka.passwords[LANDING], "another-" + kafka.passwords[LANDING]
    change_password(kafka.bootstrap, kafka.security(ADMIN), LANDING, new)
    try:
        with reader(kafka, kafka.security(LANDING, new)) as reading:
            assert reading.partitions()
        with (
            reader(kafka, kafka.security(LANDING, old)) as reading,
            pytest.raises(KafkaUnavailableError),
        ):
            reading.partitions()
    finally:
        change_password(kafka.bootstrap, kafka.security(ADMIN), LANDING, old)


def test_rights_that_somebody_gave_besides_are_taken_back(kafka: SecuredKafka) -> None:
    too_much = AclBinding(
        ResourceType.TOPIC, POSITIONS_TOPIC, ResourcePatternType.LITERAL,
        "User:*", "*", AclOperation.ALL, AclPermissionType.ALLOW,
    )  # fmt: skip
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, **kafka.security(ADMIN)})
    admin.create_acls([too_much])[too_much].result()
    deadline = time.monotonic() + 20  # a list reaches the broker a moment after it is accepted
    while refusal(kafka, POSITIONS_TOPIC, LANDING) is not None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert refusal(kafka, POSITIONS_TOPIC, LANDING) is None
    apply_access(kafka.bootstrap, kafka.security(ADMIN), kafka.passwords)
    while refusal(kafka, POSITIONS_TOPIC, LANDING) is None and time.monotonic() < deadline:
        time.sleep(0.2)
    assert refusal(kafka, POSITIONS_TOPIC, LANDING) == KafkaError.TOPIC_AUTHORIZATION_FAILED
    assert set(done(admin.describe_acls(EVERY_BINDING))) == {each.binding() for each in RIGHTS}
