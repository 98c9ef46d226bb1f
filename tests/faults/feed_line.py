"""A simulated sky, the poller and a Kafka: what each poll published, read back from the topics."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from flight_assets.core import observations, polls
from flight_assets.core.observations import POSITIONS_TOPIC, Observation
from flight_assets.core.polls import POLLS_TOPIC, Poll
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.client import FeedClient
from flight_assets.feed.poller import SWEEP_LIMIT_S
from flight_assets.feed.rhythm import poll_once, tiles_path_of
from flight_assets.feed.topics import PARTITION_COUNTS, ensure_topics
from flight_assets.local.processes import wait_until
from flight_assets.settings import Settings
from flight_assets.simulator.faults import Fault, FaultPlan
from flight_assets.simulator.server import SimulatorServer
from flight_assets.simulator.snapshot import Snapshot
from flight_assets.simulator.world import SimulatedWorld

INSTANT = 1_753_000_000
LEADERLESS = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
)


class SmallWorld(SimulatedWorld):
    """One aircraft in ten of a simulated sky: as far apart, and quick to poll."""

    def _snapshot(self, instant_s: int) -> Snapshot:
        sky = super()._snapshot(instant_s)
        columns = tuple(column[::10] for column in sky.columns)
        return Snapshot(instant_s, sky.flight_ids[::10], columns)


class Tail:
    """Reads what was published to both topics since it was last asked."""

    def __init__(self, bootstrap_servers: str) -> None:
        ensure_topics(bootstrap_servers)
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": uuid.uuid4().hex,
                "enable.auto.commit": False,
                "log_level": 0,
                # a question waits behind a fetch under way, half a second by default
                "fetch.wait.max.ms": 10,
            }
        )
        # a topic that was just made has no leader for a moment
        assert wait_until(lambda: all(map(self._has_leader, _places())), timeout_s=30)
        self._next = {place: self._end(place) for place in _places()}

    def read(self) -> list[Message]:
        """Return the new messages of both topics, up to their present ends."""
        found: list[Message] = []
        ends = {place: self._end(place) for place in self._next}
        starts = [TopicPartition(*place, start) for place, start in self._next.items()]
        self._consumer.assign(starts)
        while missing := sum(ends[place] - self._next[place] for place in ends):
            batch = self._consumer.consume(min(missing, 5_000), timeout=20)
            assert batch, f"{missing} messages do not come"
            for message in batch:
                self._next[message.topic(), message.partition()] = message.offset() + 1
            found += batch
        self._consumer.unassign()
        return found

    def _has_leader(self, place: tuple[str, int]) -> bool:
        try:
            return self._end(place) >= 0
        except KafkaException as error:
            assert error.args[0].code() in LEADERLESS
            return False

    def _end(self, place: tuple[str, int]) -> int:
        return int(self._consumer.get_watermark_offsets(TopicPartition(*place), timeout=20)[1])

    def close(self) -> None:
        self._consumer.close()


def _places() -> list[tuple[str, int]]:
    return [(topic, n) for topic, count in PARTITION_COUNTS.items() for n in range(count)]


@dataclass(frozen=True, kw_only=True)
class Published:
    """What one attempt at a poll left in Kafka, and the line that it said where it failed."""

    polls: Sequence[Poll]
    observations: Sequence[Observation] = field(repr=False)
    refused: Sequence[dict[str, Any]] = field(repr=False)
    said: str | None = None

    @property
    def poll(self) -> Poll:
        """The one poll record, which agrees with the messages before it."""
        (poll,) = self.polls
        ids = [record.flight_id for record in self.observations]
        assert len(ids) == len(set(ids)) == poll.observation_count
        assert len(self.refused) == poll.refused_count
        assert {record.poll_id for record in self.observations} <= {poll.poll_id}
        assert {record["poll_id"] for record in self.refused} <= {poll.poll_id}
        return poll

    @property
    def failure(self) -> str:
        """The line of a poll that failed; nothing of it is in Kafka."""
        assert (len(self.polls), len(self.observations), len(self.refused)) == (0, 0, 0)
        assert self.said is not None
        assert "\n" not in self.said
        return self.said


def published_in(messages: Sequence[Message], said: str | None = None) -> Published:
    """Return messages of both topics by what they are."""
    positions = [m.value() for m in messages if m.topic() == POSITIONS_TOPIC]
    return Published(
        polls=[polls.decode(m.value()) for m in messages if m.topic() == POLLS_TOPIC],
        observations=[observations.decode(v) for v in positions if b'"refused":' not in v],
        refused=[msgspec.json.decode(v) for v in positions if b'"refused":' in v],
        said=said,
    )


@dataclass(kw_only=True)
class Line:
    """One poller between a simulated sky and Kafka. Waits are noted instead of waited."""

    server: SimulatorServer
    tail: Tail
    settings: Settings
    timeout_s: float = 5
    waits_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.client = self.new_client()

    def new_client(self) -> FeedClient:
        """Return a client on a clock that goes on by itself and by each wait."""
        return FeedClient(
            base_url=self.server.base_url,
            timeout_s=self.timeout_s,
            requests_per_minute=1_000,
            clock=self.clock,
            sleep=self.waits_s.append,
        )

    def clock(self) -> float:
        return time.monotonic() + sum(self.waits_s)

    def misbehave(self, kind: str, **options: Any) -> None:
        """Let the source misbehave from its next request on; without ``next`` for ever."""
        options = options if "next" in options else {"probability": 1.0, **options}
        self.server.plan = FaultPlan([Fault(kind, **options)])
        self.waits_s.append(60)  # another minute, another budget
        self.waits_before = len(self.waits_s)

    def behave(self) -> None:
        """Let the source be as it should be."""
        self.misbehave("html", next=0)

    @property
    def waited_s(self) -> list[float]:
        """The waits since the source was last told how to behave."""
        return self.waits_s[self.waits_before :]

    def poll(self, *, limit_s: float = SWEEP_LIMIT_S) -> Published:
        """Poll once with the first tree, as the rhythm does; return what is in Kafka of it."""
        tiles_path_of(self.settings).unlink(missing_ok=True)
        said = None
        try:
            poll_once(self.settings, client=self.client, limit_s=limit_s)
        except FlightAssetsError as error:
            said = str(error)
        return published_in(self.tail.read(), said)

    def truth(self) -> set[str]:
        """The ids of the aircraft that are there."""
        return set(self.server.world.current().flight_ids.tolist())

    def expect_whole(self, published: Published | None = None) -> Published:
        """Poll a source that behaves, or take what was published: it is the whole sky, once."""
        if published is None:
            self.behave()
            published = self.poll()
        poll = published.poll
        assert poll.failed_tile_ids == poll.saturated_tile_ids == []
        assert poll.refused_count == 0
        assert poll.observation_count == poll.full_count
        assert not self.truth() ^ {record.flight_id for record in published.observations}
        return published


def settings_of(bootstrap_servers: str, server: SimulatorServer, home: Path) -> Settings:
    """Return the settings of a poller of that sky."""
    return Settings(
        flight_assets_home=home,
        kafka_bootstrap_servers=bootstrap_servers,
        feed_base_url=server.base_url,
        feed_source="simulated",
        _env_file=None,
    )
