"""A sweep on its way to Kafka: every message acknowledged, or the poll did not happen."""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
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

ACKNOWLEDGED = "acknowledged"
NO_ANSWER = ""
# the time was over: in the client's own reckoning, or because what still waited was given up
UNANSWERED = {KafkaError._MSG_TIMED_OUT, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT}
LOOK_AT_BROKERS = (
    "see that the brokers are up: of a replicated topic as many as its min.insync.replicas"
)
LOOK_AT_CLOCK = (
    "the clock of the source, whose time the messages carry, may be more than an hour ahead of the "
    "brokers' (message.timestamp.after.max.ms)"
)
# what to do, by what the broker said of a message
ADVICE = {
    KafkaError(KafkaError.MSG_SIZE_TOO_LARGE).str(): (
        "raise the topic's max.message.bytes, or look at the poll's largest rows"
    ),
    KafkaError(KafkaError.INVALID_RECORD).str(): LOOK_AT_CLOCK,
    KafkaError(KafkaError.INVALID_TIMESTAMP).str(): LOOK_AT_CLOCK,
}


class MessageFields(TypedDict):
    """One message as ``produce`` takes it; ``timestamp`` in Unix milliseconds."""

    key: bytes
    value: bytes
    timestamp: int
    headers: dict[str, str | bytes | None]


class PollProducer:
    """Publishes sweeps. A message is one observation or one refused row, keyed by its flight."""

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        acknowledge_within_s: float = ACKNOWLEDGE_WITHIN_S,
        security: Mapping[str, str] | None = None,
    ) -> None:
        """Describe a producer; ``security`` goes to librdkafka as it is."""
        self._bootstrap_servers = bootstrap_servers
        self._security = dict(security or {})
        self._acknowledge_within_s = acknowledge_within_s
        self._heard: deque[str] = deque(maxlen=1)  # what the brokers' absence last sounded like
        # told of each topic of a sweep: how many messages were acknowledged, and how many not
        self.on_delivered: Callable[[str, int, int], None] | None = None
        self._producer = self._new_producer()

    def _new_producer(self) -> Producer:
        return Producer(
            {
                "bootstrap.servers": self._bootstrap_servers,
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "zstd",
                "linger.ms": 20,
                # the partition that Java's producers choose for the same key
                "partitioner": "murmur2_random",
                "delivery.timeout.ms": int(self._acknowledge_within_s * 1000),
                # not a method: the producer would hold itself, and stay
                "error_cb": partial(_hear, self._bootstrap_servers, self._heard),
                "log_level": 0,
                **self._security,
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
        self._heard.clear()
        self._deliver(POSITIONS_TOPIC, (_position_message(r, poll) for r in _records(sweep)), poll)
        self._deliver(POLLS_TOPIC, [_poll_message(poll)], poll)

    def _deliver(self, topic: str, messages: Iterable[MessageFields], poll: Poll) -> None:
        outcomes: Counter[int] = Counter()  # by error code, 0 where there is none

        def on_delivery(error: KafkaError | None, _: Message) -> None:
            outcomes[_outcome(error)] += 1

        give_up_at = time.monotonic() + self._acknowledge_within_s
        sent_count = 0
        try:
            for message in messages:
                self._send(topic, message, on_delivery, give_up_at)
                sent_count += 1
            self._producer.flush(max(0.0, give_up_at - time.monotonic()))
        finally:
            if outcomes[ACKNOWLEDGED] != sent_count:
                self._forget_what_waits()
            if self.on_delivered is not None:
                acknowledged_count = outcomes[ACKNOWLEDGED]
                self.on_delivered(topic, acknowledged_count, sent_count - acknowledged_count)
        if outcomes[ACKNOWLEDGED] == sent_count:
            return
        raise FlightAssetsError(
            f"poll {poll.poll_id}: {outcomes.pop(ACKNOWLEDGED, 0)} of {sent_count} messages to "
            f"{topic} at {self._bootstrap_servers} acknowledged; {self._why_not(outcomes)}"
        )

    def _forget_what_waits(self) -> None:
        """Drop the messages of a poll that failed: none arrives later, behind the error's back.

        And begin anew: behind a refused batch an idempotent producer has a gap in its numbers, over
        which the next poll may wait in vain.
        """
        self._producer.purge()
        self._producer.flush(1)
        self._producer = self._new_producer()

    def _why_not(self, outcomes: Counter[str]) -> str:
        """Return what became of the other messages, what was heard meanwhile, and what to do."""
        reasons = [
            f"{reason or f'no answer within {self._acknowledge_within_s:.0f} s'}: {count}"
            for reason, count in outcomes.items()
        ]
        heard = [f"last heard: {error}" for error in self._heard]
        advice = next((ADVICE[reason] for reason in outcomes if reason in ADVICE), LOOK_AT_BROKERS)
        return f"{'; '.join(reasons + heard) or 'no reason given'}; {advice}"

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


def _hear(bootstrap_servers: str, heard: deque[str], error: KafkaError) -> None:
    heard.append(error.str())
    log.info("Kafka at %s: %s", bootstrap_servers, error)


def _outcome(error: KafkaError | None) -> str:
    """Return what became of a message, in the client's words."""
    if error is None:
        return ACKNOWLEDGED
    return NO_ANSWER if error.code() in UNANSWERED else str(error.str())


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
