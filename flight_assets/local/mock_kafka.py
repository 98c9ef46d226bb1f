"""librdkafka's built-in cluster in a process of its own, ``python -m`` this module.

The stand-in where Apache Kafka cannot run. It serves by TCP until it is told to end, from memory
alone: see ``LIMITS``.
"""

import argparse
import logging
import signal
from pathlib import Path

LIMITS = (
    "librdkafka's built-in cluster stands in for Apache Kafka: good for a look, not for promises. "
    "It keeps messages in memory only, so that nothing survives its process; of each partition "
    "the newest 5 MiB or so, older messages are dropped silently; 4 partitions a topic; no search "
    "by time, no administration of topics."
)


def serve(address_file: Path) -> None:
    """Start the cluster, write its address to a file and serve until SIGTERM or SIGINT."""
    from confluent_kafka import Producer

    ends = {signal.SIGTERM, signal.SIGINT}
    # before the client's threads start, which inherit it: the signal then waits for sigwait
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    logging.basicConfig(level=logging.INFO)
    cluster = Producer({"test.mock.num.brokers": 1}, logger=logging.getLogger("mock_kafka"))
    brokers = cluster.list_topics(timeout=10).brokers.values()
    address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    unfinished = address_file.with_name(address_file.name + ".new")
    unfinished.write_text(address)
    unfinished.replace(address_file)
    signal.sigwait(ends)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=LIMITS)
    parser.add_argument("address_file", type=Path, help="where to write host:port")
    serve(parser.parse_args().address_file)


if __name__ == "__main__":
    main()
