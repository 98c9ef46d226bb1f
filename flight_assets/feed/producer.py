"""A sweep on its way to Kafka: every message acknowledged, or the poll did not happen."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypedDict

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from flight_assets.core import observations, polls
from flight_assets.core.observations import POSITIONS_TOPIC, Observation, RefusedRow
from flight_assets.core.polls import POLLS_TOPIC, Poll
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.poller import Sweep

log = logging.getLogger(__name__)

POSITIONS_CONTRACT = f"{POSITIONS_TOPIC}/{observations.CONTRACT_VERSION}"
POLLS_CONTRACT = f"{POLLS_TOPIC}/{polls.CONTRACT_VERSION}"
ACKNOWLEDGE_WITHIN_S = 60.0


class MessageFields(TypedDict):
    """One message as ``produce`` takes it; ``timestamp`` in Unix milliseconds."""

    key: bytes
    value: bytes
    timestamp: int
    headers: dict[str, str | bytes | None]


class PollProducer:
    """Publishes sweeps. A message is one observation or one refused row, keyed by its flight."""

    def __init__(
        self, bootstrap_servers: str, *, acknowledge_within_s: float = ACKNOWLEDGE_WITHIN_S
    ) -> None:
        self._bootstrap_servers = bootstrap_servers
        self._acknowledge_within_s = acknowledge_within_s
        # told of each topic of a sweep: how many messages were acknowledged, and how many not
        self.on_delivered: Callable[[str, int, int], None] | None = None
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "zstd",
                "linger.ms": 20,
                # the partition that Java's producers choose for the same key
                "partitioner": "murmur2_random",
                "delivery.timeout.ms": int(acknowledge_within_s * 1000),
                "error_cb": lambda error: log.info("Kafka at %s: %s", bootstrap_servers, error),
                "log_level": 0,
            }
        )

    @property
    def queued_count(self) -> int:
        """Messages and requests that wait for the brokers now."""
        return len(self._producer)

    def publish(self, sweep: Sweep) -> None:
        """Publish all of a sweep, then its poll record.

        Messages carry the poll's start as their time. Raises ``FlightAssetsError`` with the
        counts where not every message was acknowledged; the poll record is then not published,
        so that nobody takes the sweep for whole. Polled again, the sky lands again.
        """
        poll = sweep.poll
        self._deliver(POSITIONS_TOPIC, (_position_message(r, poll) for r in _records(sweep)), poll)
        self._deliver(POLLS_TOPIC, [_poll_message(poll)], poll)

    def _deliver(self, topic: str, messages: Iterable[MessageFields], poll: Poll) -> None:
        outcomes: Counter[str] = Counter()

        def on_delivery(error: KafkaError | None, _: Message) -> None:
            outcomes["" if error is None else error.str()] += 1

        give_up_at = time.monotonic() + self._acknowledge_within_s
        sent_count = 0
        for message in messages:
            self._send(topic, message, on_delivery, give_up_at)
            sent_count += 1
        self._producer.flush(max(0.0, give_up_at - time.monotonic()))
        if self.on_delivered is not None:
            self.on_delivered(topic, outcomes[""], sent_count - outcomes[""])
        if outcomes[""] == sent_count:
            return
        # what still waits must not arrive later, behind the back of the error
        self._producer.purge()
        self._producer.flush(1)
        reasons = "; ".join(f"{reason}: {count}" for reason, count in outcomes.items() if reason)
        raise FlightAssetsError(
            f"poll {poll.poll_id}: {outcomes['']} of {sent_count} messages to {topic} at "
            f"{self._bootstrap_servers} acknowledged within {self._acknowledge_within_s:.0f} s "
            f"({reasons or 'no reason given'}); see that the brokers are up"
        )

    def _send(
        self,
        topic: str,
        message: MessageFields,
        on_delivery: Callable[[KafkaError | None, Message], None],
        give_up_at: float,
    ) -> None:
        """Hand a message to the producer; while its queue is full, wait for acknowledgements."""
        while True:
            try:
                self._producer.produce(topic, **message, on_delivery=on_delivery)
            except BufferError:
                if time.monotonic() > give_up_at:
                    raise FlightAssetsError(
                        f"{topic}: Kafka at {self._bootstrap_servers} takes no more messages; "
                        "see that the brokers are up"
                    ) from None
                self._producer.poll(0.1)
            except KafkaException as error:
                raise FlightAssetsError(
                    f"{topic}: message {message['key']!r} cannot be sent: {error.args[0].str()}"
                ) from error
            else:
                self._producer.poll(0)
                return


def _records(sweep: Sweep) -> Iterable[Observation | RefusedRow]:
    yield from sweep.observations
    yield from sweep.refused


def _position_message(record: Observation | RefusedRow, poll: Poll) -> MessageFields:
    return {
        "key": record.flight_id.encode(errors="backslashreplace"),
        "value": observations.encode(record),
        "timestamp": poll.started_at * 1000,
        "headers": {
            "poll_id": record.poll_id,
            "tile_id": record.tile_id,
            "contract": POSITIONS_CONTRACT,
        },
    }


def _poll_message(poll: Poll) -> MessageFields:
    return {
        "key": poll.poll_id.encode(),
        "value": polls.encode(poll),
        "timestamp": poll.started_at * 1000,
        "headers": {"poll_id": poll.poll_id, "contract": POLLS_CONTRACT},
    }
