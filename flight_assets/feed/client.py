"""The client of the source: FlightRadarAPI's, unmodified, with budget, patience and clear failures.

What a tile's answer means is decided here; which tiles to ask for is not.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, TypeVar

from FlightRadarAPI import FlightRadar24API
from FlightRadarAPI.entities.airport import Airport

from flight_assets.core.geo import Bounds
from flight_assets.core.tiling import bounds_of
from flight_assets.errors import FlightAssetsError
from flight_assets.feed.failures import (
    CLIENT_ERRORS,
    FeedError,
    OutOfTimeError,
    ask_patiently,
    failure_from,
    http_date,
)
from flight_assets.feed.transport import (
    RecordingTransport,
    RequestBudget,
    is_empty_sky,
    rows_of,
    visible_count,
)
from flight_assets.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class TileAnswer:
    """What the source said of one tile.

    ``rows``: the feed's rows by flight id, as they came. ``full_count``: aircraft in the whole
    world, by the source. ``answered_at``: Unix seconds by the source's clock (``Date``).
    """

    tile_id: str
    rows: Mapping[str, Any]
    full_count: int | None
    answered_at: int | None


# The longest that one question may take with all its waits, where no sweep sets a limit.
PATIENCE_S = 60.0


class FeedClient:
    """Asks the source, within the budget, and again where that may help."""

    def __init__(
        self,
        *,
        base_url: str | None = None,
        timeout_s: float = 20,
        requests_per_minute: int = 80,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if base_url is not None and not base_url.startswith(("http://", "https://")):
            raise FlightAssetsError(
                f"FEED_BASE_URL is {base_url!r}; it must begin with http:// or https://"
            )
        self.clock = clock
        self._sleep = sleep
        self._budget = RequestBudget(requests_per_minute, clock=clock)
        self._transport = RecordingTransport(base_url=base_url, budget=self._budget, clock=clock)
        self._api = FlightRadar24API(timeout=timeout_s)  # type: ignore[arg-type] # takes floats
        # its attribute is private, and the only way to see what it drops
        if not hasattr(self._api, "_FlightRadar24API__client"):
            raise FlightAssetsError("this FlightRadarAPI is not 1.6.3; install the locked version")
        self._api._FlightRadar24API__client = self._transport

    @classmethod
    def from_settings(cls, settings: Settings) -> "FeedClient":
        """Return the client that the settings describe."""
        return cls(
            base_url=settings.feed_base_url,
            timeout_s=settings.feed_timeout_s,
            requests_per_minute=settings.feed_requests_per_minute,
        )

    @property
    def request_count(self) -> int:
        """HTTP requests made since the client exists, the client's own repetitions included."""
        return self._budget.spent_count

    @property
    def request_outcomes(self) -> Mapping[str, int]:
        """The same requests by how they ended: ``answered``, ``http_403``, ``failed`` …"""
        return dict(self._transport.outcomes)

    def tile(
        self, tile_id: str, *, trusts_empty: bool = False, give_up_at: float | None = None
    ) -> TileAnswer:
        """Return what the source has in a tile; raise ``FeedError`` where it gives nothing usable.

        ``trusts_empty`` believes an empty sky at its first word, for tiles that were empty before.
        ``give_up_at`` on this client's clock ends the patience, and a request under way.
        """

        def ask() -> None:
            self._transport.forget(trusts_empty=trusts_empty)
            self._api.get_flights(bounds=feed_bounds(bounds_of(tile_id)))

        self._ask(ask, f"tile {tile_id}", give_up_at)
        body = self._transport.body or {}
        rows = rows_of(body)
        if not rows and not is_empty_sky(body):
            raise FeedError(
                f"tile {tile_id}: no aircraft, while the source counts {visible_count(body)} there "
                f"and {body.get('full_count')} in the world; its next answer may be whole",
                is_transient=False,
            )
        full_count = body.get("full_count")
        return TileAnswer(
            tile_id=tile_id,
            rows=rows,
            full_count=full_count if type(full_count) is int and full_count >= 0 else None,
            answered_at=http_date(self._transport.headers.get("date")),
        )

    def airports(self) -> list[Airport]:
        """Return the airports that the source lists."""
        return self._ask_for_list(self._api.get_airports, "airports")

    def airlines(self) -> list[dict[str, Any]]:
        """Return the airlines that the source lists: names, codes, number of aircraft."""
        return self._ask_for_list(self._api.get_airlines, "airlines")

    def _ask_for_list(self, ask: Callable[[], list[T]], what: str) -> list[T]:
        found = self._ask(ask, what)
        if not found:
            raise FeedError(f"{what}: the page of the source lists none; it may have changed")
        return found

    def _ask(self, ask: Callable[[], T], asked: str, give_up_at: float | None = None) -> T:
        last_failure: FeedError | None = None

        def ask_once() -> T:
            nonlocal last_failure
            try:
                return ask()
            except OutOfTimeError as error:  # what took the time says more
                raise last_failure or error from None
            except CLIENT_ERRORS as error:
                last_failure = failure_from(error, asked=asked)
                self._budget.rest(last_failure.retry_after_s or 0)
                raise last_failure from error

        self._transport.give_up_at = inf if give_up_at is None else give_up_at
        return ask_patiently(
            ask_once,
            clock=self.clock,
            sleep=self._sleep,
            give_up_at=self.clock() + PATIENCE_S if give_up_at is None else give_up_at,
        )


def feed_bounds(bounds: Bounds) -> str:
    """Return bounds as the feed wants them, every digit of them: north, south, west, east.

    >>> feed_bounds(bounds_of("0213"))
    '-22.5,-45.0,-45.0,0.0'
    """
    edges = (bounds.north_deg, bounds.south_deg, bounds.west_deg, bounds.east_deg)
    return ",".join(str(edge) for edge in edges)
