"""Which alerts are due, and when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from flight_assets.core.alerts import (
    PATIENCE,
    Alert,
    Seen,
    decode,
    due,
    encode,
    over,
    seen_now,
    told,
)
from flight_assets.core.health import Problem

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
STALE = Problem(
    key="freshness gold stream",
    level="trouble",
    what="the stream of gold is stale",
    where="gold/answered_hours",
    since=NOW - timedelta(minutes=5),
    to_do="see that the poller runs",
    parts=("layers",),
)
AWAY = replace(STALE, key="unknown lag", what="not known: lag", since=None, may_pass=True, parts=())


def kinds(memory: dict[str, Seen], now: datetime = NOW) -> list[str]:
    return [alert.kind for alert in due(memory, now=now, repeat_after=DAY)]


def after_telling(memory: dict[str, Seen], now: datetime = NOW) -> dict[str, Seen]:
    for alert in due(memory, now=now, repeat_after=DAY):
        memory = told(memory, alert, now=now)
    return memory


def test_a_problem_is_told_once_and_again_only_after_the_stated_time():
    memory = seen_now({}, [STALE], now=NOW)
    assert kinds(memory) == ["new"]
    memory = after_telling(memory)
    memory = seen_now(memory, [STALE], now=NOW + DAY)
    assert kinds(memory, NOW + DAY - timedelta(seconds=1)) == []
    assert kinds(memory, NOW + DAY) == ["again"]


def test_what_was_not_taken_is_due_again():
    memory = seen_now({}, [STALE], now=NOW)
    later = NOW + timedelta(minutes=1)
    assert kinds(seen_now(memory, [STALE], now=later), later) == ["new"]


def test_what_may_pass_is_looked_at_again_before_it_is_told():
    memory = seen_now({}, [AWAY], now=NOW)
    assert kinds(memory, NOW) == []
    assert kinds(memory, NOW + PATIENCE - timedelta(seconds=1)) == []
    [alert] = due(memory, now=NOW + PATIENCE, repeat_after=DAY)
    assert (alert.kind, alert.since) == ("new", NOW)


def test_a_warning_that_becomes_trouble_is_told_at_once():
    memory = after_telling(seen_now({}, [replace(STALE, level="warning")], now=NOW))
    assert kinds(seen_now(memory, [STALE], now=NOW)) == ["again"]
    memory = after_telling(seen_now(memory, [STALE], now=NOW))
    assert kinds(memory) == []
    assert kinds(seen_now(memory, [replace(STALE, level="warning")], now=NOW)) == []


def test_what_is_there_no_more_is_over_and_forgotten_once_told():
    memory = after_telling(seen_now({}, [STALE], now=NOW))
    assert over(memory, [STALE], unknown_parts=[]) == []
    [seen] = over(memory, [], unknown_parts=[])
    assert told(memory, Alert(kind="over", problem=seen.problem, since=NOW), now=NOW) == {}


def test_what_cannot_be_seen_now_is_not_over():
    memory = after_telling(seen_now({}, [STALE], now=NOW))
    assert over(memory, [], unknown_parts=["lags", "layers"]) == []
    assert len(over(memory, [], unknown_parts=["lags"])) == 1


def test_a_memory_outlives_its_process():
    memory = after_telling(seen_now({}, [STALE, AWAY], now=NOW))
    assert decode(encode(memory)) == memory


def test_a_memory_of_another_version_is_begun_anew():
    assert decode('{"a": {"problem": 1}}') == {}
    assert decode("not JSON") == {}
    assert decode(None) == {}
