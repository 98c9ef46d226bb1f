"""Kafka's users and what they may: made where missing, put right where changed.

The brokers authorise by access lists (``StandardAuthorizer``) and let nobody do what no list says;
``admin`` is their super user. Safe to repeat.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.core.polls import POLLS_TOPIC
from flight_assets.errors import FlightAssetsError
from kafka_sensors.client import GROUP_ID

ADMIN, POLLER, LANDING = "admin", "poller", "landing"
# What each user is for.
USERS = {
    ADMIN: "topics, users and access lists: may everything, used by `flight-assets roles apply`",
    POLLER: "publishes polls",
    LANDING: "reads them: landing, its sensor, `flight-assets status`",
}
TOPICS = (POSITIONS_TOPIC, POLLS_TOPIC)
REQUEST_TIMEOUT_S = 10
ITERATIONS = 4096  # of SCRAM: the passwords are random


@dataclass(frozen=True, kw_only=True)
class Right:
    """One operation that a user may do to one resource; what it implies goes without saying."""

    user: str
    resource: ResourceType
    name: str
    operation: AclOperation

    def binding(self) -> AclBinding:
        """Return the right as an entry of an access list, from any host."""
        return AclBinding(
            self.resource,
            self.name,
            ResourcePatternType.LITERAL,
            f"User:{self.user}",
            "*",
            self.operation,
            AclPermissionType.ALLOW,
        )


# To write or read a topic implies to see it. Reading a partition needs its group as well.
RIGHTS = (
    *(
        Right(user=POLLER, resource=ResourceType.TOPIC, name=topic, operation=AclOperation.WRITE)
        for topic in TOPICS
    ),
    *(
        Right(user=LANDING, resource=ResourceType.TOPIC, name=topic, operation=AclOperation.READ)
        for topic in TOPICS
    ),
    Right(user=LANDING, resource=ResourceType.GROUP, name=GROUP_ID, operation=AclOperation.READ),
)
EVERY_BINDING = AclBindingFilter(
    ResourceType.ANY,
    None,
    ResourcePatternType.ANY,
    None,
    None,
    AclOperation.ANY,
    AclPermissionType.ANY,
)


def apply_access(
    bootstrap_servers: str, security: Mapping[str, str], passwords: Mapping[str, str]
) -> None:
    """Give users their passwords and rights, and take back every other right of theirs.

    ``security`` is how ``admin`` reaches the brokers, ``passwords`` has those of the other users.
    Raises ``FlightAssetsError`` where the brokers do not let it.
    """
    admin = admin_of(bootstrap_servers, security)
    for user in (POLLER, LANDING):
        set_password(admin, user, passwords[user])
    wanted = {right.binding() for right in RIGHTS}
    found = set(done(admin.describe_acls(EVERY_BINDING, request_timeout=REQUEST_TIMEOUT_S)))
    too_much = {each for each in found - wanted if is_of_ours(each)}
    if wanted - found:
        all_done(admin.create_acls(sorted(wanted - found), request_timeout=REQUEST_TIMEOUT_S))
    if too_much:
        filters = [exactly(each) for each in sorted(too_much)]
        all_done(admin.delete_acls(filters, request_timeout=REQUEST_TIMEOUT_S))


def exactly(binding: AclBinding) -> AclBindingFilter:
    """Return what finds this entry alone."""
    return AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def is_of_ours(binding: AclBinding) -> bool:
    """Return whether an entry is about our users, or lets others at our topics."""
    is_of_user = binding.principal in {f"User:{user}" for user in USERS}
    return is_of_user or (binding.restype == ResourceType.TOPIC and binding.name in (*TOPICS, "*"))


def change_password(
    bootstrap_servers: str, security: Mapping[str, str], user: str, password: str
) -> None:
    """Give one user a password; the arguments are those of ``apply_access``."""
    set_password(admin_of(bootstrap_servers, security), user, password)


def admin_of(bootstrap_servers: str, security: Mapping[str, str]) -> AdminClient:
    """Return a client for the brokers' administration."""
    return AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0, **security})


def set_password(admin: AdminClient, user: str, password: str) -> None:
    """Give a user a password, making the user where there is none."""
    how = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, ITERATIONS)
    asked = [UserScramCredentialUpsertion(user, how, password.encode())]
    all_done(admin.alter_user_scram_credentials(asked, request_timeout=REQUEST_TIMEOUT_S))


def all_done(asked: "Mapping[Any, Future[Any]]") -> None:
    """Wait for the brokers' answers; raises ``FlightAssetsError`` for the first that says no."""
    for answer in asked.values():
        done(answer)


def done(answer: "Future[Any]") -> Any:
    """Return what the brokers answer; raises ``FlightAssetsError`` where they say no."""
    try:
        return answer.result()
    except KafkaException as error:
        raise FlightAssetsError(
            f"Kafka does not let its users be set: {error.args[0].str()}; name its super user by "
            "KAFKA_SASL_USERNAME and its password for this command, and see that it authorises"
        ) from error
