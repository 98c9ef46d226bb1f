"""What can go wrong at the source, each as one line that says what to do; and when to ask again."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from curl_cffi.requests.exceptions import HTTPError, IncompleteRead, RequestException, Timeout
from FlightRadarAPI.errors import CloudflareError, FlightRadarError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_random_exponential

from flight_assets.errors import FlightAssetsError

T = TypeVar("T")
log = logging.getLogger(__name__)


class FeedError(FlightAssetsError):
    """The source gave no usable answer.

    ``is_transient``: asking again may help. ``retry_after_s``: the source, or the budget, wants
    that many seconds of quiet first. ``ends_sweep``: other tiles would fail alike.
    """

    def __init__(
        self,
        message: str,
        *,
        is_transient: bool = True,
        retry_after_s: float | None = None,
        ends_sweep: bool = False,
    ) -> None:
        super().__init__(message)
        self.is_transient = is_transient
        self.retry_after_s = retry_after_s
        self.ends_sweep = ends_sweep or retry_after_s is not None


class OutOfTimeError(FeedError):
    """A question was not asked, as there was no time left for its answer."""

    def __init__(self) -> None:
        super().__init__("the time for an answer is up", is_transient=False, ends_sweep=True)


# What the client raises for an answer that it cannot use, or for none; JSON nested without end
# ends in a RecursionError.
CLIENT_ERRORS = (RequestException, FlightRadarError, ValueError, RecursionError)


def failure_from(error: Exception, *, asked: str) -> FeedError:
    """Return the failure that an error of the client means; ``asked`` says what was wanted."""
    if isinstance(error, CloudflareError):
        return _from_status(error.response, asked, "Cloudflare blocks us; ask less often")
    if isinstance(error, IncompleteRead):
        return FeedError(f"{asked}: the answer breaks off; check the network ({error})")
    if isinstance(error, HTTPError):
        return _from_status(error.response, asked, None)
    if isinstance(error, Timeout):
        return FeedError(
            f"{asked}: no answer in time; check the network or raise FEED_TIMEOUT_S ({error})"
        )
    if isinstance(error, RequestException):
        return FeedError(
            f"{asked}: the source cannot be reached; check the network and FEED_BASE_URL ({error})"
        )
    return FeedError(
        f"{asked}: the answer is not the JSON of the feed; check FEED_BASE_URL if it stays so "
        f"({error})"
    )


def outcome_of(error: Exception) -> str:
    """Return a request's failure as one word: ``http_429``, ``timeout``, ``unreachable`` or, for an
    answer that is not what was asked for, ``unreadable``.
    """
    if isinstance(error, CloudflareError | HTTPError):
        return f"http_{error.response.status_code}"
    if isinstance(error, Timeout):
        return "timeout"
    return "unreachable" if isinstance(error, RequestException) else "unreadable"


STATUS_ADVICE = {
    403: "the source refuses us; check FEED_BASE_URL and its terms of use",
    404: "nothing is served there; check FEED_BASE_URL",
    429: "too many requests; lower FEED_REQUESTS_PER_MINUTE or poll less often",
}


def _from_status(response: Any, asked: str, advice: str | None) -> FeedError:
    """Return the failure of an HTTP status: 4xx is final, save 429 and Cloudflare's own 403."""
    status = response.status_code
    is_final = advice is None and 400 <= status < 500 and status not in (408, 429)
    wait_s = retry_after_s(response.headers)
    advice = advice or STATUS_ADVICE.get(status, "an error of the source; it passes or it does not")
    asks_to_wait = "" if wait_s is None else f", Retry-After {wait_s:.0f} s"
    return FeedError(
        f"{asked}: HTTP {status}{asks_to_wait}: {advice}",
        is_transient=not is_final,
        retry_after_s=None if is_final else wait_s,
        ends_sweep=is_final,
    )


def retry_after_s(headers: Any) -> float | None:
    """Return the seconds that ``Retry-After`` asks to wait (RFC 9110, 10.2.3), or ``None``.

    A date counts from the answer's own ``Date``, where it has one: clocks differ.

    >>> retry_after_s({"Retry-After": "30"})
    30.0
    >>> retry_after_s({"Retry-After": "Sun, 20 Jul 2025 08:00:30 GMT",
    ...                "Date": "Sun, 20 Jul 2025 08:00:10 GMT"})
    20.0
    >>> retry_after_s({"Retry-After": "soon"}) is None
    True
    """
    text = (headers.get("Retry-After") or "").strip()
    if text.isdecimal():
        return float(text)
    until = http_date(text)
    if until is None:
        return None
    now = http_date(headers.get("Date")) or datetime.now(UTC).timestamp()
    return max(0.0, float(until - now))


def http_date(text: str | None) -> int | None:
    """Return the Unix seconds of an HTTP date, ``None`` where the text is none.

    >>> http_date("Sun, 20 Jul 2025 08:00:10 GMT")
    1752998410
    """
    try:
        return int(parsedate_to_datetime(text or "").timestamp())
    except ValueError:
        return None


MAX_ATTEMPTS = 4
# Full jitter: each wait is drawn from 0 to twice the last ceiling, so that pollers drift apart.
BACKOFF = wait_random_exponential(multiplier=0.5, max=10)


def ask_patiently(
    ask: Callable[[], T],
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    give_up_at: float,
) -> T:
    """Return what ``ask`` gives, asking again after transient failures.

    Waits as long as the source wants and a little more; does not begin a wait that would end
    after ``give_up_at`` on ``clock``, but raises the failure.
    """

    def wait_s(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return (getattr(error, "retry_after_s", None) or 0.0) + BACKOFF(state)

    def is_too_late(state: RetryCallState) -> bool:
        return clock() + state.upcoming_sleep > give_up_at

    def say(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.info("%s; asking again in %.1f s", error, state.upcoming_sleep)

    retrying = Retrying(
        retry=retry_if_exception(lambda e: isinstance(e, FeedError) and e.is_transient),
        stop=lambda state: stop_after_attempt(MAX_ATTEMPTS)(state) or is_too_late(state),
        wait=wait_s,
        sleep=sleep,
        before_sleep=say,
        reraise=True,
    )
    return retrying(ask)
