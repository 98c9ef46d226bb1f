"""A person sees what is gone, accepts it with a name and a reason, and landing goes on."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from flight_assets.assets import raw_flights
from flight_assets.cli import app
from flight_assets.errors import FlightAssetsError
from kafka_sensors.backlog import measure
from kafka_sensors.errors import HoleError, KafkaSensorsError, TopicRecreatedError
from kafka_sensors.holes import Cause, acknowledge, acknowledged, pending
from kafka_sensors.offsets import LAST_OFFSET
from tests.landing_topic import EIGHT, NINE, NOW, Topic

pytestmark = pytest.mark.integration


@pytest.fixture
def topic(
    kafka_bootstrap: str, database: str, outside_servers: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Topic]:
    topic = Topic(kafka_bootstrap, database)
    hint = raw_flights.ACKNOWLEDGE.format(topic=topic.name)
    topic.target = replace(topic.target, acknowledge=hint)
    monkeypatch.setattr(raw_flights, "TARGETS", {topic.name: topic.target})
    yield topic
    topic.delete()


def call(*arguments: str) -> Any:
    """Call the command; return what it printed, as JSON where it is."""
    done = CliRunner().invoke(app, ["holes", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


def command_in(error: BaseException, topic: Topic) -> list[str]:
    """Return the arguments of the command that an error names, as a person would fill them in."""
    command = f'flight-assets holes acknowledge {topic.name} --by NAME --reason "WHY"'
    assert command in str(error)
    return ["acknowledge", topic.name, "--by", "ada: ops", "--reason", "the disk was full"]


def land_and_lose(topic: Topic) -> None:
    """Land offsets up to 10, and have Kafka delete up to 15 of the 20."""
    topic.send_readings(10, at=EIGHT)
    topic.land()
    topic.send_readings(10, at=EIGHT)
    topic.expire_before(15)


def test_the_error_names_the_command_that_ends_it(topic: Topic) -> None:
    assert call("list") == "Nothing is gone before it landed.\n"
    land_and_lose(topic)
    (loss,) = call("list", "--json")
    assert (loss["state"], loss["cause"]) == ("pending", "deleted before it landed")
    assert (loss["partition"], loss["start_offset"], loss["end_offset"]) == (0, 10, 15)
    with pytest.raises(HoleError):
        topic.run(measure, now=NOW)
    with pytest.raises(HoleError) as stopped:
        topic.land()

    before = datetime.now(UTC) - timedelta(minutes=1)
    said = call(*command_in(stopped.value, topic))
    assert "partition 0 from offset 10 to offset 15 is a hole in the ledger now" in said
    (hole,) = call("list", "--json")
    assert (hole["state"], hole["by"], hole["reason"]) == (
        "acknowledged",
        "ada: ops",
        "the disk was full",
    )
    assert before < datetime.fromisoformat(hole["at"]) < datetime.now(UTC) + timedelta(minutes=1)
    assert "by ada: ops at " in call("list")
    assert [hour.row_count for hour in topic.land()] == [5]
    assert "nothing was written" in call(*command_in(stopped.value, topic))


def test_a_topic_made_again_is_pending_until_it_is_acknowledged(topic: Topic) -> None:
    topic.send_readings(10, at=EIGHT)
    topic.land()
    topic.delete()
    topic.create()
    topic.send_readings(3, at=NINE)
    (loss,) = call("list", "--json")
    assert (loss["cause"], loss["start_offset"], loss["end_offset"]) == (
        "topic made again",
        10,
        LAST_OFFSET,
    )
    with pytest.raises(TopicRecreatedError) as stopped:
        topic.land()
    assert "from offset 10 to its end" in call(*command_in(stopped.value, topic))
    (hole,) = call("list", "--json")
    assert hole["reason"].endswith(". the disk was full")
    assert hole["reason"].startswith("topic made again as ")
    assert [hour.row_count for hour in topic.land()] == [3]


def test_a_topic_that_lost_its_end_is_listed_and_cannot_be_accepted(topic: Topic) -> None:
    topic.send_readings(10, at=EIGHT)
    topic.land()
    cut = "update bronze.landed_slices set end_offset = 12 returning 1"
    topic.select(cut)  # as if the broker had come up without the last two
    (loss,) = topic.run(pending)
    assert (loss.cause, loss.hole.offsets.start, loss.hole.offsets.end) == (Cause.CUT, 10, 12)
    assert call("list", "--json")[0]["to_do"].startswith("make the topic anew, then: ")
    assert topic.run(acknowledge, by="ada", reason="no") == []
    assert topic.run(lambda target, _, connection: acknowledged(target, connection)) == []


@pytest.mark.parametrize(("by", "reason"), [(" ", "why"), ("ada", " ")])
def test_a_hole_without_a_name_or_a_reason_is_not_written(
    topic: Topic, by: str, reason: str
) -> None:
    land_and_lose(topic)
    with pytest.raises(KafkaSensorsError, match="both not empty"):
        call("acknowledge", topic.name, "--by", by, "--reason", reason)
    assert [loss["state"] for loss in call("list", "--json")] == ["pending"]


def test_a_topic_that_does_not_land_is_named(topic: Topic) -> None:
    with pytest.raises(FlightAssetsError, match=r"'flights\.positons' is no topic that lands"):
        call("acknowledge", "flights.positons", "--by", "ada", "--reason", "typo")
