"""Two runs land the same hours at the same time, or land and replay them; each message is there
once."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import pytest

from tests.faults.lives import Life, Publisher, workers
from tests.faults.proofs import assert_landed_once, assert_ledger_counts_rows, select
from tests.landing_topic import Topic

pytestmark = [pytest.mark.integration, pytest.mark.faults]

PARTITIONS = 3
ROUNDS = 5
MESSAGES = 6_000  # a round: 14 slices of each partition


@pytest.fixture
def topic(kafka_bootstrap: str, database: str) -> Iterator[Topic]:
    topic = Topic(kafka_bootstrap, database, partitions=PARTITIONS)
    yield topic
    topic.delete()


def ends_of(lives: Sequence[Life]) -> list[list[str]]:
    """Wait until all are over; return how each one said that it ended."""
    ends = [life.hear("done", "failed") for life in lives]
    for life in lives:
        assert life.hear("died") == ["died", "0"], life.said
    return ends


def said_moved(life: Life) -> int:
    """Return how often a run found that the ledger was no longer where it had left it."""
    return sum("beginning again behind it" in " ".join(line) for line in life.said)


def turns_between(topic: Topic, run_ids: Sequence[str]) -> int:
    """Return how often a slice of these runs follows a slice of another one of them."""
    order = select(
        topic.database,
        "select run_id from bronze.landed_slices where run_id = any(%s) order by slice_id",
        [list(run_ids)],
    )
    return len(list(groupby(order))) - 1


def assert_nothing_lost_or_doubled(topic: Topic, publisher: Publisher) -> None:
    table = topic.target.table
    assert_landed_once(
        topic.database, topic.bootstrap, topic.name, table, acknowledged=publisher.acknowledged
    )
    assert_ledger_counts_rows(topic.database, topic.name, table)


def test_two_runs_at_once_over_the_same_hours_land_every_message_once(topic: Topic) -> None:
    """Two landing runs at once.

    Fault: two processes land the same hours of the same topic at the same time, five rounds.
    Promise: both end well; every message is in the table once, the ledger has no gap.
    Seen: slices of both runs lie between each other in the ledger, and runs say that they found
    it further on than they had left it; the topic's log is compared with the rows.
    """
    publisher = Publisher(topic, partitions=PARTITIONS)
    turns, found_moved = 0, 0
    with workers(topic, 2) as both:
        for number in range(ROUNDS):
            publisher.publish(MESSAGES)
            names = [f"{letter}-{number}" for letter in "ab"]
            lives = [each.start(name) for each, name in zip(both, names, strict=True)]
            assert ends_of(lives) == [["done"], ["done"]]
            assert_nothing_lost_or_doubled(topic, publisher)
            found_moved += sum(said_moved(life) for life in lives)
            turns += turns_between(topic, names)
    assert turns > ROUNDS  # a run after the other would change once a round
    assert found_moved > 0


def test_a_landing_and_replays_at_once_leave_every_message_once(topic: Topic) -> None:
    """A landing and two replays of the same hours at once.

    Fault: one process lands what waits while two others replay the same hours, five rounds.
    Promise: all three end well; every message is in the table once, the ledger has no gap.
    Seen: the topic's log is compared with the rows after each round, in which both replays
    replaced each slice that had landed before, and the landing landed all that waited.
    """
    publisher = Publisher(topic, partitions=PARTITIONS)
    publisher.publish(MESSAGES)
    topic.land()
    with workers(topic, 3) as three:
        for number in range(ROUNDS):
            before = len(topic.ledger())
            publisher.publish(MESSAGES)
            actions = ("replay", "land", "replay")
            lives = [
                each.start(f"{action}-{number}-{place}", action)
                for place, (each, action) in enumerate(zip(three, actions, strict=True))
            ]
            assert ends_of(lives) == [["done"]] * 3
            assert_nothing_lost_or_doubled(topic, publisher)
            wrote = [life.kinds().count("landed") for life in lives]
            assert wrote[1] == len(topic.ledger()) - before
            assert min(wrote[0], wrote[2]) >= before
