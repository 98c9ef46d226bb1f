"""Gathers a report: asks each server for what it knows, and says what could not be found out.

Starts nothing, writes nothing, and waits for no server longer than a few seconds.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg

from flight_assets.backup.look import look
from flight_assets.brokers import security_options
from flight_assets.certificates import certificates_in
from flight_assets.core.freshness import LAYERS
from flight_assets.core.report import Lag, Report, Unknown
from flight_assets.errors import FlightAssetsError
from flight_assets.health.lags import lags
from flight_assets.settings import Settings
from flight_assets.warehouse import dagster_state, health
from flight_assets.warehouse.connection import connect, conninfo

TIMEOUT_S = 3  # to connect, and again for each question
Look = Callable[[psycopg.Connection[Any]], Any]

OF_WAREHOUSE: Mapping[str, Look] = {
    "last_poll": health.last_poll,
    "last_landed_at": health.last_landed_at,
    "rejected": health.rejected_lately,
    "disk": health.disk_use,
}
OF_DAGSTER: Mapping[str, Look] = {
    "failing_checks": dagster_state.failing_checks,
    "failed_jobs": dagster_state.failed_jobs,
    "sensors": dagster_state.sensors,
    "landing_since": dagster_state.landing_since,
    "layers": partial(dagster_state.layer_ages, layers=LAYERS),
}


@dataclass
class Findings:
    """What has been found out so far, by the names that a report has."""

    known: dict[str, Any] = field(default_factory=dict)
    unknown: list[Unknown] = field(default_factory=list)

    def miss(self, parts: Mapping[str, Any], why: str) -> None:
        """Say of each of these parts that it could not be found out."""
        self.unknown += [Unknown(what=what, why=why) for what in parts]

    def look(self, connection: psycopg.Connection[Any], looks: Mapping[str, Look]) -> None:
        """Ask a database for each of these parts; one that fails hides no other."""
        for what, ask in looks.items():
            try:
                self.known[what] = ask(connection)
            except psycopg.Error as error:
                words = (str(error).strip().splitlines() or ["no word of why"])[0]
                self.unknown.append(Unknown(what=what, why=_advice(error, words)))


def collect(settings: Settings, *, now: datetime | None = None) -> Report:
    """Return what can be found out with the servers that the settings name.

    A server that does not answer costs a few seconds and takes its parts into ``unknown``.
    """
    found = Findings()
    with _database(settings) as warehouse:
        if isinstance(warehouse, str):
            found.miss({**OF_WAREHOUSE, "lags": None}, warehouse)
        else:
            found.look(warehouse, OF_WAREHOUSE)
            found.look(warehouse, {"lags": partial(_lags, settings, found)})
        if settings.backup_dir is not None:
            _look_at_backups(settings, None if isinstance(warehouse, str) else warehouse, found)
    if isinstance(warehouse, str):  # the same server: it would not answer again
        found.miss(OF_DAGSTER, warehouse)
    else:
        _look_at_dagster(settings, found)
    _look_at_certificates(settings, found)
    return Report(at=now or datetime.now(UTC), unknown=tuple(found.unknown), **found.known)


def _lags(
    settings: Settings, found: Findings, warehouse: psycopg.Connection[Any]
) -> tuple[Lag, ...]:
    known, unknown = lags(
        settings.kafka_bootstrap_servers,
        warehouse,
        timeout_s=TIMEOUT_S,
        security=security_options(settings),
    )
    found.unknown += unknown
    return known


def _look_at_dagster(settings: Settings, found: Findings) -> None:
    with _database(settings.for_dagster()) as instance:
        if isinstance(instance, str):
            found.miss(OF_DAGSTER, instance)
        elif not dagster_state.has_run(instance):
            found.miss(
                OF_DAGSTER,
                f"Dagster has not run yet: its database {settings.dagster_postgres_db} has no "
                "tables; `flight-assets dev` or `flight-assets demo` makes them",
            )
        else:
            found.look(instance, OF_DAGSTER)


def _look_at_backups(
    settings: Settings, warehouse: psycopg.Connection[Any] | None, found: Findings
) -> None:
    """Look at the directory of the backups, also where no server answers: then it matters most."""
    try:
        found.known["backups"] = look(settings, warehouse)
    except (FlightAssetsError, psycopg.Error, OSError) as error:
        words = (str(error).strip().splitlines() or ["no word of why"])[0]
        why = f"BACKUP_DIR={settings.backup_dir} cannot be looked at: {words}"
        found.unknown.append(Unknown(what="backups", why=why))


def _look_at_certificates(settings: Settings, found: Findings) -> None:
    """Look at the certificates beside the secrets, and at those that servers are known by."""
    named = [settings.postgres_sslrootcert, settings.kafka_ssl_ca]
    paths = {*settings.secrets_dir.glob("*_certificate"), *(path for path in named if path)}
    try:
        found.known["certificates"] = certificates_in(paths)
    except FlightAssetsError as error:
        found.miss({"certificates": None}, str(error))


@contextmanager
def _database(settings: Settings) -> Iterator[psycopg.Connection[Any] | str]:
    """Give a connection that only reads, or why there is none."""
    if settings.postgres_host is None:
        yield "the local Postgres does not run: call `flight-assets up`"
        return
    try:
        connection = connect(
            conninfo(settings),
            autocommit=True,
            read_only=True,
            timeout_s=TIMEOUT_S,
            statement_timeout_s=TIMEOUT_S,
        )
    except FlightAssetsError as error:
        yield str(error)
        return
    with connection:
        yield connection


def _advice(error: psycopg.Error, words: str) -> str:
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        return f"the database is not migrated: {words}; call `flight-assets up`"
    if isinstance(error, psycopg.errors.QueryCanceled):
        return f"Postgres took more than {TIMEOUT_S} s: {words}; see what else it is doing"
    return f"Postgres: {words}"
