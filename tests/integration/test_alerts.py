"""The alert sensors on a real instance: one alert for one trouble, and a word when it is over."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus

from flight_assets.alerts import sensors
from flight_assets.alerts.receivers import AlertNotSentError
from flight_assets.alerts.sensors import alert_sensor, failed_run_alert_sensor
from flight_assets.core.report import LANDING_SENSOR
from flight_assets.feed.producer import PollProducer
from flight_assets.health import collect
from flight_assets.local.processes import free_port
from flight_assets.settings import Settings
from tests.alert_sinks import HookSink, MailSink, serving
from tests.dagster_records import checked, run, ticked
from tests.sweeps import a_sweep

pytestmark = pytest.mark.integration


@pytest.fixture
def hook(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[HookSink]:
    """A webhook that the settings name; the topics hold messages that wait."""
    PollProducer(str(settings.kafka_bootstrap_servers)).publish(a_sweep(3, 0))
    with serving(HookSink()) as sink:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", sink.url)
        monkeypatch.setenv("DAGSTER_UI_URL", "http://127.0.0.1:3000")
        yield sink


def tick(instance: dg.DagsterInstance) -> str | None:
    """Return what the tick of the alert sensor has to say."""
    context = dg.build_sensor_context(instance=instance, sensor_name=alert_sensor.name)
    return alert_sensor.evaluate_tick(context).skip_message


def later(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    """Have the alert sensor look at the line as it will be then."""
    monkeypatch.setattr(
        sensors, "collect", lambda settings: collect(settings, now=datetime.now(UTC) + by)
    )


def texts(hook: HookSink, key: str, kind: str = "new") -> list[str]:
    return [each["text"] for each in hook.taken if (each["key"], each["kind"]) == (key, kind)]


def test_without_a_receiver_nothing_is_asked(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sensors, "collect", None)
    assert "off: set ALERT_WEBHOOK_URL" in str(tick(instance))


def test_a_landing_sensor_that_is_turned_off_is_told_once_and_when_it_is_on_again(
    instance: dg.DagsterInstance, hook: HookSink
):
    ticked(instance, InstigatorStatus.STOPPED)
    tick(instance)
    [text] = texts(hook, "quiet")
    assert f"{LANDING_SENSOR} is turned off while" in text
    assert "to do: turn it on in Dagster's UI" in text
    assert "look:  http://127.0.0.1:3000/automation" in text
    tick(instance)
    assert len(texts(hook, "quiet")) == 1
    ticked(instance, InstigatorStatus.RUNNING)
    tick(instance)
    tick(instance)
    assert len(texts(hook, "quiet", "over")) == 1


def test_a_landing_sensor_that_has_gone_quiet_is_told(
    instance: dg.DagsterInstance, hook: HookSink, monkeypatch: pytest.MonkeyPatch
):
    ticked(instance, InstigatorStatus.RUNNING, ago=timedelta(minutes=6))
    tick(instance)
    assert texts(hook, "quiet") == []
    monkeypatch.setenv("ALERT_QUIET_MINUTES", "5")
    tick(instance)
    assert texts(hook, "quiet") == [], "a daemon that starts again is quiet for a moment"
    later(monkeypatch, timedelta(minutes=2))
    tick(instance)
    [text] = texts(hook, "quiet")
    assert "has gone quiet while" in text


def test_a_failing_check_is_told_and_a_warning_only_where_it_is_wanted(
    instance: dg.DagsterInstance, hook: HookSink, monkeypatch: pytest.MonkeyPatch
):
    checked(instance, passes=False)
    tick(instance)
    [text] = texts(hook, "check silver/flight_states claim")
    assert "claim fails" in text
    assert "look:  http://127.0.0.1:3000/runs/" in text
    assert texts(hook, "check silver/flight_states hint") == []
    monkeypatch.setenv("ALERT_WARNINGS", "true")
    tick(instance)
    assert len(texts(hook, "check silver/flight_states hint")) == 1
    checked(instance, passes=True)
    tick(instance)
    assert len(texts(hook, "check silver/flight_states claim", "over")) == 1


def test_a_layer_that_is_stale_is_told(
    instance: dg.DagsterInstance, hook: HookSink, monkeypatch: pytest.MonkeyPatch
):
    @dg.asset(key=["gold", "answered_hours"])
    def answered_hours() -> None: ...

    dg.materialize([answered_hours], instance=instance)
    tick(instance)
    assert texts(hook, "freshness gold stream") == []
    later(monkeypatch, timedelta(hours=2))
    tick(instance)
    later(monkeypatch, timedelta(hours=2, minutes=2))
    tick(instance)
    [text] = texts(hook, "freshness gold stream")
    assert "the stream of gold is stale" in text


def failed(instance: dg.DagsterInstance) -> dg.RunFailureSensorContext:
    """Return the context in which Dagster tells of a run that has just failed."""
    result = run(instance, ends_well=False)
    [event] = [each for each in result.all_events if each.is_run_failure]
    return dg.build_run_status_sensor_context(
        sensor_name=failed_run_alert_sensor.name,
        dagster_instance=instance,
        dagster_run=result.dagster_run,
        dagster_event=event,
    ).for_run_failure()


def test_a_failed_run_is_told_at_once_and_those_after_it_only_as_one(
    instance: dg.DagsterInstance, hook: HookSink
):
    failed_run_alert_sensor(failed(instance))
    [text] = texts(hook, "job some_job")
    assert "the last run of some_job failed: " in text
    failed_run_alert_sensor(failed(instance))
    tick(instance)
    assert len(texts(hook, "job some_job")) == 1
    run(instance, ends_well=True)
    tick(instance)
    assert len(texts(hook, "job some_job", "over")) == 1
    failed_run_alert_sensor(failed(instance))
    assert len(texts(hook, "job some_job")) == 2


def test_a_webhook_that_is_down_keeps_no_mail_and_is_told_when_it_is_back(
    instance: dg.DagsterInstance, hook: HookSink, monkeypatch: pytest.MonkeyPatch
):
    with serving(MailSink()) as mail:
        monkeypatch.setenv("ALERT_EMAIL_TO", "ops@example.org")
        monkeypatch.setenv("SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("SMTP_PORT", str(mail.port))
        monkeypatch.setenv("SMTP_SECURITY", "none")
        hook.status = 500
        with pytest.raises(AlertNotSentError, match="answers HTTP 500"):
            failed_run_alert_sensor(failed(instance))
        assert [each["Subject"] for each in mail.mails] != []
        subjects = [each["Subject"] for each in mail.mails if "some_job" in each["Subject"]]
        assert len(subjects) == 1
        assert hook.taken == []
        hook.status = 200
        tick(instance)
        assert len(texts(hook, "job some_job")) == 1
        again = [each["Subject"] for each in mail.mails if "some_job" in each["Subject"]]
        assert again == subjects, "the mail server had taken it the first time"


def test_what_a_dead_kafka_hides_is_not_told_as_over(
    instance: dg.DagsterInstance, hook: HookSink, monkeypatch: pytest.MonkeyPatch
):
    ticked(instance, InstigatorStatus.STOPPED)
    tick(instance)
    assert len(texts(hook, "quiet")) == 1
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    tick(instance)
    assert texts(hook, "quiet", "over") == []
    assert texts(hook, "unknown lag") == [], "a broker that restarts is nobody's trouble yet"
    later(monkeypatch, timedelta(minutes=2))
    tick(instance)
    [text] = texts(hook, "unknown lag")
    assert "not known: lag" in text and "does not answer" in text
