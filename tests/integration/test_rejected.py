"""Rejected messages are decoded again and land once, where they always belonged."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from typer.testing import CliRunner

from flight_assets.assets import raw_flights
from flight_assets.assets.raw_flights import RAW_FLIGHTS
from flight_assets.cli import app
from flight_assets.core.observations import Observation, encode
from flight_assets.errors import FlightAssetsError
from flight_assets.warehouse import claims
from kafka_sensors.errors import ConnectionBusyError, LedgerMovedError
from kafka_sensors.landing import Limits
from kafka_sensors.offsets import HOUR
from kafka_sensors.retry import Choice, RetriedSlice, retry
from tests.landing_topic import EIGHT, NINE, Reading, Topic, seconds

from .modelled import EIGHT as MODELLED_EIGHT
from .modelled import Modelled, land_two_hours

pytestmark = pytest.mark.integration

LATE = EIGHT - timedelta(hours=3)


@pytest.fixture
def topic(kafka_bootstrap: str, database: str) -> Iterator[Topic]:
    topic = Topic(kafka_bootstrap, database, partitions=2)
    yield topic
    topic.delete()


def old_words(name: str, *, read_at: int = seconds(EIGHT), level: Any = 3) -> bytes:
    """Return a message whose name has another key than the contract's."""
    return msgspec.json.encode({"read_at": read_at, "called": name, "level": level})


def repaired(value: bytes) -> Reading:
    """Decode both: what the contract says, and what it forgot."""
    said = msgspec.json.decode(value)
    return msgspec.convert({"name": said.get("called"), **said}, Reading)


def retry_all(topic: Topic, choice: Choice | None = None, **more: Any) -> list[RetriedSlice]:
    """Retry with the repaired decoder, without Kafka."""
    target = replace(topic.target, **{"decode": repaired, **more})
    with psycopg.connect(topic.database) as connection:
        return list(retry(target, connection, choice, run_id="retry"))


def assert_ledger_is_right(topic: Topic) -> None:
    """The claims of the check ``ledger_is_contiguous``, over all hours."""
    asked = {
        "topic": topic.name, "run_id": "", "has_landed": False,
        "first": LATE, "last": NINE,
    }  # fmt: skip
    with psycopg.connect(topic.database) as connection:
        assert connection.execute(claims.BROKEN_CHAINS, asked).fetchall() == []
        miscounted = claims.MISCOUNTED_SLICES.format(table="bronze.readings")
        assert connection.execute(miscounted.encode(), asked).fetchall() == []


def land_some_rejected(topic: Topic) -> None:
    """Land 2 partitions in slices of 3: offsets 1, 3, 4 of each cannot be decoded at first."""
    for partition in (0, 1):
        topic.send_readings(1, at=EIGHT, partition=partition)
        topic.send(old_words("a"), at=EIGHT, partition=partition)
        topic.send_readings(1, at=EIGHT, partition=partition)
        topic.send(old_words("b", read_at=seconds(LATE)), at=EIGHT, partition=partition)
        topic.send(b"never", old_words("c"), at=EIGHT, partition=partition)
    landed = topic.land(limits=Limits(messages=3))
    assert [hour.rejected_by_reason for hour in landed] == [{"contract": 6, "not_json": 2}]


def test_what_decodes_now_lands_in_its_place_and_the_rest_stays(topic: Topic) -> None:
    land_some_rejected(topic)
    ((before,),) = topic.select("select max(slice_id) from bronze.landed_slices")
    retried = retry_all(topic)
    assert [(each.log_hour, each.landed_count, dict(each.still_rejected)) for each in retried] == [
        (EIGHT, 1, {}),
        (EIGHT, 2, {"not_json": 1}),
    ] * 2
    assert topic.select(
        "select log_hour, kafka_partition, kafka_offset, name, slice_id > "
        f"{before} from bronze.readings where name <> 'tide' order by 2, 3"
    ) == [
        (EIGHT, partition, offset, name, True)
        for partition in (0, 1)
        for offset, name in ((1, "a"), (3, "b"), (5, "c"))
    ]
    assert topic.select(
        "select kafka_partition, kafka_offset, value, reason "
        "from bronze.rejected_messages order by 1"
    ) == [(0, 4, b"never", "not_json"), (1, 4, b"never", "not_json")]
    assert_ledger_is_right(topic)
    assert [each.landed_count for each in retry_all(topic)] == [0, 0]
    assert topic.select("select count(*) from bronze.readings") == [(10,)]


def test_the_ledger_knows_exactly_the_events_that_a_retry_brings(topic: Topic) -> None:
    land_some_rejected(topic)
    ((before,),) = topic.select("select max(slice_id) from bronze.landed_slices")
    retry_all(topic, Choice(partition=1))
    newer = "from bronze.slice_event_hours join bronze.landed_slices using (slice_id)"
    assert topic.select(
        "select kind, start_offset, end_offset, landed_slices.row_count, event_hour, "
        f"first_event_at, slice_event_hours.row_count {newer} where slice_id > {before} "
        "order by slice_id, 5"
    ) == [
        ("retried", 1, 2, 1, EIGHT, EIGHT, 1),
        ("retried", 3, 6, 2, LATE, LATE, 1),
        ("retried", 3, 6, 2, EIGHT, EIGHT, 1),
    ]
    # landing goes on behind the chain, not behind what was retried within it
    topic.send_readings(2, at=NINE, partition=1)
    (hour,) = topic.land(first=EIGHT)
    assert hour.row_count == 2
    assert_ledger_is_right(topic)


def test_a_retry_needs_no_kafka_and_a_replay_takes_its_rows_in_again(topic: Topic) -> None:
    land_some_rejected(topic)
    retry_all(topic)
    rows = topic.row_hash()
    topic.target = replace(topic.target, decode=repaired)
    (hour,) = topic.replay(EIGHT)
    assert (hour.row_count, hour.rejected_count) == (10, 2)
    assert topic.row_hash() == rows
    assert topic.select("select distinct kind from bronze.landed_slices") == [("landed",)]
    assert_ledger_is_right(topic)


def test_a_replay_with_the_old_decoder_rejects_again_what_was_retried(topic: Topic) -> None:
    land_some_rejected(topic)
    rows = topic.row_hash()
    retry_all(topic)
    (hour,) = topic.replay(EIGHT)
    assert (hour.row_count, hour.rejected_count) == (4, 8)
    assert topic.row_hash() == rows
    assert_ledger_is_right(topic)


def test_a_choice_leaves_the_others_alone(topic: Topic) -> None:
    land_some_rejected(topic)
    assert retry_all(topic, Choice(reason="not_utf8")) == []
    assert retry_all(topic, Choice(first_hour=NINE)) == []
    assert retry_all(topic, Choice(last_hour=EIGHT - HOUR)) == []
    (one,) = retry_all(topic, Choice(reason="contract", partition=0, offset=5, last_hour=EIGHT))
    assert one.landed_count == 1
    assert topic.select("select count(*) from bronze.rejected_messages") == [(7,)]
    assert_ledger_is_right(topic)


def test_what_is_rejected_for_another_reason_now_says_that_one(topic: Topic) -> None:
    topic.send(old_words("a", level=2**31), old_words("b\0"), b"never", b"", None, at=EIGHT)
    topic.land()
    (retried,) = retry_all(topic)
    assert (retried.slice_id, retried.landed_count, retried.event_hours) == (None, 0, ())
    assert topic.select(
        "select kafka_offset, reason, detail from bronze.rejected_messages order by 1"
    )[:2] == [
        (0, "unstorable", "level: 2147483648 does not fit int4"),
        (1, "unstorable", 'invalid byte sequence for encoding "UTF8": 0x00'),
    ]
    assert topic.select("select kind, rejected_count from bronze.landed_slices") == [("landed", 5)]
    assert_ledger_is_right(topic)


def test_a_day_whose_rows_were_pruned_is_left_alone(topic: Topic) -> None:
    land_some_rejected(topic)
    with psycopg.connect(topic.database) as connection:
        connection.execute(f"drop table bronze.readings_p{EIGHT:%Y%m%d}")
    assert [(each.landed_count, each.pruned_count) for each in retry_all(topic)] == [
        (0, 1),
        (0, 3),
    ] * 2
    assert topic.select("select count(*) from bronze.rejected_messages") == [(8,)]


def test_a_retry_in_a_transaction_of_somebody_else_is_refused(topic: Topic) -> None:
    with psycopg.connect(topic.database) as connection:
        connection.execute("select 1")
        with pytest.raises(ConnectionBusyError, match="commit before"):
            next(retry(topic.target, connection, run_id="retry"))


def waiting_for_the_ledger(topic: Topic) -> int:
    ((count,),) = topic.select(
        "select count(*) from pg_stat_activity "
        "where datname = current_database() and wait_event = 'advisory'"
    )
    return int(count)


def at_once(topic: Topic, *actions: Callable[[], Any]) -> list[Any]:
    """Start all while the ledger is locked, so that each has begun before any can write."""
    results: list[Any] = [None] * len(actions)

    def run(index: int) -> None:
        try:
            results[index] = actions[index]()
        except LedgerMovedError as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=[index]) for index in range(len(actions))]
    lock = "select pg_advisory_xact_lock(hashtextextended('kafka_sensors ledger bronze', 0))"
    with psycopg.connect(topic.database) as holder:
        holder.execute(lock)
        for thread in threads:
            thread.start()
        while waiting_for_the_ledger(topic) < len(actions):
            assert all(thread.is_alive() for thread in threads)
            time.sleep(0.05)
    for thread in threads:
        thread.join()
    return results


def test_two_retries_at_once_land_each_message_once(topic: Topic) -> None:
    land_some_rejected(topic)
    results = at_once(topic, *[lambda: retry_all(topic)] * 2)
    assert sum(each.landed_count for result in results for each in result) == 6
    assert topic.select("select count(*) from bronze.readings") == [(10,)]
    assert_ledger_is_right(topic)


def test_a_retry_and_a_replay_at_once_leave_each_message_once(topic: Topic) -> None:
    land_some_rejected(topic)
    at_once(topic, lambda: retry_all(topic), lambda: topic.replay(EIGHT))
    assert topic.select(
        "select count(*), count(distinct (kafka_partition, kafka_offset)) from ("
        "    select kafka_partition, kafka_offset from bronze.readings"
        "    union all select kafka_partition, kafka_offset from bronze.rejected_messages"
        ") as landed"
    ) == [(12, 12)]
    assert_ledger_is_right(topic)


def test_two_replays_at_once_double_nothing(topic: Topic) -> None:
    topic.send_readings(5, at=EIGHT)
    topic.land()
    rows = topic.row_hash()
    at_once(topic, *[lambda: topic.replay(EIGHT)] * 2)
    assert topic.row_hash() == rows
    assert_ledger_is_right(topic)


REJECT = """
insert into bronze.rejected_messages (
    log_hour, topic, kafka_partition, kafka_offset, slice_id, message_at, value, reason, detail
)
select log_hour, topic, kafka_partition, end_offset, slice_id, %(at)s, %(value)s, 'contract', 'x'
from bronze.landed_slices
where topic = 'flights.positions' and log_hour = %(hour)s
"""
ONE_LONGER = """
update bronze.landed_slices set end_offset = end_offset + 1, rejected_count = 1
where topic = 'flights.positions' and log_hour = %(hour)s
"""


def observation(flight_id: str, observed_at: datetime) -> Observation:
    nothing: dict[str, Any] = dict.fromkeys(Observation.__struct_fields__)
    told = {"version": 1, "poll_id": "p", "tile_id": "0", "is_on_ground": False}
    where = {"lat_deg": 1.0, "lon_deg": 1.0, "observed_at": seconds(observed_at)}
    return Observation(**nothing | told | where | {"flight_id": flight_id})


@pytest.mark.parametrize(("minute", "stale"), [(58, [(MODELLED_EIGHT,)]), (30, [])])
def test_a_retry_makes_exactly_the_answers_stale_that_look_at_its_events(
    modelled: Modelled, minute: int, stale: list[tuple[datetime]]
) -> None:
    land_two_hours(modelled)
    assert modelled.build(MODELLED_EIGHT, 2).success
    at = MODELLED_EIGHT + timedelta(minutes=minute)
    modelled.create_partition("rejected_messages", at)
    asked = {"at": at, "hour": MODELLED_EIGHT, "value": encode(observation("x", at))}
    modelled.connection.execute(REJECT, asked)
    modelled.connection.execute(ONE_LONGER, asked)
    assert modelled.rows("select as_of_hour from gold.stale_hours") == []

    (retried,) = retry(RAW_FLIGHTS, modelled.connection, run_id="retry")
    assert retried.landed_count == 1
    assert modelled.rows("select as_of_hour from gold.stale_hours") == stale
    assert modelled.build(MODELLED_EIGHT).success
    assert modelled.rows("select as_of_hour from gold.stale_hours") == []
    seen = "select count(*) from silver.flight_states where flight_id = 'x'"
    assert modelled.rows(seen) == [(len(stale),)]


def call(*arguments: str) -> Any:
    """Call the command; return what it printed, as JSON where it is."""
    done = CliRunner().invoke(app, ["rejected", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


@pytest.fixture
def positions(
    topic: Topic, outside_servers: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Topic]:
    """Observations that a broken decoder rejected, beside bytes that are none."""

    def broken(value: bytes) -> Observation:
        raise ValueError("altitude_ft: the decoder forgot feet")

    topic.target = replace(RAW_FLIGHTS, topic=topic.name, decode=broken, plan=None)
    values = [encode(observation(str(number), EIGHT)) for number in range(3)]
    topic.send(*values, b"\x1b[2Jnone\xff", at=EIGHT, key=b"k", headers=[("contract", b"1")])
    topic.land()
    decoder = replace(RAW_FLIGHTS, topic=topic.name)
    monkeypatch.setattr(raw_flights, "TARGETS", {topic.name: decoder})
    return topic


def test_a_person_lists_looks_at_and_retries_what_was_rejected(positions: Topic) -> None:
    (kind,) = call("list", "--json")
    assert (kind["topic"], kind["reason"], kind["message_count"]) == (positions.name, "contract", 4)
    assert (kind["newest_partition"], kind["newest_offset"]) == (0, 3)
    table = call("list")
    assert "the decoder forgot feet" in table and "2025-07-20T08:00Z" in table

    (message,) = call("show", positions.name, "0", "3", "--json")
    assert base64.b64decode(message["value"]) == b"\x1b[2Jnone\xff"
    assert message["headers"] == [["contract", "1"]]
    shown = call("show", positions.name, "0", "3")
    assert "\\x1b[2Jnone\\xff" in shown and "\x1b" not in shown

    (summary,) = call("retry", "--json")
    assert summary["landed"] == 3
    assert summary["log_hours"] == summary["event_hours"] == [EIGHT.isoformat()]
    assert summary["still_rejected"] == {"not_json": 1}
    assert "0 landed in 0 log hours; still rejected: not_json 1" in call("retry")
    assert [kind["reason"] for kind in call("list", "--json")] == ["not_json"]
    assert positions.select("select flight_id from bronze.raw_flights order by 1") == [
        ("0",), ("1",), ("2",)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "nowhere", "0", "3"], "no message is rejected at nowhere, partition 0, offset 3"),
        (["retry", "--topic", "nowhere"], "'nowhere' is no topic that lands; they are readings."),
        (["retry", "--offset", "3"], "together with --topic and --partition"),
        (["retry", "--first-hour", "noon"], "'noon' is no hour"),
    ],
)
def test_what_cannot_be_retried_is_said_in_one_line(
    positions: Topic, arguments: list[str], said: str
) -> None:
    with pytest.raises(FlightAssetsError, match=said):
        call(*arguments)
