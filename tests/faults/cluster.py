"""A real Apache Kafka of one or three nodes, for the tests that stop and kill its brokers.

Each node is broker and controller. What a node is told comes from the local stack's own settings.
"""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from flight_assets.local import processes
from flight_assets.local.kafka import LOG4J, SERVER_SETTINGS, new_cluster_id
from flight_assets.local.kafka_jars import fetch_jars
from flight_assets.local.processes import HOST, ProcessRecord
from flight_assets.local.state import silence
from tests.apache_kafka import libs_or_skip

JVM_OPTIONS = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
PATIENCE_S = 120  # machines that run much else start a JVM slowly

# Retention is looked at now, not in minutes: what a test makes old is deleted at once.
AT_ONCE = {"log.retention.check.interval.ms": "300", "log.initial.task.delay.ms": "100"}

# What a write means with three: two have it, or it is not acknowledged. A controller that is lost
# is replaced within seconds.
REPLICATED = {
    "default.replication.factor": "3",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "min.insync.replicas": "2",
    "controller.quorum.fetch.timeout.ms": "1500",
    "controller.quorum.election.timeout.ms": "500",
    # a follower that is behind for so long no longer counts as in sync
    "replica.lag.time.max.ms": "3000",
}


@dataclass
class Node:
    """One broker: its place on the disk, its ports and, while it runs, its process."""

    number: int
    place: Path
    port: int
    controller_port: int
    process: ProcessRecord | None = None

    @property
    def address(self) -> str:
        """The ``host:port`` that clients connect to."""
        return f"{HOST}:{self.port}"

    @property
    def voter(self) -> str:
        """The node as a controller, as ``controller.quorum.voters`` names it."""
        return f"{self.number}@{HOST}:{self.controller_port}"

    @property
    def log(self) -> Path:
        """What the broker says."""
        return self.place / "kafka.log"


class Cluster:
    """A cluster of one node, or of three that replicate everything."""

    def __init__(self, place: Path, libs: Path, *, size: int) -> None:
        self.libs = libs
        ports = free_ports(2 * size)
        self.nodes = [
            Node(number, place / f"node-{number}", *ports[2 * number - 2 : 2 * number])
            for number in range(1, size + 1)
        ]
        self._format({**SERVER_SETTINGS, **AT_ONCE, **(REPLICATED if size > 1 else {})})

    @property
    def bootstrap(self) -> str:
        """The addresses of all nodes."""
        return ",".join(node.address for node in self.nodes)

    @property
    def is_running(self) -> bool:
        """Whether all nodes run."""
        return all(node.process is not None and node.process.is_alive() for node in self.nodes)

    def _format(self, settings: Mapping[str, str]) -> None:
        """Write each node's settings and give its data directory the cluster's id."""
        voters = ",".join(node.voter for node in self.nodes)
        for node in self.nodes:
            configure(node, {**settings, "controller.quorum.voters": voters})
        cluster_id = new_cluster_id()
        tool = [*java(self.libs), "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c"]
        formatting = [
            subprocess.Popen(
                [*tool, str(node.place / "server.properties")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            for node in self.nodes
        ]
        assert [process.wait(PATIENCE_S) for process in formatting] == [0] * len(self.nodes)

    def start(self, *nodes: Node) -> None:
        """Start nodes, all where none is named, and wait until every broker of theirs serves."""
        for node in nodes or self.nodes:
            log4j = f"-Dlog4j2.configurationFile={node.place / 'log4j2.properties'}"
            command = [*java(self.libs, log4j), "kafka.Kafka", node.place / "server.properties"]
            node.process = processes.spawn(command, log=node.log)
        awaited = [node for node in self.nodes if node.process is not None]
        for node in awaited:
            came = processes.wait_until(
                lambda node=node: brokers_known_to(node) == {each.number for each in awaited},
                timeout_s=PATIENCE_S,
                first_pause_s=0.2,
            )
            assert came, f"node {node.number}: {processes.last_line(node.log)}"

    def stop(self, *nodes: Node, by: signal.Signals = signal.SIGTERM) -> None:
        """End nodes, all where none is named, and wait until they have ended."""
        for node in nodes or self.nodes:
            if node.process is not None:
                processes.stop(node.process, by=by, patience_s=30)
                node.process = None

    def kill(self, *nodes: Node) -> None:
        """End nodes with SIGKILL: no farewell, nothing flushed."""
        self.stop(*nodes, by=signal.SIGKILL)


def free_ports(count: int) -> list[int]:
    """Return so many different ports that nothing listens on."""
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(processes.free_port())
    return sorted(ports)


def java(libs: Path, *options: str) -> Sequence[str]:
    """Return the beginning of a command that runs one of Kafka's programs."""
    return ["java", *JVM_OPTIONS, *options, "-cp", f"{libs}/*"]


def configure(node: Node, settings: Mapping[str, str]) -> None:
    """Write what a node reads when it starts."""
    node.place.mkdir(parents=True)
    own = {
        "node.id": str(node.number),
        "listeners": f"PLAINTEXT://{node.address},CONTROLLER://{HOST}:{node.controller_port}",
        "advertised.listeners": f"PLAINTEXT://{node.address}",
        "log.dirs": str(node.place / "data"),
    }
    lines = "".join(f"{name}={value}\n" for name, value in {**settings, **own}.items())
    (node.place / "server.properties").write_text(lines)
    (node.place / "log4j2.properties").write_text(LOG4J)


def brokers_known_to(node: Node) -> set[int]:
    """Return the numbers of the brokers that a node says are up; none where it does not answer."""
    admin = AdminClient({"bootstrap.servers": node.address, "log_level": 0})
    try:
        return set(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return set()


@contextmanager
def running_cluster(size: int) -> Iterator[Cluster]:
    """Give a cluster that runs, and leave nothing of it; skips where Kafka cannot run."""
    libs = libs_or_skip()
    fetch_jars(libs, silence)
    place = Path(tempfile.mkdtemp(prefix="flight-assets-tests-"))
    cluster = Cluster(place, libs, size=size)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()
        shutil.rmtree(place)
