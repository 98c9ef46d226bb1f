"""A local Apache Kafka: one KRaft node from its published jars, on 127.0.0.1.

It keeps its data over ``kill -9`` and outlives the command that started it. Topics are made by
those who publish to them (``feed.topics``).
"""

import base64
import shutil
import signal
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

import psutil

from flight_assets.errors import FlightAssetsError
from flight_assets.local.kafka_jars import fetch_jars
from flight_assets.local.processes import (
    HOST,
    ProcessRecord,
    free_port,
    last_line,
    record_of,
    spawn,
    stop,
    wait_until,
)
from flight_assets.local.state import Say, StackState, silence

NAME = "kafka"

# A small heap and the quick compiler: ready sooner, about 330 MB resident.
JVM_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

SERVER_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "min.insync.replicas": "1",
    "group.initial.rebalance.delay.ms": "0",
    "auto.create.topics.enable": "false",
    # after kill -9 it serves again in 3 s instead of 12 s
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
    # captures are years old: bounded by size (of a partition), never by the age of a message
    "log.retention.ms": "-1",
    "log.retention.bytes": str(2 << 30),
    "log.segment.bytes": str(256 << 20),
    "log.message.timestamp.type": "CreateTime",
    "log.message.timestamp.before.max.ms": str(2**63 - 1),
    "message.max.bytes": str(2 << 20),
    "replica.fetch.max.bytes": str(2 << 20),
    # 128 MB of heap by default, for compacted topics, of which there is one small one
    "log.cleaner.dedupe.buffer.size": str(16 << 20),
}

LOG4J = """\
rootLogger.level = WARN
rootLogger.appenderRef.stdout.ref = stdout
appender.stdout.type = Console
appender.stdout.name = stdout
appender.stdout.layout.type = PatternLayout
appender.stdout.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %p %c{1}: %m%n
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
"""


def bootstrap_servers(state: StackState) -> str:
    """Return the address that clients connect to."""
    return f"{HOST}:{state.ports[NAME]}"


def start(state: StackState, libs: Path, say: Say = silence) -> str:
    """Start the broker, or find it running; return its address. Needs the stack's lock.

    Raises ``FlightAssetsError`` with the broker's own last words when it does not come up.
    """
    place, log = state.home / "kafka", state.home / "logs" / "kafka.log"
    running = state.running(NAME) or _adopt(state, place)
    if running is not None:
        if _answers(state, running):
            return bootstrap_servers(state)
        if running.is_alive():
            raise FlightAssetsError(
                f"the local Kafka (process {running.pid}) does not answer on port "
                f"{state.ports[NAME]}: call `flight-assets down`, then `up` (log: {log})"
            )
    fetch_jars(libs, say)
    for _ in range(3):  # a port that was free can be taken before the broker listens
        ports = _free_ports(state)
        properties = _configure(place, ports)
        _format(place, libs, properties)
        process = spawn(_command(place, libs, properties), log=log)
        state.record(NAME, process, **ports)
        if _answers(state, process):
            return bootstrap_servers(state)
        stop(process)
        if "Address already in use" not in last_line(log, containing=("Address already",)):
            break
    words = last_line(log, containing=("ERROR", "FATAL", "Error", "Exception")) or "no message"
    raise FlightAssetsError(f"the local Kafka does not start: {words[:300]} (log: {log})")


def stop_server(state: StackState) -> bool:
    """Stop the broker; return whether one was running."""
    process = state.running(NAME) or _adopt(state, state.home / "kafka")
    was_running = process is not None and stop(process, by=signal.SIGTERM, patience_s=30)
    state.forget(NAME)
    return was_running


def has_data(home: Path) -> bool:
    """Return whether an Apache Kafka ever ran in this home."""
    return (home / "kafka" / "data" / "meta.properties").exists()


def _free_ports(state: StackState) -> dict[str, int]:
    client = free_port(state.ports.get(NAME))
    controller = client
    while controller == client:
        controller = free_port(state.ports.get("kafka_controller"))
    return {NAME: client, "kafka_controller": controller}


def _configure(place: Path, ports: dict[str, int]) -> Path:
    """Write the broker's settings; they are ours, so each start writes them anew."""
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    client, controller = ports[NAME], ports["kafka_controller"]
    settings = SERVER_SETTINGS | {
        "listeners": f"PLAINTEXT://{HOST}:{client},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{client}",
        # the voters are named here and not in the formatted data, so that a port can change
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "log.dirs": _property(str(place / "data")),
    }
    (place / "log4j2.properties").write_text(LOG4J)
    path = place / "server.properties"
    path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return path


def _property(value: str) -> str:
    """Return a value as Java's properties files take it: outside ASCII as UTF-16 escapes."""
    units = value.replace("\\", "\\\\").encode("utf-16-be")
    codes = (int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2))
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)


def new_cluster_id() -> str:
    """Return 16 random bytes as Kafka writes a cluster id, never one that reads as an option."""
    while True:
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not cluster_id.startswith("-"):
            return cluster_id


def _format(place: Path, libs: Path, properties: Path) -> None:
    """Give an empty data directory its cluster id; leaves a formatted one as it is."""
    if has_data(place.parent):
        return
    unfinished = place / "data"
    if unfinished.exists():  # formatting was interrupted: no broker ever ran on it
        shutil.rmtree(unfinished)
    cluster_id = new_cluster_id()
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{libs}/*", "kafka.tools.StorageTool"]
    command += ["format", "-t", cluster_id, "-c", str(properties)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        words = ((done.stderr or done.stdout).strip().splitlines() or ["no message"])[-1]
        raise FlightAssetsError(f"the local Kafka cannot be created in {place}: {words[:300]}")


def _command(place: Path, libs: Path, properties: Path) -> list[str]:
    log4j = f"-Dlog4j2.configurationFile={place / 'log4j2.properties'}"
    return ["java", *JVM_OPTIONS, log4j, "-cp", f"{libs}/*", "kafka.Kafka", str(properties)]


def _answers(state: StackState, process: ProcessRecord) -> bool:
    """Wait until the broker serves; ``False`` when it ended or stays silent."""
    address = bootstrap_servers(state)
    came = wait_until(
        lambda: not process.is_alive() or can_reach(address, timeout_s=2),
        timeout_s=120,
        first_pause_s=0.2,
    )
    return came and process.is_alive()


def can_reach(address: str, *, timeout_s: float, security: Mapping[str, str] | None = None) -> bool:
    """Return whether a Kafka broker answers at the address, and lets this user in."""
    import logging

    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    quiet = logging.getLogger("flight_assets.local.kafka.probe")
    quiet.disabled = True  # the client tells of every refused connection
    admin = AdminClient(
        {
            "bootstrap.servers": address,
            "socket.timeout.ms": int(timeout_s * 1000),
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 200,
            **(security or {}),
        },
        logger=quiet,
    )
    try:
        return bool(admin.list_topics(timeout=timeout_s).brokers)
    except KafkaException:
        return False


def _adopt(state: StackState, place: Path) -> ProcessRecord | None:
    """Return the broker that runs on the data directory though it is not recorded, if any."""
    properties = place / "server.properties"
    for process in psutil.process_iter(["name", "cmdline"]):
        cmdline = process.info["cmdline"] or []
        if process.info["name"] == "java" and cmdline[-1:] == [str(properties)]:
            record = record_of(process.pid)
            if record is not None:
                state.record(NAME, record, **_ports_in(properties))
                return record
    return None


def _ports_in(properties: Path) -> dict[str, int]:
    lines = properties.read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    client, controller = settings["listeners"].split(",")
    return {NAME: int(client.rsplit(":")[-1]), "kafka_controller": int(controller.rsplit(":")[-1])}
