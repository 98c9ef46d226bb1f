"""What FlightRadarAPI's client sends and receives: counted, kept, and sent where we want it.

The client drops the statistics of a feed answer, its headers and the ids that begin with a
letter. This transport takes the place of the client's own and remembers the answer whole.
"""

from collections import Counter, deque
from collections.abc import Callable
from math import inf
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from FlightRadarAPI.core import Core
from FlightRadarAPI.request import APIClient, APIRequest

from flight_assets.feed.failures import CLIENT_ERRORS, FeedError, OutOfTimeError, outcome_of

T = TypeVar("T")

# A source that asks for more quiet than this is asked again after it all the same.
LONGEST_QUIET_S = 3_600.0


class RequestBudget:
    """At most so many requests in any minute, and none while the source wants quiet."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self.spent_count = 0
        self._clock = clock
        self._spent_at: deque[float] = deque(maxlen=per_minute)
        self._quiet_until = clock()

    def rest(self, wait_s: float) -> None:
        """Let no request out for so many seconds: whoever asks, of this sweep or of a later one."""
        until = self._clock() + min(wait_s, LONGEST_QUIET_S)
        self._quiet_until = max(self._quiet_until, until)

    def spend(self) -> None:
        """Count one request; raise a ``FeedError`` with the wait where none may go out now."""
        now = self._clock()
        if now < self._quiet_until:
            wait_s = self._quiet_until - now
            raise FeedError(
                f"the source asked for quiet, {wait_s:.0f} s of it are left; lower "
                "FEED_REQUESTS_PER_MINUTE or poll less often",
                retry_after_s=wait_s,
            )
        if len(self._spent_at) == self.per_minute:
            wait_s = self._spent_at[0] + 60 - now
            if wait_s > 0:
                raise FeedError(
                    f"the budget of {self.per_minute} requests a minute is spent; raise "
                    "FEED_REQUESTS_PER_MINUTE or poll less often",
                    retry_after_s=wait_s,
                )
        self._spent_at.append(now)
        self.spent_count += 1


# A row that the client can read. It is never looked at: the rows that count are those of the body.
_STAND_IN_ROW = [""] * 19


class FeedResponse:
    """An answer as the client needs it: whether there are rows, and whether to ask again.

    The client stops at the first row that is too short or oddly typed, and asks four times more
    where no id begins with a digit. So one row stands in for all of them.
    """

    def __init__(self, response: APIRequest, *, is_final: bool) -> None:
        self._response = response
        self._is_final = is_final

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    def get_json_content(self) -> dict[str, Any]:
        """Return a body with one row where there are any; without a count where that is final."""
        body = self._response.get_json_content()
        if rows_of(body):
            return {"0": _STAND_IN_ROW}
        return {} if self._is_final else {"full_count": body.get("full_count")}


# Less than this is no time for a request; 0 would mean any time to libcurl.
_LEAST_TIMEOUT_S = 0.05


class RecordingTransport(APIClient):
    """FlightRadarAPI's transport, which counts each request and keeps the last feed answer.

    ``body`` and ``headers`` are those of the last feed answer, ``outcomes`` count how the requests
    ended: ``answered``, or what went wrong. While ``trusts_empty`` is set, an empty answer whose
    statistics agree is believed at once, where the client would ask four times more. No request
    goes on past ``give_up_at`` on the clock, however slowly its answer drips.
    """

    def __init__(
        self, *, base_url: str | None, budget: RequestBudget, clock: Callable[[], float]
    ) -> None:
        super().__init__()
        self.body: dict[str, Any] | None = None
        self.headers: dict[str, str] = {}
        self.trusts_empty = False
        self.give_up_at = inf
        self.outcomes: Counter[str] = Counter()
        self._base_url = base_url
        self._budget = budget
        self._clock = clock

    def forget(self, *, trusts_empty: bool) -> None:
        """Begin a new question: what was answered before it is gone."""
        self.body, self.headers = None, {}
        self.trusts_empty = trusts_empty

    def request(  # type: ignore[override] # the client asks both the same
        self, url: str, *, timeout: float = inf, **kwargs: Any
    ) -> APIRequest | FeedResponse:
        """Return the answer to a request through the shared session."""
        timeout = self._time_for_one(timeout)
        self._budget.spend()
        is_feed = url == Core.real_time_flight_tracker_data_url
        ask = super().request

        def answer() -> APIRequest:
            response = ask(at_base(url, self._base_url), timeout=timeout, **kwargs)
            if is_feed:
                self.body = response.get_json_content()
            return response

        response = self._counted(answer)
        if not is_feed:
            return response
        self.headers = {name.lower(): value for name, value in response.get_headers().items()}
        return FeedResponse(response, is_final=self.trusts_empty and is_empty_sky(self.body))

    def _time_for_one(self, timeout_s: float) -> float:
        """Return how long a request may take; raise ``OutOfTimeError`` where there is none."""
        left_s = self.give_up_at - self._clock()
        if left_s < _LEAST_TIMEOUT_S:
            raise OutOfTimeError
        return min(timeout_s, left_s)

    def request_standalone(self, url: str, *, timeout: float = inf, **kwargs: Any) -> APIRequest:
        """Return the answer to a request of its own session."""
        timeout = self._time_for_one(timeout)
        self._budget.spend()
        ask = super().request_standalone
        return self._counted(lambda: ask(at_base(url, self._base_url), timeout=timeout, **kwargs))

    def _counted(self, ask: Callable[[], T]) -> T:
        """Return what a request gives, and count how it ended."""
        try:
            answer = ask()
        except CLIENT_ERRORS as error:
            self.outcomes[outcome_of(error)] += 1
            raise
        self.outcomes["answered"] += 1
        return answer


def at_base(url: str, base_url: str | None) -> str:
    """Return a URL of the source at another base, its path and query kept.

    >>> at_base("https://data-cloud.flightradar24.com/zones/fcgi/feed.js", "http://127.0.0.1:8024/")
    'http://127.0.0.1:8024/zones/fcgi/feed.js'
    """
    if base_url is None:
        return url
    path_and_query = urlunsplit(urlsplit(url)._replace(scheme="", netloc=""))
    return base_url.rstrip("/") + path_and_query


def visible_count(body: dict[str, Any]) -> int | None:
    """Return how many aircraft the statistics count inside the bounds, ``None`` without any.

    >>> visible_count({"stats": {"visible": {"ads-b": 3, "mlat": 1}}})
    4
    >>> visible_count({"full_count": 12000}) is None
    True
    """
    stats = body.get("stats")
    visible = stats.get("visible") if isinstance(stats, dict) else None
    if not isinstance(visible, dict) or not visible:
        return None
    if not all(isinstance(count, int) for count in visible.values()):
        return None
    return sum(visible.values())


def rows_of(body: dict[str, Any]) -> dict[str, Any]:
    """Return the rows of a feed answer by flight id: every list, and what an id points at.

    >>> rows_of({"full_count": 2, "version": 4, "3a3e4634": [1], "b00": None, "stats": {}})
    {'3a3e4634': [1], 'b00': None}
    """
    return {key: value for key, value in body.items() if isinstance(value, list) or _is_hex(key)}


def is_empty_sky(body: dict[str, Any]) -> bool:
    """Return whether an answer without rows says that there is nothing to see.

    ``full_count`` counts the whole world, so only the statistics of the bounds can say it; or a
    world without aircraft.
    """
    return not rows_of(body) and (visible_count(body) == 0 or body.get("full_count") == 0)


def _is_hex(text: str) -> bool:
    return bool(text) and set(text) <= set("0123456789abcdef")
