"""Landing is killed at every step and at any instant while messages flow; each message is there
once. A replay that is killed leaves the rows that were there."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.faults.lives import Life, Publisher, Workers, workers
from tests.faults.proofs import (
    assert_landed_once,
    assert_ledger_counts_rows,
    chains_of,
    select,
)
from tests.landing_topic import EIGHT, NINE, Topic

pytestmark = [pytest.mark.integration, pytest.mark.faults]

PARTITIONS = 3
BACKLOG = 400_000  # more than the killed workers can land, so that each is killed at work
PER_SECOND = 3_000
LONGEST_LIFE_S = 0.35  # about half of it goes by before the first slice
KILLS = 200
KILLS_AT_EACH_POINT = 8
SLICES = 5  # a point is passed up to so many times before the kill


@dataclass(frozen=True)
class Seen:
    """What a test must see at a point: what Postgres says of the session, and of the slice."""

    state: str | None = None  # None: the step is in another thread than the session
    has_written: bool = False
    query: str = ""
    has_landed: bool | None = False  # None: nobody can know


IN_TRANSACTION = Seen("idle in transaction", has_written=True)
LANDED = Seen("idle", has_landed=True)
POINTS = {
    "before read": Seen(),
    "after read": Seen(),
    "before decode": Seen(),
    "after decode": Seen(),
    "before copy": Seen("idle in transaction"),
    "inside copy": Seen("active", query="copy "),
    "after copy": IN_TRANSACTION,
    "before ledger": IN_TRANSACTION,
    "after ledger": IN_TRANSACTION,
    "before commit": IN_TRANSACTION,
    "inside commit": Seen(has_landed=None),
    "after commit": LANDED,
    "before report": LANDED,
    "after report": LANDED,
}
# The end of a run: the group's offsets are told to the broker when all that waited has landed.
LAST_POINTS = {"before tell": LANDED, "after tell": LANDED}
REPLAY_POINTS = {
    "after read": Seen(has_landed=True),
    "after decode": Seen(has_landed=True),
    "before remove": Seen("idle in transaction", has_landed=True),
    "before delete": Seen("idle in transaction", has_written=True, has_landed=True),
    "after delete": Seen("idle in transaction", has_written=True, has_landed=True),
    "inside copy": Seen("active", has_written=True, query="copy ", has_landed=True),
    "after copy": Seen("idle in transaction", has_written=True, has_landed=True),
    "after ledger": Seen("idle in transaction", has_written=True, has_landed=True),
    "inside commit": Seen(has_landed=True),
    "after commit": LANDED,
}


@pytest.fixture
def topic(kafka_bootstrap: str, database: str) -> Iterator[Topic]:
    topic = Topic(kafka_bootstrap, database, partitions=PARTITIONS)
    yield topic
    topic.delete()


def kill_at(topic: Topic, life: Life, seen: Seen) -> None:
    """Wait until a process stands at its point, see that it does, and kill it."""
    kind, *words = life.hear("at", "done", "failed")
    assert kind == "at", life.said
    partition, start, end = map(int, words)
    if seen.state is not None:
        ((state, has_written, query),) = life.activity(topic.database)
        assert state == seen.state
        assert has_written or not seen.has_written
        assert query.startswith(seen.query)
    if seen.has_landed is not None:
        landed_end = chains_of(topic.database, topic.name).get(partition, [(0, 0)])[-1][1]
        assert landed_end >= end if seen.has_landed else landed_end <= start
    life.kill()


def kill_at_random(life: Life, after_s: float) -> None:
    """Kill a process so long after its birth, wherever it is."""
    life.hear("born")
    time.sleep(after_s)
    life.kill()
    assert "done" not in life.kinds()


def kill_all_over(topic: Topic, first: Workers) -> None:
    """Kill landing at each point, and between them at any instant; at the run's end at last."""
    chance = random.Random(7)
    at_points = [*POINTS] * KILLS_AT_EACH_POINT
    at_last_points = [*LAST_POINTS] * KILLS_AT_EACH_POINT
    anywhere = [""] * (KILLS - len(at_points) - len(at_last_points))
    kills = [*at_points, *anywhere]
    chance.shuffle(kills)
    for number, point in enumerate(kills):
        if point:
            nth = chance.randint(1, SLICES)
            kill_at(topic, first.start(f"kill-{number}", point=point, nth=nth), POINTS[point])
        else:
            kill_at_random(first.start(f"kill-{number}"), chance.uniform(0, LONGEST_LIFE_S))
    for number, point in enumerate(at_last_points):
        kill_at(topic, first.start(f"last-{number}", point=point, nth=1), LAST_POINTS[point])
    assert len(kills) + len(at_last_points) == KILLS


def test_every_message_lands_once_however_often_and_wherever_landing_is_killed(
    topic: Topic,
) -> None:
    """Landing killed at every step.

    Fault: kill -9 of the landing process, 200 times while messages flow: before, inside and after
    read, decode, copy, ledger, commit, report and the telling of the group's offsets, 8 times
    each, and 72 times at any instant.
    Promise: every acknowledged message is in the table once; the ledger has no gap.
    Seen: the process is stopped at the point; Postgres's own view of its session (in a
    transaction, inside COPY, idle) and the ledger's end say that it stands there; then it is
    killed. At the end the topic's log, read by a plain consumer, is compared with the rows.
    """
    publisher = Publisher(topic, partitions=PARTITIONS, per_second=PER_SECOND)
    publisher.publish(BACKLOG)
    publisher.start()
    with workers(topic) as (first,):
        kill_all_over(topic, first)
    publisher.stop()

    # ids that were drawn and never committed: transactions that a kill ended
    ((aborted,),) = topic.select("select max(slice_id) - count(*) from bronze.landed_slices")
    assert aborted >= KILLS_AT_EACH_POINT * sum(seen == IN_TRANSACTION for seen in POINTS.values())

    topic.land(first=EIGHT, last=NINE)
    assert_landed_once(
        topic.database,
        topic.bootstrap,
        topic.name,
        topic.target.table,
        acknowledged=publisher.acknowledged,
    )
    assert_ledger_counts_rows(topic.database, topic.name, topic.target.table)
    rows = topic.select("select kafka_partition, kafka_offset, name from bronze.readings")
    assert {(part, at): name for part, at, name in rows} == publisher.acknowledged
    assert topic.select("select count(*) from bronze.rejected_messages") == [(0,)]


def test_a_replay_that_is_killed_leaves_every_row_once(topic: Topic) -> None:
    """A replay killed at every step.

    Fault: kill -9 of a process that replays landed hours: at read, decode, the removal of the old
    rows, copy, ledger and commit, twice each.
    Promise: the rows are those that were there, each once; the ledger has no gap.
    Seen: at each point Postgres shows the session inside its transaction, and the ledger still
    has the slice; after each kill the hash of all rows is that of before.
    """
    publisher = Publisher(topic, partitions=PARTITIONS)
    publisher.publish(1_500)
    topic.land()
    before = topic.row_hash()
    chance = random.Random(11)
    with workers(topic) as (first,):
        for number, point in enumerate([*REPLAY_POINTS] * 2):
            nth = chance.randint(1, PARTITIONS)
            life = first.start(f"again-{number}", "replay", point, nth)
            kill_at(topic, life, REPLAY_POINTS[point])
            assert topic.row_hash() == before
        assert first.start("last", "replay").hear("done", "failed") == ["done"]
    assert topic.row_hash() == before
    assert select(topic.database, "select distinct run_id from bronze.landed_slices") == [("last",)]
    assert_landed_once(topic.database, topic.bootstrap, topic.name, topic.target.table)
