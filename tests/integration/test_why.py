"""From every number to its flights, and from a flight to the message in Kafka."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from flight_assets.core import observations
from flight_assets.core.questions import QUESTIONS
from kafka_sensors.client import Reader
from kafka_sensors.offsets import OffsetRange
from tests import captures
from tests.command import flight_assets

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module", params=["simulated", "recorded"])
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The home of a finished demo whose stack is up."""
    files: list[str] = []
    if request.param == "recorded":
        files = [str(f) for f in captures.files("salemhaddadbecha__flights_20250720_10*.csv.gz")]
    place = Path(tempfile.mkdtemp(prefix="flight-assets-why-"))
    place.chmod(0o755)
    try:
        flight_assets(place, "demo", "--keep", *(["--recorded", *files] if files else []))
        yield place
    finally:
        flight_assets(place, "down")
        shutil.rmtree(place)


def why(home: Path, question: str, *arguments: str) -> dict[str, Any]:
    return json.loads(flight_assets(home, "why", question, *arguments, "--json"))  # type: ignore[no-any-return]


def chosen(home: Path, question: str) -> list[str]:
    """Return the options that choose the last row of a question."""
    row = json.loads(flight_assets(home, "answers", "--question", question, "--json"))[-1]
    scope = ["--scope", row["scope"]] if row["scope"] else []
    return [*scope, *(["--subject", row["subject"]] if row["subject"] else [])]


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_flights_it_names_add_up_to_the_number(home: Path, question: str):
    found = why(home, question, *chosen(home, question))
    answer, flights = found["answer"], found["flights"]
    assert found["adds_up"]
    assert len({flight["flight_id"] for flight in flights}) == answer["flight_count"]
    total = sum(flight["value"] for flight in flights)
    value = total if answer["rank"] else total / answer["flight_count"]
    assert value == pytest.approx(answer["value"], abs=0.0006)


def test_the_walk_ends_at_the_message_in_kafka(home: Path):
    options = chosen(home, "top_airlines")
    flight_id = why(home, "top_airlines", *options)["flights"][0]["flight_id"]
    walked = why(home, "top_airlines", *options, "--flight", flight_id)
    last = walked["observations"][-1]
    assert last["run_id"]
    assert last["slice_start_offset"] <= last["kafka_offset"] < last["slice_end_offset"]
    servers = next(
        line.partition("=")[2].strip("'\"")
        for line in flight_assets(home, "env").splitlines()
        if line.startswith("export KAFKA_BOOTSTRAP_SERVERS=")
    )
    offsets = OffsetRange(last["kafka_offset"], last["kafka_offset"] + 1)
    with Reader(servers, last["topic"]) as reader:
        [message] = [m for batch in reader.read(last["kafka_partition"], offsets) for m in batch]
    observation = observations.decode(message.value())
    assert observation.flight_id == flight_id
    assert observation.observed_at == datetime.fromisoformat(last["observed_at"]).timestamp()
    # the state that was counted is from that message
    counted = next(f for f in walked["flights"] if f["flight_id"] == flight_id)
    assert counted["kafka_offset"] == last["kafka_offset"]


def test_a_person_sees_the_flights_and_what_to_ask_next(home: Path):
    listed = flight_assets(home, "why", "top_airlines")
    assert "flight-assets why top_airlines --as-of" in listed
    shown = flight_assets(home, "why", "top_airlines", *chosen(home, "top_airlines"))
    assert "= the answer" in shown
    assert "flights.positions[" in shown
