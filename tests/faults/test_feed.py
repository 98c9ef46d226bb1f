"""A source that fails, lies or dawdles: what the poller publishes of it, and the poll after it."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flight_assets.core.tiling import first_tiling
from flight_assets.simulator.server import SimulatorServer
from tests.faults.feed_line import INSTANT, Line, SmallWorld, Tail, settings_of

pytestmark = [pytest.mark.integration, pytest.mark.faults]

DAY_S = 86_400
FIRST_TILE = first_tiling().tile_ids[0]
ATTEMPTS = 4  # of a question, and
TILES_IN_VAIN = 3  # of a sweep


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorServer]:
    with SimulatorServer(SmallWorld(seed=3, now_s=INSTANT)) as running:
        yield running


@pytest.fixture(scope="module")
def tail(kafka_bootstrap: str) -> Iterator[Tail]:
    tail = Tail(kafka_bootstrap)
    yield tail
    tail.close()


@pytest.fixture
def line(server: SimulatorServer, tail: Tail, kafka_bootstrap: str, tmp_path: Path) -> Line:
    server.world.frozen_at_s = INSTANT
    tail.read()
    line = Line(server=server, tail=tail, settings=settings_of(kafka_bootstrap, server, tmp_path))
    line.behave()
    return line


def requests_of_a_whole_poll(line: Line) -> int:
    return line.expect_whole().poll.request_count


PASSING = {
    "blocked": "HTTP 403: Cloudflare blocks us",
    "server_error": "HTTP 500: an error of the source",
    "unknown_error": "HTTP 520: Cloudflare blocks us",
    "slow": "no answer in time",
    "drip": "no answer in time",
    "cut": "the answer breaks off",
    "html": "the answer is not the JSON of the feed",
    "truncated": "the answer is not the JSON of the feed",
    "nested": "the answer is not the JSON of the feed",
}


@pytest.mark.parametrize(("kind", "said"), PASSING.items(), ids=PASSING)
def test_a_failing_answer_is_asked_for_again_and_one_that_stays_away_is_named(
    line: Line, kind: str, said: str
) -> None:
    """A source that fails for two requests, for all attempts at one tile, for ever.

    Fault: the source answers 403 with Cloudflare's mark, 500, 520, too late, byte by byte, half
        of an answer and hangs up, an HTML page, JSON that breaks off, or JSON nested without end.
    Promise: two failures cost two more requests with a backoff before each and nothing else; a
        tile that fails four times is named in the poll and the others are published; a source that
        fails for ever is left after three tiles, there is no poll, and one line says why. The next
        poll is whole.
    Seen: by what is in both topics after each poll, and by the requests that the source counted.
    """
    line.timeout_s = 0.5
    line.client = line.new_client()
    options = {"delay_s": 2 if kind == "slow" else 0.1}
    whole = requests_of_a_whole_poll(line)

    line.misbehave(kind, next=2, **options)
    assert line.expect_whole(line.poll()).poll.request_count == whole + 2
    assert len(line.waited_s) == 2

    line.misbehave(kind, next=ATTEMPTS, **options)
    poll = line.poll().poll
    assert len(poll.failed_tile_ids) == 1
    assert 0 < poll.observation_count < poll.full_count
    assert len(line.waited_s) == ATTEMPTS - 1

    line.misbehave(kind, **options)
    before = line.server.request_count
    assert said in line.poll().failure
    assert line.server.request_count == before + ATTEMPTS * TILES_IN_VAIN

    line.expect_whole()


@pytest.mark.parametrize("is_date", [False, True], ids=["seconds", "HTTP date"])
def test_a_source_that_asks_for_quiet_gets_it(line: Line, is_date: bool) -> None:
    """Retry-After, within a sweep and beyond it.

    Fault: the source answers 429 with Retry-After, in seconds or as an HTTP date of its own clock:
        7 s, then 300 s in the middle of a sweep.
    Promise: a wait that fits into the sweep is waited, and the poll is whole. A longer one ends
        the sweep: what was fetched is published, the tiles that were not are named. No request
        goes out before the 300 s are over, whatever polls come; after it the poll is whole.
    Seen: by what is in both topics after each poll, by the waits, and by the requests that the
        source counted.
    """
    line.misbehave("too_many_requests", next=2, retry_after_s=7, retry_after_is_date=is_date)
    line.expect_whole(line.poll())
    assert len(line.waited_s) == 2
    assert min(line.waited_s) >= 7

    line.misbehave(
        "too_many_requests", next=1, after=10, retry_after_s=300, retry_after_is_date=is_date
    )
    poll = line.poll().poll
    assert poll.request_count == 11
    assert 0 < poll.observation_count < poll.full_count
    assert len(poll.failed_tile_ids) >= poll.tile_count - 11
    assert line.waited_s == []

    line.server.plan.__init__()  # type: ignore[misc] # the source would answer again
    before = line.server.request_count
    assert "the source asked for quiet" in line.poll().failure
    assert line.server.request_count == before
    line.waits_s.append(300)
    line.expect_whole()


def test_a_refusal_is_final_for_its_sweep(line: Line) -> None:
    """A 403 of the source's own.

    Fault: the source answers 403 without Cloudflare's mark, at the first request or at the
        eleventh.
    Promise: nothing is asked again in this sweep. At the first request there is no poll and one
        line says why; at the eleventh what was fetched is published and every tile that was not
        is named. The next poll is whole.
    Seen: by what is in both topics after each poll, and by the requests that the source counted.
    """
    line.misbehave("forbidden")
    before = line.server.request_count
    assert "HTTP 403: the source refuses us" in line.poll().failure
    assert line.server.request_count == before + 1

    line.misbehave("forbidden", after=10)
    published = line.poll()
    poll = published.poll
    assert poll.request_count == 11
    assert 0 < poll.observation_count < poll.full_count
    seen_in = {record.tile_id for record in published.observations}
    assert seen_in.isdisjoint(poll.failed_tile_ids)
    assert line.waited_s == []

    line.expect_whole()


@pytest.mark.parametrize("kind", ["slow", "drip"])
def test_a_sweep_ends_in_time_however_slow_the_source(line: Line, kind: str) -> None:
    """Answers that are no failure one by one, and a sweep of them that would take for ever.

    Fault: every answer takes a second, or comes byte by byte so that it never ends, while the
        timeout of a request is generous (60 s).
    Promise: the sweep ends at its limit (here 3 s) and not when the source wants: slow answers
        are published and the tiles without one are named; a drip leaves no poll and one line.
        The next poll is whole.
    Seen: by what is in both topics, and by a clock whose bound leaves room for a slow machine.
    """
    line.timeout_s = 60
    line.client = line.new_client()
    line.misbehave(kind, delay_s=1 if kind == "slow" else 0.02)
    began_at = time.monotonic()
    published = line.poll(limit_s=3)
    assert time.monotonic() - began_at < 20
    if kind == "slow":
        poll = published.poll
        assert 1 <= poll.request_count <= 3
        assert len(poll.failed_tile_ids) >= poll.tile_count - 3
    else:
        assert "no answer in time" in published.failure

    line.expect_whole()


def test_an_empty_answer_is_never_taken_for_an_empty_sky(line: Line) -> None:
    """Answers without rows, while the source counts thousands.

    Fault: the source gives no rows, though its full_count and its statistics say that there are
        aircraft: twice, five times, for ever.
    Promise: twice costs two requests; five times, all that the client asks, is a failed tile that
        the poll names; for ever there is no poll. The next poll is whole.
    Seen: by what is in both topics after each poll.
    """
    whole = requests_of_a_whole_poll(line)
    line.misbehave("empty", next=2)
    assert line.expect_whole(line.poll()).poll.request_count == whole + 2

    line.misbehave("empty", next=5)
    poll = line.poll().poll
    assert len(poll.failed_tile_ids) == 1
    assert 0 < poll.observation_count < poll.full_count

    line.misbehave("empty")
    assert "no aircraft, while the source counts" in line.poll().failure

    line.expect_whole()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("short_rows", "row has 7 slots, the feed has 19"),
        ("long_rows", "row has 20 slots, the feed has 19"),
        ("wrong_types", "$.altitude_ft"),
        ("number_for_text", "$.flight_number"),
        ("off_the_globe", "$.lat_deg"),
        ("behind", "$.observed_at"),
    ],
)
def test_rows_that_are_no_observation_are_published_with_their_reason(
    line: Line, kind: str, reason: str
) -> None:
    """Rows that break the contract.

    Fault: one row in ten, then every row, is too short, too long, has text or a number where the
        other belongs, lies off the globe, or is forty years old.
    Promise: each is published as it came with the reason of its refusal and counted in the poll;
        the other rows are observations, none is lost, and no more is asked for it. The next poll
        is whole.
    Seen: by what is in both topics: observations and refused rows are the aircraft truly there.
    """
    whole = requests_of_a_whole_poll(line)
    for share in (0.1, 1.0):
        line.misbehave(kind, share=share)
        published = line.poll()
        assert published.poll.request_count == whole
        assert published.poll.refused_count > 50
        assert all(reason in record["refused"] for record in published.refused)
        refused_ids = {record["flight_id"] for record in published.refused}
        observed_ids = {record.flight_id for record in published.observations}
        assert refused_ids.isdisjoint(observed_ids)
        assert not line.truth() ^ (refused_ids | observed_ids)

    line.expect_whole()


def test_ids_that_begin_with_a_letter_are_ids(line: Line) -> None:
    """Flight ids count on in hexadecimal, and the client drops those that begin with a letter.

    Fault: every id begins with a letter.
    Promise: the poll has every aircraft and costs not one request more.
    Seen: by what is in both topics, and by the requests in the poll.
    """
    whole = requests_of_a_whole_poll(line)
    line.misbehave("letter_ids")
    published = line.poll()
    assert published.poll.request_count == whole
    assert published.poll.observation_count == published.poll.full_count
    assert not any(record.flight_id[0].isdecimal() for record in published.observations)

    line.expect_whole()


def test_observations_of_tomorrow_are_published_as_the_source_gave_them(line: Line) -> None:
    """Rows from a clock that is ahead.

    Fault: one row in ten has a time a day ahead of the source's own Date.
    Promise: the row is an observation as it came, its poll keeps its own times, and nothing is
        lost.
    Seen: by what is in both topics.
    """
    line.misbehave("ahead", share=0.1)
    published = line.poll()
    poll = published.poll
    assert poll.observation_count == poll.full_count
    assert (poll.started_at, poll.ended_at) == (INSTANT, INSTANT)
    ahead = [record for record in published.observations if record.observed_at > INSTANT]
    assert len(ahead) > 50
    assert not line.truth() ^ {record.flight_id for record in published.observations}

    line.expect_whole()


@pytest.mark.parametrize("off_s", [-20 * 365 * DAY_S, 400 * DAY_S], ids=["behind", "ahead"])
def test_a_live_poll_does_not_believe_the_clock_of_its_source(line: Line, off_s: int) -> None:
    """A live source whose Date and rows are years off.

    Fault: the source's clock is twenty years behind, or more than a year ahead.
    Promise: the poll is whole, lives on the clock of its own machine, and its rows keep the times
        that the source gave.
    Seen: by the poll record and the time of every message in Kafka.
    """
    line.settings = line.settings.model_copy(update={"feed_source": "live"})
    line.server.world.frozen_at_s = now = int(time.time()) + off_s
    began_at = int(time.time())
    published = line.expect_whole()
    poll = published.poll
    assert began_at <= poll.started_at <= poll.ended_at <= time.time()
    assert all(abs(record.observed_at - now) < DAY_S for record in published.observations)


def test_a_replayed_world_of_tomorrow_is_refused_by_the_broker_and_said(line: Line) -> None:
    """A simulated or recorded source, whose clock is that of its polls, a day ahead.

    Fault: the clock of a simulated source is a day ahead of the broker's.
    Promise: the broker refuses the times of the messages; the poll did not happen, and one line
        says so. When the clock is right the poll is whole.
    Seen: by what is in both topics: nothing, then the whole sky.
    """
    line.server.world.frozen_at_s = int(time.time()) + DAY_S
    assert "more than an hour ahead of the brokers'" in line.poll().failure

    line.server.world.frozen_at_s = INSTANT
    line.expect_whole()


def test_the_same_sky_polled_twice_is_two_polls_of_the_same_observations(line: Line) -> None:
    """A source that repeats itself.

    Fault: the source gives the same answers to two polls, as a cache does.
    Promise: two polls with ids of their own, each whole, of equal observations; silver keeps the
        first of each (tests/faults/test_poller_kill.py follows them to gold).
    Seen: by what is in both topics.
    """
    first, second = line.expect_whole(), line.expect_whole()
    assert first.poll.poll_id != second.poll.poll_id

    def told(published: object) -> dict[str, tuple[object, ...]]:
        return {
            o.flight_id: (o.observed_at, o.lat_deg, o.lon_deg)
            for o in published.observations  # type: ignore[attr-defined]
        }

    assert told(first) == told(second)
