"""Sweeps made by hand, to be published."""

from flight_assets.core.observations import from_feed_row
from flight_assets.core.polls import Poll
from flight_assets.core.tiling import Tiling
from flight_assets.feed.poller import Sweep, new_poll_id

STARTED_AT = 1_752_999_610


def a_sweep(observation_count: int, refused_count: int) -> Sweep:
    """Return a sweep of so many observations, and so many rows that were refused."""
    poll_id = new_poll_id(STARTED_AT)

    def record(number: int, altitude_ft: object) -> object:
        # fmt: off
        row = ["4CA2C1", 53.4, -6.2, 90, altitude_ft, 140, "", "", "A320", "EI-DEE", STARTED_AT,
               "DUB", "", "EI152", 0, 900, "EIN152", 0, "EIN"]
        # fmt: on
        return from_feed_row(f"3{number:07x}", row, poll_id=poll_id, tile_id="02")

    good = [record(number, 1200) for number in range(observation_count)]
    bad = [record(number, "high") for number in range(refused_count)]
    poll = Poll(
        poll_id=poll_id,
        source="recorded",
        started_at=STARTED_AT,
        ended_at=STARTED_AT + 20,
        observation_count=len(good),
        refused_count=len(bad),
        duplicate_count=0,
        full_count=None,
        request_count=4,
        tile_count=4,
        saturated_tile_ids=[],
        failed_tile_ids=[],
    )
    return Sweep(observations=good, refused=bad, poll=poll, tiling=Tiling())
