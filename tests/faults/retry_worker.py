"""Retry what is rejected of a topic, saying so after each slice, until it is done or killed."""

import sys
from dataclasses import replace

import msgspec
import psycopg

from kafka_sensors.retry import retry
from tests.landing_topic import Reading, target_of


def repaired(value: bytes) -> Reading:
    """Decode what has another word for the name."""
    said = msgspec.json.decode(value)
    return Reading(read_at=said["read_at"], name=said["called"])


def main(topic: str, conninfo: str) -> None:
    """Retry once."""
    target = replace(target_of(topic), decode=repaired)
    with psycopg.connect(conninfo) as connection:
        for retried in retry(target, connection, run_id="worker"):
            print("landed", retried.landed_count, flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
