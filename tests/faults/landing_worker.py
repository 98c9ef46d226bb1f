"""Land a topic in small slices, saying so after each, until there is no more or it is killed."""

import sys
from datetime import UTC, datetime

import psycopg

from kafka_sensors.client import Reader
from kafka_sensors.landing import Limits, land_waiting
from tests.landing_topic import EIGHT, NINE, target_of

MESSAGES = 150  # a slice; small, so that most of the time is spent between begin and commit


def main(bootstrap: str, topic: str, conninfo: str) -> None:
    """Land what waits once."""
    with Reader(bootstrap, topic) as reader, psycopg.connect(conninfo) as connection:
        land_waiting(
            target_of(topic),
            reader,
            connection,
            first_hour=EIGHT,
            last_hour=NINE,
            now=datetime.now(UTC),
            run_id="worker",
            limits=Limits(messages=MESSAGES),
            on_slice=lambda landed: print("landed", landed.slice_id, flush=True),
        )
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
