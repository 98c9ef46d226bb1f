"""The stack as a whole: up, down, status; local servers, or those that the settings name.

A server that the settings name is used and checked, never started or stopped; nothing local
starts in its place.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from pydantic import SecretStr

from flight_assets.brokers import security_options
from flight_assets.errors import FlightAssetsError
from flight_assets.local import builtin_kafka, kafka, postgres
from flight_assets.local.endpoints import Endpoints, KafkaKind, prepare_dagster_home
from flight_assets.local.kafka_jars import libs_or_default, what_is_missing
from flight_assets.local.mock_kafka import LIMITS
from flight_assets.local.postgres_data import USER, read_password
from flight_assets.local.processes import HOST, record_of, stop
from flight_assets.local.state import Say, StackState, locked_state, read_state, silence
from flight_assets.settings import Settings
from flight_assets.warehouse.connection import conninfo
from flight_assets.warehouse.migrate import create_database_if_missing, migrate

KAFKA_TIMEOUT_S = 10
SERVERS = {
    kafka.NAME: kafka.stop_server,
    builtin_kafka.NAME: builtin_kafka.stop_server,
    postgres.NAME: postgres.stop_server,
}


class Kafka(NamedTuple):
    """The brokers in use."""

    bootstrap_servers: str
    kind: KafkaKind


def up(settings: Settings, *, say: Say = silence) -> Endpoints:
    """Start what is not running, make and migrate the databases, return where everything is.

    Safe to repeat. What it has started itself it stops again when it cannot finish.
    """
    with locked_state(settings.home, say) as state, _nothing_half_done(state):
        found = _postgres(settings, state, say)
        _prepare_databases(found)
        brokers = _kafka(settings, state, say)
        prepare_dagster_home(settings.home)
        return _endpoints(found, brokers, is_postgres_local=is_local_postgres(settings, state))


def up_postgres(settings: Settings, *, say: Say = silence, writes_bronze: bool = False) -> str:
    """Return the warehouse's connection string, after waking the local Postgres if it sleeps.

    It is that of the login that writes bronze if asked for.
    """
    with locked_state(settings.home, say) as state, _nothing_half_done(state):
        slept = state.running(postgres.NAME) is None
        found = _postgres(settings, state, say)
        if slept and is_local_postgres(settings, state):
            say("Started the local Postgres; `flight-assets down` stops it.")
            _prepare_databases(found)
        return conninfo(found.for_bronze() if writes_bronze else found)


def endpoints(settings: Settings) -> Endpoints:
    """Return where everything is; raises ``FlightAssetsError`` unless it is up."""
    state = read_state(settings.home)
    brokers = running_kafka(settings, state)
    local = is_local_postgres(settings, state)
    if brokers is None or (local and state.running(postgres.NAME) is None):
        raise FlightAssetsError("the stack is not up: call `flight-assets up`")
    found = with_local_postgres(settings, state) if local else settings
    conninfo(found)  # names what is missing of a server that the settings name
    return _endpoints(found, brokers, is_postgres_local=local)


def down(settings: Settings, *, say: Say = silence) -> list[str]:
    """Stop every process of this home, the servers last; return the names of those that ran."""
    if not settings.home.exists():
        return []
    with locked_state(settings.home, say) as state:
        return _stop_all(state, keep=frozenset())


def is_up(settings: Settings) -> bool:
    """Return whether any process of this home runs."""
    state = read_state(settings.home)
    return any(state.running(name) for name in state.processes)


def register_process(settings: Settings, name: str, pid: int) -> None:
    """Have ``down`` stop this process too: a simulator, a poller, Dagster."""
    with locked_state(settings.home) as state:
        other = state.running(name)
        if other is not None and other.pid != pid:
            raise FlightAssetsError(
                f"a {name} already runs as process {other.pid}: call `flight-assets down` first"
            )
        process = record_of(pid)
        if process is None:
            raise FlightAssetsError(f"the {name} ended at once: no process {pid} runs")
        state.record(name, process)


def forget_process(settings: Settings, name: str) -> None:
    """Take a process that has ended by itself off the list."""
    with locked_state(settings.home) as state:
        state.forget(name)


def is_local_postgres(settings: Settings, state: StackState) -> bool:
    """Return whether the Postgres in use is ours: none is named, or it is our own by its address.

    `flight-assets env` gives our own server's address to child processes.
    """
    if settings.postgres_host is None:
        return True
    own = (HOST, state.ports.get(postgres.NAME), USER)
    return own == (settings.postgres_host, settings.postgres_port, settings.postgres_user)


def is_local_kafka(settings: Settings, state: StackState) -> bool:
    """Return whether the Kafka in use is ours, in the same way."""
    named = settings.kafka_bootstrap_servers
    own = state.kafka_address or f"{HOST}:{state.ports.get(kafka.NAME)}"
    return named is None or named == own


@contextmanager
def _nothing_half_done(state: StackState) -> Iterator[None]:
    """Stop what was started inside the block when that does not end well."""
    keep = frozenset(name for name in state.processes if state.running(name))
    is_done = False
    try:
        yield
        is_done = True
    finally:
        if not is_done:
            _stop_all(state, keep=keep)


def _stop_all(state: StackState, *, keep: frozenset[str]) -> list[str]:
    stopped = []
    for name in [name for name in reversed(state.processes) if name not in SERVERS]:
        if name not in keep:
            if stop(state.processes[name]):
                stopped.append(name)
            state.forget(name)
    for name, stop_server in SERVERS.items():
        if name not in keep and stop_server(state):
            stopped.append(name)
    return stopped


def _postgres(settings: Settings, state: StackState, say: Say) -> Settings:
    """Return the settings with a Postgres that is up filled in."""
    if not is_local_postgres(settings, state):
        conninfo(settings)
        return settings
    postgres.start(state, say, backup_dir=settings.backup_dir)
    return with_local_postgres(settings, state)


def with_local_postgres(settings: Settings, state: StackState) -> Settings:
    """Return the settings with our own Postgres, which runs or has run, as their server."""
    return settings.model_copy(
        update={
            "postgres_host": HOST,
            "postgres_port": state.ports[postgres.NAME],
            "postgres_user": USER,
            "postgres_password": SecretStr(read_password(state.home)),
            # one user for all, on this machine alone
            "postgres_ingest_user": None,
            "dagster_postgres_user": None,
            "postgres_sslmode": "prefer",
            "postgres_sslrootcert": None,
        }
    )


def _prepare_databases(settings: Settings) -> None:
    create_database_if_missing(conninfo(settings))
    create_database_if_missing(conninfo(settings.for_dagster()))
    migrate(conninfo(settings))


def _kafka(settings: Settings, state: StackState, say: Say) -> Kafka:
    named = settings.kafka_bootstrap_servers
    if named is not None and not is_local_kafka(settings, state):
        security = security_options(settings)
        if not kafka.can_reach(named, timeout_s=KAFKA_TIMEOUT_S, security=security):
            log_in = " and the log-in (KAFKA_SASL_ and KAFKA_SSL_CA)" if security else ""
            raise FlightAssetsError(
                f"Kafka does not answer at {named}: start it, correct KAFKA_BOOTSTRAP_SERVERS"
                f"{log_in}, or unset that to have a local one started"
            )
        return Kafka(named, "external")
    libs = libs_or_default(settings.kafka_libs)
    why_builtin = _why_builtin(settings, state, what_is_missing(libs))
    if why_builtin is None:
        return Kafka(kafka.start(state, libs, say), "apache")
    say(f"WARNING: {why_builtin}. {LIMITS}")
    return Kafka(builtin_kafka.start(state), "builtin")


def _why_builtin(settings: Settings, state: StackState, missing: str | None) -> str | None:
    """Return why the built-in cluster is used, ``None`` where Apache Kafka is.

    A change of mind over data that exists is refused: the ledger belongs to one cluster's topics.
    """
    if settings.kafka_kind == "builtin":
        if state.running(kafka.NAME) is not None:
            raise FlightAssetsError(
                "Apache Kafka runs, but FLIGHT_ASSETS_KAFKA=builtin: `flight-assets down` first"
            )
        return "FLIGHT_ASSETS_KAFKA=builtin"
    if missing is not None and (settings.kafka_kind == "apache" or kafka.has_data(state.home)):
        raise FlightAssetsError(
            f"Apache Kafka cannot run: {missing}. Install it, set KAFKA_BOOTSTRAP_SERVERS, or set "
            "FLIGHT_ASSETS_KAFKA=builtin for a look without it"
        )
    if missing is None and state.running(builtin_kafka.NAME) is not None:
        raise FlightAssetsError(
            "librdkafka's built-in cluster runs, but Apache Kafka can: `flight-assets down` first, "
            "or set FLIGHT_ASSETS_KAFKA=builtin"
        )
    return missing


def running_kafka(settings: Settings, state: StackState) -> Kafka | None:
    """Return the brokers that the settings name, or the local ones if they run."""
    named = settings.kafka_bootstrap_servers
    if named is not None and not is_local_kafka(settings, state):
        return Kafka(named, "external")
    if state.running(kafka.NAME) is not None:
        return Kafka(kafka.bootstrap_servers(state), "apache")
    if state.running(builtin_kafka.NAME) is not None and state.kafka_address is not None:
        return Kafka(state.kafka_address, "builtin")
    return None


def _endpoints(found: Settings, brokers: Kafka, *, is_postgres_local: bool) -> Endpoints:
    assert found.postgres_host and found.postgres_user and found.postgres_password
    return Endpoints(
        home=found.home,
        postgres_host=found.postgres_host,
        postgres_port=found.postgres_port,
        postgres_user=found.postgres_user,
        postgres_password=found.postgres_password.get_secret_value(),
        postgres_db=found.postgres_db,
        dagster_postgres_db=found.dagster_postgres_db,
        is_postgres_local=is_postgres_local,
        kafka_bootstrap_servers=brokers.bootstrap_servers,
        kafka_kind=brokers.kind,
        settings=_in_the_clear(found) if brokers.kind != "external" else found,
    )


def _in_the_clear(settings: Settings) -> Settings:
    """Return the settings for a Kafka of this machine alone, which asks for no log-in."""
    return settings.model_copy(update={"kafka_security_protocol": "PLAINTEXT"})
