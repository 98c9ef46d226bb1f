"""Land or replay a topic in processes forked one after another, each to be stopped or killed.

One line of stdin is one life: ``land`` or ``replay``, the id of its run, and the point to stop at
(``before-copy``; ``-``: none) at its so-many-th passing. A fork takes milliseconds where a start
takes half a second, so that hundreds of lives fit into minutes. Nothing here connects before the
fork: neither client survives one.
"""

import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

from kafka_sensors.client import Reader
from kafka_sensors.errors import KafkaSensorsError
from kafka_sensors.landing import Limits, land_waiting
from kafka_sensors.replay import replay_hours
from tests.faults.stops import Stop, StoppingConnection, install, say
from tests.landing_topic import EIGHT, NINE, target_of

MESSAGES = 150  # a slice; small, so that most of the time is spent between begin and commit


def live(place: tuple[str, str, str], action: str, run_id: str, stop: Stop) -> None:
    """Land what waits, or replay what has landed, once."""
    say("born", os.getpid())
    bootstrap, topic, conninfo = place
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="log %(message)s")
    install(stop)
    asked: dict[str, Any] = {"first_hour": EIGHT, "last_hour": NINE, "now": datetime.now(UTC)}
    asked |= {"run_id": run_id, "on_slice": lambda landed: say("landed", landed.slice_id)}
    with (
        Reader(bootstrap, topic) as reader,
        StoppingConnection.connect(conninfo, application_name=run_id) as connection,
    ):
        if action == "replay":
            replay_hours(target_of(topic), reader, connection, **asked)
        else:
            limits = Limits(messages=MESSAGES)
            land_waiting(target_of(topic), reader, connection, limits=limits, **asked)
    say("done")


def main(bootstrap: str, topic: str, conninfo: str) -> None:
    """Fork a process for each line, and say how it ended."""
    for line in sys.stdin:
        action, run_id, point, nth = line.split()
        child = os.fork()
        if child == 0:
            stop = Stop(point.replace("-", " "), int(nth))
            try:
                live((bootstrap, topic, conninfo), action, run_id, stop)
            except KafkaSensorsError as error:
                say("failed", type(error).__name__)
            return
        _, status = os.waitpid(child, 0)
        say("died", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main(*sys.argv[1:])
