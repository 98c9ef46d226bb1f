"""What is pruned of bronze, what stays, and that no answer and no flight changes by it."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from psycopg.conninfo import make_conninfo

from flight_assets.assets.dbt import closed_to, hourly_models
from flight_assets.errors import FlightAssetsError
from flight_assets.resources import resources
from flight_assets.retention import retention_job
from flight_assets.warehouse import claims, dropped_days, log_days, retention
from flight_assets.warehouse.building import alone_with_the_models
from flight_assets.warehouse.connection import connect
from flight_assets.warehouse.dropped_days import Pruned
from flight_assets.warehouse.log_days import RAW_TABLES
from flight_assets.warehouse.retention import bronze_plan, prune_bronze
from kafka_sensors.day_tables import ensure_day
from kafka_sensors.ledger import Ledger

from .modelled import EIGHT, POLLS, Modelled, flight

pytestmark = pytest.mark.integration

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
MIDNIGHT = EIGHT - 8 * HOUR
AGE_DAYS = 7
LONG_AFTER = datetime.now(UTC) + 99 * DAY  # whatever a test lands has landed long ago by then
KEPT = ("gold.answers", "gold.evidence", "gold.answered_hours", "silver.as_of_hours")
STATES = ("silver.flight_states", "silver.observed_fleets", "silver.unmatched_codes")
OF_FLIGHTS = ("silver.flight_quarters", "silver.flight_sessions", "silver.quality_quarters")
HASHES = """
select '{table}', count(*), md5(string_agg(row::text, e'\n' order by row::text))
from (
    select to_jsonb(t) - '{{answered_at,run_id,through_slice_id}}'::text[] as row from {table} as t
) as rows
"""


@pytest.fixture
def history(modelled: Modelled, monkeypatch: pytest.MonkeyPatch) -> Modelled:
    """The empty warehouse without the partitions that other tests made, and little patience."""
    monkeypatch.setattr(dropped_days, "TRIES", 3)
    monkeypatch.setattr(dropped_days, "PAUSE_S", 0.1)
    for partition in log_days.partitions(modelled.connection, [*RAW_TABLES, log_days.REJECTED]):
        modelled.connection.execute(f"drop table {partition.name}".encode())
    return modelled


def land_day(history: Modelled, midnight: datetime) -> None:
    """Land a day: a poll soon after midnight, whose answer looks back over it, and one at 8:59.

    All of it in the past: it landed when it was.
    """
    day = f"{midnight:%m%d}"
    before, after = midnight - 4 * MINUTE, midnight + 3 * MINUTE
    # the poll of before midnight ran into the new day: its observations are in the log of that
    history.land([flight(f"n{day}", before)], log_hour=midnight - HOUR)
    history.land([flight(f"n{day}", after), flight(f"m{day}", midnight + MINUTE)])
    history.land_poll(after, after + MINUTE)
    seen = midnight + 8 * HOUR + 59 * MINUTE
    history.land(
        [
            flight(f"a{day}", seen - 20 * MINUTE, lat_deg=2.0),
            flight(f"a{day}", seen),
            flight(f"b{day}", seen, airline_icao="DLH", type_code="A20N", origin_iata="FRA"),
        ]
    )
    history.land_poll(seen, seen + MINUTE // 2)
    history.connection.execute(
        "update bronze.landed_slices set landed_at = log_hour + interval '1 hour' "
        "where landed_at > now() - interval '1 hour'"
    )


def build(history: Modelled, first: datetime, days: int, **dbt_vars: Any) -> None:
    """Run the hourly models over days, as a landing run does where nothing else is said."""
    [(newest,)] = history.rows("select coalesce(max(slice_id), 0) from bronze.landed_slices")
    done = history.dbt(
        *("run", "--select", "tag:hourly"),
        **{
            "from_hour": f"{first:%Y-%m-%dT%H}:00:00Z",
            "to_hour": f"{first + days * DAY:%Y-%m-%dT%H}:00:00Z",
            "through_slice_id": newest,
            "run_id": "test",
            "rebuild": False,
            **dbt_vars,
        },
    )
    assert done.success, done.exception or [
        (node.node.name, node.message) for node in done.result if node.status != "success"
    ]


def land_days(history: Modelled, days: int, *, first: datetime = MIDNIGHT) -> None:
    for number in range(days):
        land_day(history, first + number * DAY)


def hashes(history: Modelled, tables: tuple[str, ...] = KEPT + STATES + OF_FLIGHTS) -> list[Any]:
    return [history.rows(HASHES.format(table=table))[0] for table in tables]


def prune(history: Modelled, now: datetime, age_days: int = AGE_DAYS) -> Pruned:
    return prune_bronze(history.connection, now=now, age_days=age_days, run_id="test")


def days_of(history: Modelled, table: str = "bronze.raw_flights") -> list[date]:
    return [each.day for each in log_days.partitions(history.connection, [table])]


def pruned_to(history: Modelled, days: int) -> None:
    """Land and build days, and prune all but the last of them."""
    land_days(history, days)
    build(history, MIDNIGHT, days)
    found = prune(history, MIDNIGHT + days * DAY, age_days=1)
    assert found.kept == {}
    assert len(days_of(history)) == 1


def stale(history: Modelled) -> list[datetime]:
    return [hour for (hour,) in history.rows("select as_of_hour from gold.stale_hours order by 1")]


def closed(history: Modelled) -> list[datetime]:
    return [hour for (hour,) in history.rows("select as_of_hour from gold.closed_hours order by 1")]


def test_a_day_that_is_old_and_modelled_goes_and_takes_no_answer_along(history: Modelled) -> None:
    land_days(history, 3)
    build(history, MIDNIGHT, 3)
    before = hashes(history)
    assert all(count for table, count, _ in before if table != "silver.unmatched_codes")
    found = prune(history, MIDNIGHT + 2 * DAY + AGE_DAYS * DAY)
    first = (MIDNIGHT - DAY).date()  # of the observations before midnight
    assert [day.day for day in found.days] == [first, first + DAY, first + 2 * DAY]
    assert days_of(history) == days_of(history, "bronze.raw_polls") == [first + 3 * DAY]
    assert hashes(history) == before
    assert stale(history) == []
    assert history.rows(
        "select table_name, log_date, row_count from bronze.pruned_days order by 2, 1"
    ) == [
        ("bronze.raw_flights", first, 1),
        ("bronze.raw_polls", first, 0),
        ("bronze.raw_flights", first + DAY, 6),
        ("bronze.raw_polls", first + DAY, 2),
        ("bronze.raw_flights", first + 2 * DAY, 6),
        ("bronze.raw_polls", first + 2 * DAY, 2),
    ]
    assert found.byte_count > 0
    counted = {"topic": "flights.positions", "first": MIDNIGHT - DAY, "last": LONG_AFTER}
    miscounted = claims.MISCOUNTED_SLICES.format(table="bronze.raw_flights")
    run = {"run_id": "x", "has_landed": False}
    assert history.connection.execute(miscounted.encode(), counted | run).fetchall() == []
    assert prune(history, MIDNIGHT + 2 * DAY + AGE_DAYS * DAY).days == ()


def test_late_rows_and_a_rebuild_leave_what_was_pruned_as_it_is(history: Modelled) -> None:
    pruned_to(history, 4)
    hours = closed(history)
    # the day that is there begins with an hour that looks back over midnight
    assert hours[-1] == MIDNIGHT + 3 * DAY
    before = hashes(history)
    eight = MIDNIGHT + DAY + 8 * HOUR
    late = [flight("a0721", eight + 50 * MINUTE), flight("late", eight + 58 * MINUTE)]
    history.land(late, log_hour=MIDNIGHT + 3 * DAY + 9 * HOUR)
    history.land([flight("n0723", MIDNIGHT + 3 * DAY + MINUTE)])
    at = eight + 30 * MINUTE
    poll = {"poll_id": "late", "started_at": at, "ended_at": at + MINUTE}
    history._land("flights.polls", POLLS, [poll], [at], MIDNIGHT + 3 * DAY + 9 * HOUR)
    assert stale(history) == [], "nobody is asked for what cannot be built"
    run = {"run_id": "late", "first": MIDNIGHT, "last": LONG_AFTER}
    history.connection.execute(
        "update bronze.landed_slices set run_id = 'late' where landed_at > log_hour + '1 day'"
    )
    too_late = history.connection.execute(claims.TOO_LATE, run).fetchall()
    assert [row[1:] for row in too_late] == [(eight, 2), (MIDNIGHT + 3 * DAY, 1)]
    build(history, MIDNIGHT, 4)
    assert hashes(history) == before, "as a landing run that goes over them"
    build(history, MIDNIGHT, 4, rebuild=True)
    assert hashes(history) == before, "as dbt by hand, which knows no guard"
    build(history, MIDNIGHT, 4, rebuild=True, closed_hours=[hour.isoformat() for hour in hours])
    assert hashes(history) == before, "as a run that was told"


def test_what_lands_beside_a_pruned_hour_is_still_modelled(history: Modelled) -> None:
    pruned_to(history, 2)
    seen = MIDNIGHT + DAY + 59 * MINUTE
    open_hour = seen + HOUR
    history.land([flight("new", open_hour - 2 * MINUTE)], log_hour=open_hour)
    history.land_poll(open_hour, open_hour + MINUTE // 2)
    assert len(stale(history)) == 1
    build(history, MIDNIGHT + DAY, 1)
    assert stale(history) == []
    assert history.rows("select flight_id from silver.flight_sessions where flight_id = 'new'")
    late = [flight("a0721", seen + 7 * HOUR + 55 * MINUTE)]
    history.land(late, log_hour=MIDNIGHT + DAY + 9 * HOUR)
    assert stale(history) == [MIDNIGHT + DAY + 8 * HOUR], "late, and nothing of it was pruned"


def test_a_day_that_is_landed_again_can_be_built_again(history: Modelled) -> None:
    pruned_to(history, 2)
    before = hashes(history, KEPT[:1])
    day = MIDNIGHT.date()
    assert MIDNIGHT + 8 * HOUR in closed(history)
    # as `kafka_sensors.replay` does: the ledger's rows are replaced by newer ones
    of_the_day = "delete from bronze.landed_slices where log_hour < %s"
    history.connection.execute(of_the_day, [MIDNIGHT + DAY])
    land_day(history, MIDNIGHT)
    assert closed(history) == []
    build(history, MIDNIGHT, 1, rebuild=True)
    assert hashes(history, KEPT[:1]) == before
    again = prune(history, LONG_AFTER)
    assert day in [each.day for each in again.days]
    assert MIDNIGHT + 8 * HOUR in closed(history)


def test_nothing_goes_of_which_anything_is_still_to_be_made(history: Modelled) -> None:
    land_days(history, 3)
    build(history, MIDNIGHT, 3)
    before, first, second, third = ((MIDNIGHT + n * DAY).date() for n in (-1, 0, 1, 2))
    noon, later = MIDNIGHT + DAY + 12 * HOUR, MIDNIGHT + 2 * DAY + 10 * HOUR

    def kept() -> set[date]:
        found = bronze_plan(history.connection, now=LONG_AFTER, age_days=AGE_DAYS)
        assert set(found.may_go) | set(found.kept) == {before, first, second, third}
        assert all(found.kept.values()), "each with its reason"
        return set(found.kept)

    assert kept() == set()
    poll = history.land_poll(noon, noon + MINUTE)
    assert kept() == {second}, "an hour of it was never answered"
    undo(history, [poll])
    late = history.land([flight("a0721", noon - 3 * HOUR - 5 * MINUTE)], log_hour=later)
    assert kept() == {second, third}, "late for the second day, in the log of the third"
    undo(history, [late])
    late = history.land([flight("n0722", MIDNIGHT + 2 * DAY - 2 * MINUTE)], log_hour=later)
    assert kept() == {second, third}, "the answer of the third day looks back over midnight"
    undo(history, [late])
    unpolled = history.land([flight("x", noon + 3 * HOUR)])
    assert stale(history) == []
    assert kept() == {second}, "no answer looks at it, and flights have it still to come"
    undo(history, [unpolled])
    assert kept() == set()
    history.connection.execute("update silver.flight_progress set through_slice_id = 0")
    assert kept() == {before, first, second, third}
    assert prune(history, LONG_AFTER).days == ()
    assert len(days_of(history)) == 4


def undo(history: Modelled, slice_ids: list[int]) -> None:
    history.connection.execute(
        "delete from bronze.landed_slices where slice_id = any(%s)", [slice_ids]
    )


def test_what_lands_between_the_plan_and_the_drop_keeps_its_day(
    history: Modelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_days(history, 1)
    build(history, MIDNIGHT, 1)
    planned = retention.bronze_plan

    def land_after(*arguments: Any, **options: Any) -> Any:
        found = planned(*arguments, **options)
        late = flight("a0720", MIDNIGHT + 8 * HOUR + 50 * MINUTE)
        history.land([late], log_hour=MIDNIGHT + 5 * DAY)
        return found

    monkeypatch.setattr(retention, "bronze_plan", land_after)
    found = prune(history, MIDNIGHT + 99 * DAY)
    assert "landed" in found.kept[MIDNIGHT.date()]
    assert [day.day for day in found.days] == [(MIDNIGHT - DAY).date()]


def test_models_that_are_being_built_and_readers_keep_a_day_and_are_named(
    history: Modelled,
) -> None:
    land_days(history, 1)
    build(history, MIDNIGHT, 1)
    now = MIDNIGHT + 99 * DAY
    with connect(conninfo_of(history)) as models:
        alone_with_the_models(models)
        assert "models" in prune(history, now).kept[MIDNIGHT.date()]
    with connect(conninfo_of(history)) as other:
        other.execute("select 1 from bronze.raw_flights limit 1")
        reason = prune(history, now).kept[MIDNIGHT.date()]
        assert f"pid {other.info.backend_pid}" in reason
        other.rollback()
        assert prune(history, now).kept == {}


def test_a_landing_goes_on_while_days_are_dropped(history: Modelled) -> None:
    land_days(history, 8)
    build(history, MIDNIGHT, 8)
    landed: list[int] = []
    is_over = threading.Event()

    def land() -> None:
        """Land a row a transaction, which fails where it waits for as long as a person notices."""
        with connect(conninfo_of(history)) as mine:
            mine.execute("set lock_timeout = '10s'")
            mine.commit()
            while not is_over.is_set():
                ensure_day(mine, "bronze.raw_flights", MIDNIGHT + 20 * DAY)
                with mine.transaction():
                    Ledger(mine, "bronze", "flights.positions").lock()
                    mine.execute(ONE_ROW.encode(), [MIDNIGHT + 20 * DAY, len(landed)])
                landed.append(len(landed))

    with ThreadPoolExecutor(1) as pool, connect(conninfo_of(history)) as reader:
        landing = pool.submit(land)
        try:
            reader.execute("select 1 from bronze.raw_flights limit 1")
            while not landed:
                is_over.wait(0.01)
            at = len(landed)
            assert len(prune(history, MIDNIGHT + 15 * DAY).kept) == 9, "a reader forgot to commit"
            assert len(landed) > at, "landing does not wait for the reader, too"
            reader.rollback()
            assert len(prune(history, MIDNIGHT + 15 * DAY).days) == 9
        finally:
            is_over.set()
        landing.result()
    assert history.rows("select count(*) from bronze.raw_flights") == [(len(landed),)]


ONE_ROW = """
insert into bronze.raw_flights (
    log_hour, observed_at, slice_id, kafka_offset, kafka_partition, lat_deg, lon_deg, is_on_ground,
    flight_id, poll_id, tile_id)
select at, at, 0, n, 0, 1, 1, false, 'f', 'p', 't'
from (select %s::timestamptz as at, %s::bigint as n) as place
"""


def conninfo_of(history: Modelled) -> str:
    info = history.connection.info
    return make_conninfo(info.dsn, password=info.password)


def run_over(history: Modelled, first: datetime, hours: int, rebuild: bool) -> list[str]:
    """Return what a run over the hours tells the models to leave alone."""
    window = SimpleNamespace(start=first, end=first + hours * HOUR)
    context: Any = SimpleNamespace(partition_time_window=window, log=logging.getLogger("run"))
    with connect(conninfo_of(history)) as connection:
        return closed_to(context, connection, rebuild=rebuild)


def test_a_person_who_builds_a_pruned_hour_is_told_what_to_do(history: Modelled) -> None:
    pruned_to(history, 2)
    before = hashes(history)

    def materialize(key: str) -> dg.ExecuteInProcessResult:
        instance = dg.DagsterInstance.ephemeral()
        return dg.materialize(
            [hourly_models], partition_key=key, resources=resources(), instance=instance
        )

    with pytest.raises(FlightAssetsError, match="2025-07-20T08 were pruned") as refused:
        materialize("2025-07-20-08:00")
    assert "materialise bronze/raw_polls and bronze/raw_flights of 2025-07-20T08" in str(refused)
    assert hashes(history) == before
    assert materialize("2025-07-21-08:00").success, "an hour that is open"
    assert hashes(history) == before
    assert prune(history, LONG_AFTER).kept == {}, "the run has let go of bronze"
    # a landing run, which has no choice of hours, goes on
    told = run_over(history, MIDNIGHT + 7 * HOUR, 3, rebuild=False)
    assert told == ["2025-07-20T08:00:00+00:00"]


def test_fleets_that_no_country_is_inferred_from_go(history: Modelled) -> None:
    land_day(history, MIDNIGHT)
    build(history, MIDNIGHT, 1)
    fleets = "insert into silver.observed_fleets select %s::timestamptz - n * interval '1 day', "
    fleets += "'SIA', '9V-' || n from generate_series(0, 199) as n"
    history.connection.execute(fleets.encode(), [MIDNIGHT + 8 * HOUR])
    looked_at = (
        "select airline_icao, registration from silver.observed_fleets where as_of_hour > "
        "(select max(as_of_hour) from silver.observed_fleets) - interval '30 day' order by 1, 2"
    )
    before = history.rows(looked_at)
    assert retention.prune_fleets(history.connection, age_days=0) == 0
    assert retention.prune_fleets(history.connection, age_days=90) == 109
    assert history.rows(looked_at) == before
    assert len(before) > 30


def test_a_year_of_days_goes_but_for_those_that_are_not_modelled(history: Modelled) -> None:
    days = 400
    land_days(history, days)
    tables = ("as_of_hours", "answered_hours", "stale_hours", "closed_hours", "flight_progress")
    no_hour = {"from_hour": "2025-07-01T00:00:00Z", "to_hour": "2025-07-01T01:00:00Z"}
    assert history.dbt("run", "--select", *tables, **no_hour, closed_hours=[]).success
    newest = "(select max(slice_id) from bronze.landed_slices)"
    # as the models say when they have answered everything
    history.connection.execute(
        "insert into gold.answered_hours select date_trunc('hour', started_at, 'UTC'), "
        f"max(ended_at), {newest}, now(), 'test' from bronze.raw_polls group by 1".encode()
    )
    history.connection.execute(
        f"insert into silver.flight_progress values ({newest}, 'test', now())".encode()
    )
    not_modelled = MIDNIGHT + 200 * DAY + 8 * HOUR
    history.land([flight("late", not_modelled + 55 * MINUTE)], log_hour=MIDNIGHT + 250 * DAY)
    history.connection.execute(
        "update bronze.landed_slices set landed_at = log_hour where landed_at > '2026-10-01'"
    )
    assert stale(history) == [not_modelled]
    now = MIDNIGHT + days * DAY
    found = prune(history, now)
    kept = {(MIDNIGHT + number * DAY).date() for number in (200, 250)}
    assert set(found.kept) == kept
    assert all("2026-02-05T08" in reason for reason in found.kept.values())
    # all but those, and the seven days that are not old: one began the evening before
    assert len(found.days) == days + 1 - 7 - 2
    assert set(days_of(history)) == kept | {(now - n * DAY).date() for n in range(1, 8)}
    assert len(closed(history)) == 2 * (days - 7 - 2) + 3, (
        "and the hours that look back over midnight"
    )
    assert stale(history) == [not_modelled], "and it can still be built"
    [(rows,)] = history.rows(
        "select sum(row_count) from bronze.pruned_days where table_name = 'bronze.raw_flights'"
    )
    assert rows == 6 * (days - 7 - 2) + 1


def test_the_daily_job_prunes_what_the_settings_say_and_shows_it(
    history: Modelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    land_days(history, 1)
    build(history, MIDNIGHT, 1)
    monkeypatch.setenv("RETENTION_BRONZE_DAYS", "0")
    instance = dg.DagsterInstance.ephemeral()
    assert retention_job.execute_in_process(instance=instance, resources=resources()).success
    assert len(days_of(history)) == 2
    monkeypatch.setenv("RETENTION_BRONZE_DAYS", "7")
    done = retention_job.execute_in_process(instance=instance, resources=resources())
    assert days_of(history) == []
    [output] = [
        event.step_output_data
        for event in done.all_events
        if event.is_successful_output and event.step_key == "prune_warehouse"
    ]
    assert output.metadata["bronze_days"].value == 2
    assert output.metadata["bronze_kept"].value == {}
