"""What the assets are given: Postgres, Kafka and the feed, each described by its settings.

Building a resource opens nothing; a connection is opened where it is used and closed after.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import SecretStr

if TYPE_CHECKING:
    import psycopg

    from flight_assets.core.polls import Poll
    from flight_assets.feed.client import FeedClient
    from flight_assets.settings import Settings
    from kafka_sensors.client import Reader


# Longer than another run holds the ledger for a slice, short enough for a person to be told soon.
LOCK_TIMEOUT_S = 60


class PostgresResource(dg.ConfigurableResource):
    """The warehouse."""

    host: str
    port: int
    user: str
    password: str
    dbname: str
    lock_timeout_s: float = LOCK_TIMEOUT_S

    def conninfo(self, *, writes_bronze: bool = False) -> str:
        """Return the connection string of the warehouse, password included.

        Where the settings name a login that writes bronze, it is that one's if asked for.
        """
        from flight_assets.warehouse.connection import conninfo

        settings = self._settings
        return conninfo(settings.for_bronze() if writes_bronze else settings)

    @cached_property
    def _settings(self) -> "Settings":
        """The settings with what this resource was told: read once, as that takes milliseconds."""
        from flight_assets.settings import load_settings

        own = {
            "postgres_host": self.host,
            "postgres_port": self.port,
            "postgres_user": self.user,
            "postgres_password": SecretStr(self.password),
            "postgres_db": self.dbname,
        }
        return load_settings().model_copy(update=own)

    @contextmanager
    def connect(self, *, writes_bronze: bool = False) -> "Iterator[psycopg.Connection]":
        """Give a connection that commits when the block ends well and is closed after it.

        With ``writes_bronze`` it is that of the login for landing. Raises ``FlightAssetsError``
        where the database is not at this code's newest migration, where somebody holds a lock for
        too long, where the disk is full and where the connection is lost: what happened, who is in
        the way, what to do.
        """
        from flight_assets.warehouse.connection import connect
        from flight_assets.warehouse.migrate import require_newest
        from flight_assets.warehouse.troubles import explained

        with (
            connect(
                self.conninfo(writes_bronze=writes_bronze), lock_timeout_s=self.lock_timeout_s
            ) as connection,
            explained(connection),
        ):
            require_newest(connection)
            yield connection

    def require_usable(self) -> None:
        """Raise what ``connect`` would, before work begins that does not connect by itself."""
        with self.connect():
            pass


class KafkaResource(dg.ConfigurableResource):
    """The brokers."""

    bootstrap_servers: str

    @contextmanager
    def reader(self, topic: str) -> "Iterator[Reader]":
        """Give a reader of one topic, closed after the block."""
        from kafka_sensors.client import Reader

        with Reader(self.bootstrap_servers, topic, options=self._security) as reader:
            yield reader

    @cached_property
    def _security(self) -> dict[str, str]:
        """What lets the clients in: read from the settings once, as that takes milliseconds."""
        from flight_assets.brokers import security_options
        from flight_assets.settings import load_settings

        return security_options(load_settings())


class FeedResource(dg.ConfigurableResource):
    """FlightRadar24, or the simulator that FEED_BASE_URL names."""

    def client(self) -> "FeedClient":
        """Return a client of the feed, as the settings of this process describe it."""
        from flight_assets.feed.client import FeedClient
        from flight_assets.settings import Settings

        return FeedClient.from_settings(Settings())

    def poll_once(self) -> "Poll":
        """Sweep the world once, publish it and return the record of it."""
        from flight_assets.feed.rhythm import poll_once
        from flight_assets.settings import Settings

        return poll_once(Settings())


def resources() -> dict[str, dg.ConfigurableResource]:
    """Return the resources of the code location, read from the environment when they are used."""
    return {
        "postgres": PostgresResource(
            host=dg.EnvVar("POSTGRES_HOST"),
            port=dg.EnvVar.int("POSTGRES_PORT"),
            user=dg.EnvVar("POSTGRES_USER"),
            password=dg.EnvVar("POSTGRES_PASSWORD"),
            dbname=dg.EnvVar("POSTGRES_DB"),
        ),
        "kafka": KafkaResource(bootstrap_servers=dg.EnvVar("KAFKA_BOOTSTRAP_SERVERS")),
        "feed": FeedResource(),
    }
