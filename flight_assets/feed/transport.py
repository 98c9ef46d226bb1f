"""What FlightRadarAPI's client sends and receives: counted, kept, and sent where we want it.

The client drops the statistics of a feed answer, its headers and the ids that begin with a
letter. This transport takes the place of the client's own and remembers the answer whole.
"""

from collections import Counter, deque
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from FlightRadarAPI.core import Core
from FlightRadarAPI.request import APIClient, APIRequest

from flight_assets.feed.failures import CLIENT_ERRORS, FeedError, outcome_of

T = TypeVar("T")


class RequestBudget:
    """At most so many requests in any minute."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self.spent_count = 0
        self._clock = clock
        self._spent_at: deque[float] = deque(maxlen=per_minute)

    def spend(self) -> None:
        """Count one request; raise a ``FeedError`` with the wait where the minute is full."""
        now = self._clock()
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


class FeedResponse:
    """An answer as the client wants it; of a feed answer only the rows that it can read.

    The client stops at the first row that is too short, and the whole answer would be lost.
    """

    def __init__(self, response: APIRequest) -> None:
        self._response = response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    def get_json_content(self) -> dict[str, Any]:
        """Return the parsed body without the rows that the client would trip over."""
        body = self._response.get_json_content()
        return {
            key: value
            for key, value in body.items()
            if key and (not key[0].isnumeric() or (isinstance(value, list) and len(value) >= 19))
        }


class RecordingTransport(APIClient):
    """FlightRadarAPI's transport, which counts each request and keeps the last feed answer.

    ``body`` and ``headers`` are those of the last feed answer, ``outcomes`` count how the requests
    ended: ``answered``, or what went wrong. While ``trusts_empty`` is set, an
    empty answer whose statistics agree is believed at once: the client, which asks four times
    more, is given the same answer again, and the source is left in peace.
    """

    def __init__(self, *, base_url: str | None, budget: RequestBudget) -> None:
        super().__init__()
        self.body: dict[str, Any] | None = None
        self.headers: dict[str, str] = {}
        self.trusts_empty = False
        self.outcomes: Counter[str] = Counter()
        self._base_url = base_url
        self._budget = budget
        self._last_response: FeedResponse | None = None

    def forget(self, *, trusts_empty: bool) -> None:
        """Begin a new question: what was answered before it is gone."""
        self.body, self.headers, self._last_response = None, {}, None
        self.trusts_empty = trusts_empty

    def request(  # type: ignore[override] # the client asks both the same
        self, url: str, **kwargs: Any
    ) -> APIRequest | FeedResponse:
        """Return the answer to a request through the shared session."""
        is_feed = url == Core.real_time_flight_tracker_data_url
        if is_feed and self._last_response and self.trusts_empty and is_empty_sky(self.body or {}):
            return self._last_response
        self._budget.spend()
        ask = super().request

        def answer() -> APIRequest:
            response = ask(at_base(url, self._base_url), **kwargs)
            if is_feed:
                self.body = response.get_json_content()
            return response

        response = self._counted(answer)
        if not is_feed:
            return response
        self.headers = {name.lower(): value for name, value in response.get_headers().items()}
        self._last_response = FeedResponse(response)
        return self._last_response

    def request_standalone(self, url: str, **kwargs: Any) -> APIRequest:
        """Return the answer to a request of its own session."""
        self._budget.spend()
        ask = super().request_standalone
        return self._counted(lambda: ask(at_base(url, self._base_url), **kwargs))

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
