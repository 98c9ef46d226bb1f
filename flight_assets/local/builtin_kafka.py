"""The stand-in for Apache Kafka as a server of the stack: start, find, stop."""

import sys

from flight_assets.errors import FlightAssetsError
from flight_assets.local.kafka import can_reach
from flight_assets.local.processes import last_line, spawn, stop, wait_until
from flight_assets.local.state import StackState

NAME = "builtin-kafka"


def start(state: StackState) -> str:
    """Start the cluster, or find it running; return its address. Needs the stack's lock."""
    if state.running(NAME) is not None and state.kafka_address is not None:
        return state.kafka_address
    log = state.home / "logs" / "builtin-kafka.log"
    address_file = state.home / "builtin-kafka-address"
    address_file.unlink(missing_ok=True)
    process = spawn([sys.executable, "-m", "flight_assets.local.mock_kafka", address_file], log=log)
    state.record(NAME, process)
    wait_until(lambda: address_file.exists() or not process.is_alive(), timeout_s=30)
    if not address_file.exists():
        stop(process)
        raise FlightAssetsError(
            f"librdkafka's built-in cluster does not start: {last_line(log)} (log: {log})"
        )
    state.kafka_address = address_file.read_text()
    state.save()
    if not can_reach(state.kafka_address, timeout_s=10):
        raise FlightAssetsError(
            f"librdkafka's built-in cluster does not answer at {state.kafka_address} (log: {log})"
        )
    return state.kafka_address


def stop_server(state: StackState) -> bool:
    """Stop the cluster, and with it all it holds; return whether one was running."""
    process = state.running(NAME)
    was_running = process is not None and stop(process, patience_s=10)
    state.kafka_address = None
    state.forget(NAME)
    return was_running
