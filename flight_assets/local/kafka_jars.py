"""Apache Kafka's published jars, fetched once by Maven; and whether this machine can run them."""

import fcntl
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from flight_assets.errors import FlightAssetsError
from flight_assets.local.processes import last_line
from flight_assets.local.state import Say

KAFKA_VERSION = "4.3.1"
LOG4J_VERSION = "2.25.4"
MIN_JAVA = 17

POM = f"""<?xml version="1.0" encoding="UTF-8"?>
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>flight-assets</groupId>
  <artifactId>local-kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version>
    </dependency>
    <!-- without it the broker logs nothing -->
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>{LOG4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""


def libs_or_default(libs: Path | None) -> Path:
    """Return where the jars are: as set, else in the cache that all homes of this user share."""
    return libs or Path.home() / ".cache" / "flight-assets" / f"kafka-{KAFKA_VERSION}"


def what_is_missing(libs: Path) -> str | None:
    """Return what keeps this machine from running Apache Kafka, ``None`` when nothing does."""
    java = shutil.which("java")
    if java is None:
        return f"no `java` is on the PATH; Apache Kafka needs Java {MIN_JAVA} or newer"
    version = _java_version(java)
    if version < MIN_JAVA:
        return f"{java} is Java {version}; Apache Kafka needs {MIN_JAVA} or newer"
    if not has_jars(libs) and shutil.which("mvn") is None:
        return "no `mvn` is on the PATH; Maven fetches Apache Kafka's jars"
    return None


def _java_version(java: str) -> int:
    """Return the major version, 0 where the program does not tell."""
    told = subprocess.run([java, "-version"], capture_output=True, text=True)
    found = re.search(r'version "(?:1\.)?(\d+)', told.stderr + told.stdout)
    return int(found.group(1)) if found else 0


def has_jars(libs: Path) -> bool:
    """Return whether the directory holds the broker's jars."""
    return next(libs.glob(f"kafka_2.13-{KAFKA_VERSION}.jar"), None) is not None


def fetch_jars(libs: Path, say: Say) -> None:
    """Fetch the jars unless they are there: whole or not at all, once for all who ask."""
    if has_jars(libs):
        return
    libs.parent.mkdir(parents=True, exist_ok=True)
    with (libs.parent / f".{libs.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if has_jars(libs):
            return
        if libs.exists() and any(libs.iterdir()):
            raise FlightAssetsError(
                f"{libs} holds no kafka_2.13-{KAFKA_VERSION}.jar: correct FLIGHT_ASSETS_KAFKA_LIBS"
                ", or remove the directory to have the jars fetched there"
            )
        say(f"Fetching Apache Kafka {KAFKA_VERSION} with Maven (44 MB, once) …")
        _fetch(libs)


def _fetch(libs: Path) -> None:
    with tempfile.TemporaryDirectory(dir=libs.parent, prefix=".fetching-") as scratch:
        pom, jars, log = (Path(scratch) / name for name in ("pom.xml", "jars", "mvn.log"))
        pom.write_text(POM)
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
        with log.open("wb") as output:
            done = subprocess.run(
                [*command, f"-DoutputDirectory={jars}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if done.returncode != 0 or not has_jars(jars):
            words = last_line(log, containing=("Could not", "Failed to", "BUILD")) or "no message"
            raise FlightAssetsError(
                f"Maven cannot fetch Apache Kafka: {words[:300]}; check the network, or set "
                "FLIGHT_ASSETS_KAFKA=builtin for a look without it, or KAFKA_BOOTSTRAP_SERVERS"
            )
        if libs.exists():
            libs.rmdir()
        jars.replace(libs)
