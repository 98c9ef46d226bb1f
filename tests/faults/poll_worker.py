"""Poll once, as the settings say, and die by SIGKILL at a step that is named; say what was done."""

import os
import signal
import sys
from typing import Any

from confluent_kafka import Producer

from flight_assets.core.observations import POSITIONS_TOPIC
from flight_assets.core.polls import POLLS_TOPIC
from flight_assets.feed import producer
from flight_assets.feed.client import FeedClient, TileAnswer
from flight_assets.feed.rhythm import poll_once
from flight_assets.settings import Settings

STEPS = (
    "a tile was asked for",
    "the first message is handed over",
    "a tenth is handed over",
    "the first is acknowledged",
    "half is acknowledged",
    "all are acknowledged",
    "the poll is handed over",
    "the poll is acknowledged",
)
EVERY = 1_270  # aircraft of the sky that is polled


class Steps:
    """Counts what is done, and dies at the step."""

    def __init__(self, last: str) -> None:
        self.last = last

    def reach(self, step: str) -> None:
        if step == self.last:
            os.kill(os.getpid(), signal.SIGKILL)


def dying_producer(steps: Steps) -> type[Producer]:
    """Return a producer that says each step."""

    class DyingProducer(Producer):
        handed_over = 0
        acknowledged = 0

        def produce(self, topic: str, *, on_delivery: Any, **message: Any) -> None:
            def delivered(error: Any, its: Any) -> None:
                on_delivery(error, its)
                if error is None and topic == POSITIONS_TOPIC:
                    self.acknowledged += 1
                    at = {1: "the first is", EVERY // 2: "half is", EVERY: "all are"}
                    steps.reach(f"{at.get(self.acknowledged)} acknowledged")
                elif error is None:
                    steps.reach("the poll is acknowledged")

            super().produce(topic, on_delivery=delivered, **message)
            self.handed_over += 1
            at = {1: "the first message is", EVERY // 10: "a tenth is"}
            which = "the poll is" if topic == POLLS_TOPIC else at.get(self.handed_over)
            steps.reach(f"{which} handed over")

    return DyingProducer


def dying_client(steps: Steps, settings: Settings) -> FeedClient:
    """Return a client that says when the third tile was asked for."""

    class DyingClient(FeedClient):
        def tile(self, tile_id: str, **options: Any) -> TileAnswer:
            answer = super().tile(tile_id, **options)
            if self.request_count >= 3:
                steps.reach("a tile was asked for")
            return answer

    return DyingClient.from_settings(settings)


def main(last: str) -> None:
    """Poll once, up to a step."""
    assert last in STEPS
    steps, settings = Steps(last), Settings(_env_file=None)
    producer.Producer = dying_producer(steps)  # type: ignore[misc]
    poll_once(settings, client=dying_client(steps, settings))
    print("outlived", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
