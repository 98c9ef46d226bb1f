"""The client: what an answer means, when it asks again, what it counts. The wire is scripted."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from curl_cffi.requests.exceptions import ConnectionError as CurlConnectionError
from curl_cffi.requests.exceptions import HTTPError, Timeout
from FlightRadarAPI.errors import CloudflareError
from FlightRadarAPI.request import APIClient

from flight_assets.errors import FlightAssetsError
from flight_assets.feed import failures
from flight_assets.feed.client import FeedClient
from flight_assets.feed.failures import BACKOFF, MAX_ATTEMPTS, FeedError

# fmt: off
ROW = ["4CA2C1", 53.4, -6.2, 90, 1200, 140, "7000", "F-EIDW1", "A320", "EI-DEE", 1753000000,
       "DUB", "LHR", "EI152", 0, 900, "EIN152", 0, "EIN"]
# fmt: on
DATE = "Sun, 20 Jul 2025 08:00:10 GMT"
LONGEST_BACKOFF_S = BACKOFF.max


class Answer:
    """An answer of the wire, as FlightRadarAPI's own transport gives it."""

    def __init__(self, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._body, self._headers = body, headers or {"Date": DATE}

    def get_json_content(self) -> dict[str, Any]:
        return self._body

    def get_headers(self) -> dict[str, str]:
        return self._headers


def feed(*rows: str, full_count: int = 12_000, visible: int | None = None, **more: Any) -> Answer:
    stats = {} if visible is None else {"stats": {"visible": {"ads-b": visible, "mlat": 0}}}
    head = {"full_count": full_count, "version": 4}
    return Answer(head | stats | more | dict.fromkeys(rows, ROW))


def status(code: int, **headers: str) -> HTTPError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTPError("", response=SimpleNamespace(status_code=code, headers=named))


class Wire:
    """Gives the scripted answers one by one, the last one for ever; time passes by sleeping."""

    def __init__(self, *script: Answer | Exception) -> None:
        self.script = list(script)
        self.urls: list[str] = []
        self.bounds: list[str] = []
        self.timeouts_s: list[float] = []
        self.slept_s: list[float] = []

    def request(self, _: APIClient, url: str, **kwargs: Any) -> Answer:
        self.urls.append(url)
        self.bounds.append(kwargs.get("params", {}).get("bounds"))
        self.timeouts_s.append(kwargs["timeout"])
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, Exception):
            raise step
        return step

    def clock(self) -> float:
        return sum(self.slept_s)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[FeedClient, Wire]]:
    def connected(*script: Answer | Exception, **options: Any) -> tuple[FeedClient, Wire]:
        wire = Wire(*script)
        monkeypatch.setattr(APIClient, "request", lambda *a, **k: wire.request(*a, **k))
        return FeedClient(clock=wire.clock, sleep=wire.slept_s.append, **options), wire

    return connected


Connect = Callable[..., tuple[FeedClient, Wire]]


def test_a_tile_gives_rows_statistics_and_the_clock_of_the_source(connect: Connect) -> None:
    client, wire = connect(feed("3a3e4634", "b1", full_count=11_987))
    answer = client.tile("021")
    assert wire.bounds == ["0.0,-45.0,-90.0,0.0"]
    assert list(answer.rows) == ["3a3e4634", "b1"]  # an id may begin with a letter
    assert (answer.full_count, answer.answered_at) == (11_987, 1_752_998_410)


def test_a_base_url_takes_the_place_of_every_host(connect: Connect) -> None:
    client, wire = connect(feed("3a"), base_url="http://127.0.0.1:8024")
    client.tile("0")
    assert wire.urls == ["http://127.0.0.1:8024/zones/fcgi/feed.js"]


def test_a_base_url_without_a_scheme_is_named() -> None:
    with pytest.raises(FlightAssetsError, match=r"FEED_BASE_URL is '127\.0\.0\.1:8024'"):
        FeedClient(base_url="127.0.0.1:8024")


def test_rows_too_short_for_the_library_do_not_cost_the_others(connect: Connect) -> None:
    client, _ = connect(feed("3b", **{"3a": ROW[:7], "3c": None, "": ROW}))
    assert client.tile("0").rows == {"3a": ROW[:7], "3b": ROW, "3c": None, "": ROW}


@pytest.mark.parametrize(
    "answer",
    [feed("b0", "c0"), feed(**{"3a": ROW[:7]}), feed(**{"3a": [*ROW[:13], 152, *ROW[14:]]})],
    ids=["ids that begin with a letter", "rows too short", "a number for text"],
)
def test_an_answer_with_rows_of_any_kind_is_asked_for_once(
    connect: Connect, answer: Answer
) -> None:
    client, wire = connect(answer)
    assert client.tile("0").rows
    assert len(wire.urls) == 1


def test_an_empty_sky_is_asked_again_the_first_time_only(connect: Connect) -> None:
    client, wire = connect(feed(visible=0))
    assert client.tile("00").rows == {}
    assert len(wire.urls) == client.request_count == 5  # the library's own insistence
    assert client.tile("00", trusts_empty=True).rows == {}
    assert client.request_count == 6


@pytest.mark.parametrize("visible", [3, None])
def test_an_empty_answer_without_an_empty_sky_is_a_failure(
    connect: Connect, visible: int | None
) -> None:
    client, _ = connect(feed(visible=visible))
    with pytest.raises(FeedError, match=f"tile 00: no aircraft, while the source counts {visible}"):
        client.tile("00", trusts_empty=True)
    assert client.request_count == 5


def test_a_tile_that_answers_at_the_second_ask_is_whole(connect: Connect) -> None:
    client, _ = connect(feed(visible=1), feed("3a", visible=1))
    assert list(client.tile("00").rows) == ["3a"]
    assert client.request_count == 2


def test_retry_after_is_honoured_and_the_backoff_comes_on_top(connect: Connect) -> None:
    client, wire = connect(status(429, Retry_After="17"), feed("3a"))
    assert list(client.tile("0").rows) == ["3a"]
    assert len(wire.slept_s) == 1
    assert 17 <= wire.slept_s[0] <= 17 + LONGEST_BACKOFF_S


def test_a_wait_past_the_end_of_the_sweep_is_not_begun(connect: Connect) -> None:
    client, wire = connect(status(429, Retry_After="300"))
    with pytest.raises(FeedError, match="HTTP 429, Retry-After 300 s: too many requests") as failed:
        client.tile("0", give_up_at=50)
    assert failed.value.ends_sweep
    assert wire.slept_s == []


def test_no_request_outlives_its_sweep(connect: Connect) -> None:
    client, wire = connect(Timeout("timed out"), timeout_s=20)
    with pytest.raises(FeedError, match="tile 0: no answer in time"):
        client.tile("0", give_up_at=3)
    assert wire.timeouts_s[0] == 3
    assert max(wire.timeouts_s) <= 3
    asked = len(wire.urls)
    with pytest.raises(FeedError, match="the time for an answer is up"):
        client.tile("0", give_up_at=wire.clock())
    assert len(wire.urls) == asked


def test_a_question_without_time_for_a_second_ask_says_how_the_first_ended(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "BACKOFF", lambda _: 0.02)
    client, wire = connect(Timeout("timed out"))
    with pytest.raises(FeedError, match="tile 0: no answer in time"):
        client.tile("0", give_up_at=0.06)
    assert len(wire.urls) == 1


def test_the_quiet_that_the_source_wants_holds_for_the_next_sweep_too(connect: Connect) -> None:
    client, wire = connect(status(429, Retry_After="300"), feed("3a"))
    for left in ("HTTP 429", "asked for quiet, 300 s of it are left"):
        with pytest.raises(FeedError, match=left) as failed:
            client.tile("0", give_up_at=wire.clock() + 50)
        assert failed.value.ends_sweep
    assert len(wire.urls) == 1
    wire.slept_s.append(300)
    assert list(client.tile("0", give_up_at=wire.clock() + 50).rows) == ["3a"]


def test_a_source_is_asked_again_after_an_hour_whatever_it_wants(connect: Connect) -> None:
    client, wire = connect(status(429, Retry_After="9" * 400), feed("3a"))
    with pytest.raises(FeedError, match="HTTP 429"):
        client.tile("0", give_up_at=50)
    wire.slept_s.append(3_600)
    assert list(client.tile("0", give_up_at=wire.clock() + 50).rows) == ["3a"]


@pytest.mark.parametrize(
    "error",
    [
        status(429),
        status(500),
        status(503),
        CloudflareError("", SimpleNamespace(status_code=403, headers={"cf-mitigated": "1"})),
        CloudflareError("", SimpleNamespace(status_code=520, headers={})),
        Timeout("timed out"),
        CurlConnectionError("reset"),
        ValueError("Expected JSON response, got bytes"),
        RecursionError("maximum recursion depth exceeded"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_may_pass_is_asked_again_and_at_last_said(connect: Connect, error: Exception) -> None:
    client, wire = connect(error, feed("3a"))
    assert list(client.tile("0").rows) == ["3a"]
    client, wire = connect(error)
    with pytest.raises(FeedError, match=r"^tile 0: .+") as failed:
        client.tile("0")
    assert "\n" not in str(failed.value)
    assert not failed.value.ends_sweep
    assert len(wire.urls) == client.request_count == MAX_ATTEMPTS
    assert len(wire.slept_s) == MAX_ATTEMPTS - 1


@pytest.mark.parametrize("code", [403, 404, 451])
def test_a_refusal_is_final(connect: Connect, code: int) -> None:
    client, wire = connect(status(code, Retry_After="1"))
    with pytest.raises(FeedError, match=f"tile 0: HTTP {code}") as failed:
        client.tile("0")
    assert failed.value.ends_sweep
    assert len(wire.urls) == 1


def test_the_budget_counts_every_request_and_refills_after_a_minute(connect: Connect) -> None:
    client, wire = connect(feed("3a"), requests_per_minute=3)
    for tile_id in ("00", "01", "02"):
        client.tile(tile_id)
    with pytest.raises(FeedError, match="the budget of 3 requests a minute is spent") as failed:
        client.tile("03", give_up_at=50)
    assert failed.value.ends_sweep
    assert (client.request_count, wire.slept_s) == (3, [])
    client.tile("03", give_up_at=80)
    assert client.request_count == 4
    assert 60 <= wire.clock() <= 60 + LONGEST_BACKOFF_S


def test_the_librarys_own_repetitions_are_paid_from_the_budget(connect: Connect) -> None:
    client, wire = connect(feed(visible=4), requests_per_minute=3)
    with pytest.raises(FeedError, match="budget of 3"):
        client.tile("03", give_up_at=1)
    assert len(wire.urls) == 3


def test_a_page_of_airports_that_lists_none_is_an_error(connect: Connect) -> None:
    page = SimpleNamespace(get_content=lambda: b"<html>", get_bytes_content=lambda: b"<html>")
    client, _ = connect(page)
    with pytest.raises(FeedError, match="airports: the page of the source lists none"):
        client.airports()
    with pytest.raises(FeedError, match="airlines: the page of the source lists none"):
        client.airlines()
