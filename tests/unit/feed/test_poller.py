"""One sweep: every flight once, bad rows kept, a saturated tile split, and an honest record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from flight_assets.core.geo import Position
from flight_assets.core.tiling import MAX_DEPTH, Tiling, bounds_of, children_of
from flight_assets.feed.client import TileAnswer
from flight_assets.feed.failures import FeedError, OutOfTimeError
from flight_assets.feed.poller import ROW_CAP, Sweep, new_poll_id, sweep

INSTANT = 1_753_000_000


def row(lat_deg: float, lon_deg: float, *, observed_at: int = INSTANT, **slots: Any) -> list[Any]:
    """Return a row of the feed at a position; ``slot_4=…`` and the like change others."""
    # fmt: off
    values = ["4CA2C1", lat_deg, lon_deg, 90, 1200, 140, "7000", "F-EIDW1", "A320", "EI-DEE",
              observed_at, "DUB", "LHR", "EI152", 0, 900, "EIN152", 0, "EIN"]
    # fmt: on
    for name, value in slots.items():
        values[int(name.removeprefix("slot_"))] = value
    return values


@dataclass
class FakeSky:
    """Gives the rows inside a tile, at most the cap, in the order of their ids.

    ``failures`` are raised instead of a tile's answer; ``moves`` change rows before the given
    request (counted from 1); the clock advances by a second with each request.
    """

    rows: dict[str, Any]
    failures: Mapping[str, FeedError] = field(default_factory=dict)
    moves: Mapping[int, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    trusted_empty: list[str] = field(default_factory=list)

    @property
    def request_count(self) -> int:
        """Requests made so far."""
        return len(self.asked)

    def clock(self) -> float:
        """Return a clock that only requests move."""
        return float(len(self.asked))

    def tile(self, tile_id: str, *, trusts_empty: bool, give_up_at: float) -> TileAnswer:
        """Return the answer to a tile, or raise the failure set for it."""
        if self.clock() >= give_up_at:
            raise OutOfTimeError
        self.asked.append(tile_id)
        if trusts_empty:
            self.trusted_empty.append(tile_id)
        self.rows.update(self.moves.get(len(self.asked), {}))
        if tile_id in self.failures:
            raise self.failures[tile_id]
        bounds = bounds_of(tile_id)
        seen = {
            flight_id: slots
            for flight_id, slots in sorted(self.rows.items())
            if bounds.contains(Position(slots[1], slots[2]))
        }
        return TileAnswer(
            tile_id=tile_id,
            rows=dict(list(seen.items())[:ROW_CAP]),
            full_count=len(self.rows),
            answered_at=INSTANT + len(self.asked),
        )


QUARTERS = Tiling(dict.fromkeys(children_of("0")))


def swept(sky: FakeSky, tiling: Tiling = QUARTERS, **options: Any) -> Sweep:
    return sweep(sky, tiling, **{"source": "simulated", **options})


STEP_DEG = 0.0249


def crowd(count: int, lat_deg: float = 40.1, lon_deg: float = -100.1) -> dict[str, Any]:
    """Return aircraft in a line to the north-east of a place."""
    suffix = f"{int(lon_deg) % 256:02x}"
    return {
        f"3{number:05x}{suffix}": row(lat_deg + number * STEP_DEG, lon_deg + number * STEP_DEG)
        for number in range(count)
    }


def test_a_flight_on_a_seam_is_counted_once() -> None:
    result = swept(FakeSky({"3a": row(0, 0), "3b": row(10, 10)}))
    assert sorted(o.flight_id for o in result.observations) == ["3a", "3b"]
    assert result.poll.observation_count == 2
    assert result.poll.duplicate_count == 3  # four tiles meet at 0, 0


def test_of_a_flight_that_moved_between_tiles_the_newest_observation_stays() -> None:
    later = {"3a": row(10, 1, observed_at=INSTANT + 9)}
    result = swept(FakeSky({"3a": row(10, -1)}, moves={2: later}))
    assert [(o.observed_at, o.tile_id) for o in result.observations] == [(INSTANT + 9, "01")]
    assert result.poll.duplicate_count == 1


def test_an_older_observation_never_replaces_a_newer_one() -> None:
    earlier = {"3a": row(10, 1, observed_at=INSTANT - 9)}
    result = swept(FakeSky({"3a": row(10, -1)}, moves={2: earlier}))
    assert [o.observed_at for o in result.observations] == [INSTANT]


def test_a_row_that_is_no_observation_is_kept_once_with_its_reason() -> None:
    result = swept(FakeSky({"3a": row(0, 0, slot_4="high"), "a0": row(1, 1)}))
    assert [(r.flight_id, r.row[4]) for r in result.refused] == [("3a", "high")]
    assert result.poll.refused_count == 1
    assert [o.flight_id for o in result.observations] == ["a0"]


def test_a_saturated_tile_is_asked_in_quarters_and_loses_nothing() -> None:
    sky = FakeSky(crowd(ROW_CAP + 200) | {"40": row(-10, 10)})
    result = swept(sky)
    assert result.poll.observation_count == ROW_CAP + 201 == result.poll.full_count
    assert result.poll.duplicate_count == 0
    assert result.poll.saturated_tile_ids == result.poll.failed_tile_ids == []
    assert result.poll.request_count == len(sky.asked)
    assert "00" not in result.tiling.counts


def test_one_row_below_the_cap_is_not_saturated() -> None:
    assert swept(FakeSky(crowd(ROW_CAP - 1))).poll.request_count == 4


def test_the_next_sweep_remembers_the_tree_and_wastes_nothing() -> None:
    sky = FakeSky(crowd(ROW_CAP + 200) | crowd(900, 40, 40))
    first = swept(sky)
    second = swept(sky, first.tiling)
    assert second.poll.request_count == second.poll.tile_count < first.poll.request_count
    assert second.poll.observation_count == first.poll.observation_count


def test_only_a_tile_that_was_empty_before_is_believed_at_its_first_word() -> None:
    sky = FakeSky(crowd(900))
    swept(sky, swept(sky).tiling)
    assert sky.trusted_empty == ["01", "02", "03"]


def test_more_aircraft_in_one_place_than_a_tile_can_show_are_said_to_be_missing() -> None:
    sky = FakeSky({f"3{number:07x}": row(40.1, -100.1) for number in range(ROW_CAP + 1)})
    poll = swept(sky).poll
    assert [len(tile_id) for tile_id in poll.saturated_tile_ids] == [MAX_DEPTH + 1]
    assert poll.observation_count == ROW_CAP


def test_a_failed_tile_is_named_and_the_others_are_published() -> None:
    sky = FakeSky({"3a": row(10, -10), "3b": row(10, 10)}, failures={"00": FeedError("no answer")})
    result = swept(sky)
    assert result.poll.failed_tile_ids == ["00"]
    assert [o.flight_id for o in result.observations] == ["3b"]


def test_what_a_split_tile_showed_stands_in_for_quarters_that_fail() -> None:
    quarters = {tile_id: FeedError("no answer") for tile_id in ("000", "001", "002")}
    sky = FakeSky(crowd(ROW_CAP, 40, -50), failures=quarters)
    poll = swept(sky).poll
    assert poll.failed_tile_ids == ["000", "001", "002", "003", "01", "02", "03"]
    assert (poll.observation_count, poll.duplicate_count) == (ROW_CAP, 0)


@pytest.mark.parametrize(
    "failure",
    [FeedError("refused", is_transient=False, ends_sweep=True), FeedError("", retry_after_s=300)],
)
def test_a_refusal_or_a_long_wait_ends_the_sweep_at_once(failure: FeedError) -> None:
    sky = FakeSky({"3a": row(10, -10)}, failures={"01": failure})
    poll = swept(sky).poll
    assert sky.asked == ["00", "01"]
    assert poll.failed_tile_ids == ["01", "02", "03"]
    assert poll.observation_count == 1


def test_answers_that_come_slowly_end_the_sweep_in_time_too() -> None:
    sky = FakeSky({"3a": row(10, -10)})
    poll = swept(sky, limit_s=1).poll
    assert sky.asked == ["00"]
    assert poll.failed_tile_ids == ["01", "02", "03"]


def test_a_sweep_out_of_time_publishes_what_it_has() -> None:
    poll = swept(FakeSky({"3a": row(10, -10)}), limit_s=2).poll
    assert poll.failed_tile_ids == ["02", "03"]
    assert poll.observation_count == 1


def test_a_source_that_answers_nothing_gives_no_poll_and_is_not_asked_to_the_end() -> None:
    sky = FakeSky({}, failures=dict.fromkeys(children_of("0"), FeedError("HTTP 500")))
    with pytest.raises(FeedError, match="no poll: HTTP 500"):
        swept(sky)
    assert len(sky.asked) == 3


def test_a_sweep_that_ends_for_want_of_time_says_what_took_it() -> None:
    failures = {"00": FeedError("no answer in time"), "01": OutOfTimeError()}
    with pytest.raises(FeedError, match="no poll: no answer in time"):
        swept(FakeSky({}, failures=failures))
    poll = swept(FakeSky({"3a": row(10, -10)}, failures={"01": OutOfTimeError()})).poll
    assert poll.failed_tile_ids == ["01", "02", "03"]


def test_a_replayed_sky_lives_on_the_clock_of_its_source() -> None:
    poll = swept(FakeSky({}), source="recorded", now=lambda: 4e9).poll
    assert (poll.started_at, poll.ended_at) == (INSTANT + 1, INSTANT + 4)
    assert poll.poll_id.startswith("20250720T082641Z-")


def test_a_live_sky_lives_on_the_clock_of_the_system() -> None:
    instants = iter([INSTANT + 100.9, INSTANT + 130.2])
    poll = swept(FakeSky({}), source="live", now=lambda: next(instants)).poll
    assert (poll.started_at, poll.ended_at) == (INSTANT + 100, INSTANT + 130)


def test_a_clock_that_is_set_back_during_a_sweep_ends_the_poll_where_it_began() -> None:
    instants = iter([INSTANT + 100.9, INSTANT - 3_600.0])
    poll = swept(FakeSky({}), source="live", now=lambda: next(instants)).poll
    assert (poll.started_at, poll.ended_at) == (INSTANT + 100, INSTANT + 100)


def test_poll_ids_sort_by_time_and_differ_within_a_second() -> None:
    assert new_poll_id(INSTANT) < new_poll_id(INSTANT + 1)
    assert new_poll_id(INSTANT) != new_poll_id(INSTANT)
