"""A real Apache Kafka that asks everybody for a log-in by TLS, and authorises by access lists."""

import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flight_assets.certificates import certificate_of, keystore, make_certificates
from flight_assets.feed.access import ADMIN, LANDING, POLLER, apply_access
from flight_assets.feed.topics import ensure_topics
from flight_assets.local import processes
from flight_assets.local.kafka import LOG4J, SERVER_SETTINGS, can_reach, new_cluster_id
from flight_assets.local.kafka_jars import fetch_jars
from flight_assets.local.processes import HOST, ProcessRecord
from flight_assets.local.state import silence
from flight_assets.settings import PROJECT_ROOT
from tests.apache_kafka import libs_or_skip
from tests.faults.cluster import PATIENCE_S, free_ports, java

# As the container stack's brokers are: where certificates are is the tests' own matter.
SECURED = dict(
    line.split("=", 1)
    for line in (PROJECT_ROOT / "deploy/kafka/secured.properties").read_text().splitlines()
    if not line.startswith("#")
)
MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"


class SecuredKafka:
    """One broker with its certificates and the passwords of its users."""

    def __init__(self, place: Path, libs: Path) -> None:
        self.place, self.libs = place, libs
        port, self.controller_port = free_ports(2)
        self.bootstrap = f"{HOST}:{port}"
        self.passwords = {user: secrets.token_urlsafe(24) for user in (ADMIN, POLLER, LANDING)}
        assert list(make_certificates(place))
        self.ca = certificate_of(place, "ca")
        (place / "keystore.pem").write_text(keystore(place, "kafka"))
        (place / "log4j2.properties").write_text(LOG4J)
        self.properties = place / "server.properties"
        self.properties.write_text(self._properties())
        self.process: ProcessRecord | None = None

    def _properties(self) -> str:
        log_in = f'username="{ADMIN}" password="{self.passwords[ADMIN]}"'
        controller = f"{HOST}:{self.controller_port}"
        own = {
            "listeners": f"CLIENT://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"CLIENT://{self.bootstrap}",
            "controller.quorum.voters": f"1@{controller}",
            "log.dirs": str(self.place / "data"),
            "ssl.keystore.location": str(self.place / "keystore.pem"),
            "ssl.truststore.location": str(self.ca),
            "listener.name.client.scram-sha-512.sasl.jaas.config": f"{MODULE} required {log_in};",
        }
        settings = {**SERVER_SETTINGS, **SECURED, **own}
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def security(self, user: str, password: str | None = None) -> dict[str, str]:
        """Return librdkafka's options of a user."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": user,
            "sasl.password": self.passwords[user] if password is None else password,
            "ssl.ca.location": str(self.ca),
        }

    def start(self) -> None:
        """Format and start the broker, and set its users, topics and access lists."""
        scram = f"SCRAM-SHA-512=[name={ADMIN},password={self.passwords[ADMIN]}]"
        tool = [*java(self.libs), "kafka.tools.StorageTool", "format", "-t", new_cluster_id()]
        tool += ["-c", str(self.properties), "--add-scram", scram]
        done = subprocess.run(tool, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
        log, log4j = self.place / "kafka.log", self.place / "log4j2.properties"
        server = [*java(self.libs, f"-Dlog4j2.configurationFile={log4j}"), "kafka.Kafka"]
        self.process = processes.spawn([*server, self.properties], log=log)
        admin = self.security(ADMIN)
        assert processes.wait_until(
            lambda: can_reach(self.bootstrap, timeout_s=3, security=admin),
            timeout_s=PATIENCE_S,
            first_pause_s=0.2,
        ), processes.last_line(log)
        ensure_topics(self.bootstrap, admin)
        apply_access(self.bootstrap, admin, self.passwords)

    def stop(self) -> None:
        if self.process is not None:
            processes.stop(self.process, patience_s=30)


@contextmanager
def running_kafka() -> Iterator[SecuredKafka]:
    """Give such a broker, and leave nothing of it; skips where Kafka cannot run."""
    libs = libs_or_skip()
    fetch_jars(libs, silence)
    place = Path(tempfile.mkdtemp(prefix="flight-assets-tests-"))
    kafka = SecuredKafka(place, libs)
    try:
        kafka.start()
        yield kafka
    finally:
        kafka.stop()
        shutil.rmtree(place)
