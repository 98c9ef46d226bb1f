"""Alerts on their way to a webhook and to a mail server, both on this machine."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flight_assets.alerts.receivers import AlertNotSentError, Email, Webhook, receivers_of
from flight_assets.core.alerts import Alert
from flight_assets.core.health import Problem
from flight_assets.errors import FlightAssetsError
from flight_assets.local.processes import free_port
from flight_assets.settings import Settings, load_settings
from tests.alert_sinks import HookSink, MailSink, serving

PROBLEM = Problem(
    key="check silver/flight_states positions_lie_on_earth",
    level="trouble",
    what="positions_lie_on_earth fails\nbadly",
    where="silver/flight_states",
    since=None,
    to_do="look at silver.flight_positions",
    run_id="6f1a",
)
ALERT = Alert(kind="new", problem=PROBLEM, since=datetime(2026, 1, 31, 12, 0, tzinfo=UTC))
UI = "http://127.0.0.1:3000/"


@pytest.fixture
def hook() -> Iterator[HookSink]:
    with serving(HookSink()) as sink:
        yield sink


@pytest.fixture
def mail() -> Iterator[MailSink]:
    with serving(MailSink("ops", "s3cret")) as sink:
        yield sink


def email(sink_port: int, **changes: object) -> Email:
    given = Email(
        host="127.0.0.1",
        port=sink_port,
        security="none",
        user="ops",
        password="s3cret",
        sender="line@example.org",
        to=("a@example.org", "b@example.org"),
    )
    return replace(given, **changes)  # type: ignore[arg-type]


def test_a_webhook_gets_words_for_people_and_fields_for_programs(hook: HookSink):
    Webhook(url=hook.url).send(ALERT, ui_url=UI)
    [taken] = hook.taken
    assert taken["text"].splitlines() == [
        "[flight-assets] trouble: positions_lie_on_earth fails badly",
        "where: silver/flight_states",
        "since: 2026-01-31T12:00:00Z",
        "to do: look at silver.flight_positions",
        "look:  http://127.0.0.1:3000/runs/6f1a",
    ]
    assert (taken["kind"], taken["level"], taken["key"]) == ("new", "trouble", PROBLEM.key)
    assert taken["link"] == "http://127.0.0.1:3000/runs/6f1a"


def test_without_an_address_of_the_ui_there_is_no_link(hook: HookSink):
    Webhook(url=hook.url).send(ALERT, ui_url=None)
    assert hook.taken[0]["link"] is None
    assert "look:" not in hook.taken[0]["text"]


def test_what_is_over_says_so_and_asks_for_nothing(hook: HookSink):
    Webhook(url=hook.url).send(replace(ALERT, kind="over"), ui_url=None)
    assert "[flight-assets] over: positions_lie_on_earth" in hook.taken[0]["text"]
    assert "to do" not in hook.taken[0]["text"]


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_answers_otherwise_has_not_taken_it(hook: HookSink, status: int):
    hook.status = status
    with pytest.raises(AlertNotSentError, match=f"127.0.0.1 answers HTTP {status}") as error:
        Webhook(url=hook.url).send(ALERT, ui_url=None)
    assert "s3cret" not in str(error.value)
    assert error.value.__cause__ is None


def test_a_webhook_that_is_down_is_said_without_its_secret():
    webhook = Webhook(url=f"http://127.0.0.1:{free_port()}/s3cret")
    with pytest.raises(AlertNotSentError, match="cannot be reached") as error:
        webhook.send(ALERT, ui_url=None)
    assert "s3cret" not in str(error.value) + repr(webhook)


def test_a_mail_reaches_all_receivers_with_one_line_of_subject(mail: MailSink):
    email(mail.port).send(ALERT, ui_url=UI)
    [taken] = mail.mails
    assert taken["Subject"] == "[flight-assets] trouble: positions_lie_on_earth fails badly"
    assert taken["From"] == "line@example.org"
    assert taken["To"] == "a@example.org, b@example.org"
    assert len(mail.receivers) == 2
    assert "to do: look at silver.flight_positions" in taken.get_content()


def test_a_wrong_password_is_said_without_it(mail: MailSink):
    with pytest.raises(AlertNotSentError, match="rejects SMTP_USER or SMTP_PASSWORD") as error:
        email(mail.port, password="gu3ss").send(ALERT, ui_url=None)
    assert "gu3ss" not in str(error.value) + repr(email(mail.port))


def test_mail_does_not_go_in_the_clear_where_tls_is_wanted(mail: MailSink):
    for security in ("starttls", "tls"):
        with pytest.raises(AlertNotSentError, match="SMTP_SECURITY"):
            email(mail.port, security=security).send(ALERT, ui_url=None)
    assert mail.mails == []


def test_a_mail_server_that_is_down_is_said():
    with pytest.raises(AlertNotSentError, match="does not take the mail"):
        email(free_port()).send(ALERT, ui_url=None)


def test_a_receiver_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("flight_assets.alerts.receivers.TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(AlertNotSentError, match="cannot be reached"):
            Webhook(url=f"http://127.0.0.1:{port}/").send(ALERT, ui_url=None)
        with pytest.raises(AlertNotSentError, match="does not take the mail"):
            email(port).send(ALERT, ui_url=None)


@pytest.mark.usefixtures("no_settings")
def test_alerts_are_off_until_a_receiver_is_named(monkeypatch: pytest.MonkeyPatch):
    assert receivers_of(Settings(_env_file=None)) == []
    monkeypatch.setenv("SMTP_HOST", "127.0.0.1")
    assert receivers_of(Settings(_env_file=None)) == []
    monkeypatch.setenv("ALERT_EMAIL_TO", "a@example.org, b@example.org")
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "https://hooks.example.org/s3cret")
    [webhook, mail] = receivers_of(Settings(_env_file=None))
    assert (webhook.name, mail.name) == ("webhook", "e-mail")
    assert isinstance(mail, Email) and mail.to == ("a@example.org", "b@example.org")


@pytest.mark.usefixtures("no_settings")
def test_mail_without_a_server_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALERT_EMAIL_TO", "a@example.org")
    with pytest.raises(FlightAssetsError, match="SMTP_HOST is not"):
        receivers_of(Settings(_env_file=None))


@pytest.mark.usefixtures("no_settings")
def test_a_wrong_webhook_is_named_without_its_value(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "hooks.example.org/s3cret")
    with pytest.raises(FlightAssetsError, match="ALERT_WEBHOOK_URL: ") as error:
        load_settings()
    assert "s3cret" not in str(error.value)
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "https://hooks.example.org/s3cret")
    assert "s3cret" not in repr(load_settings())
