"""Apache Kafka for tests that need one, where this machine can run it."""

from pathlib import Path

import pytest

from flight_assets.local.kafka_jars import libs_or_default, what_is_missing
from flight_assets.settings import Settings


def libs_or_skip() -> Path:
    """Return where Kafka's jars are, or will be; skips where it cannot run."""
    libs = libs_or_default(Settings().kafka_libs)
    missing = what_is_missing(libs)
    if missing is not None:
        pytest.skip(f"needs Apache Kafka: {missing}")
    return libs
