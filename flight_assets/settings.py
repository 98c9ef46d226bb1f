"""Every setting, its default and its environment name. Read once, by the command or the test.

Code locations read the same names through ``dg.EnvVar`` and dbt through ``env_var()``; the values
reach them in the environment that :meth:`Settings.environment` gives.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """The settings of one process, from the environment or an ``.env`` file beside it."""

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True
    )

    # Where the local stack keeps its data, its logs and its password.
    home: Path = Field(PROJECT_ROOT / ".flight-assets", validation_alias="FLIGHT_ASSETS_HOME")

    # Postgres. With POSTGRES_HOST set that server is used and no local one starts.
    postgres_host: str | None = Field(None, validation_alias="POSTGRES_HOST")
    postgres_port: int = Field(5432, ge=1, le=65535, validation_alias="POSTGRES_PORT")
    postgres_user: str | None = Field(None, validation_alias="POSTGRES_USER")
    postgres_password: SecretStr | None = Field(None, validation_alias="POSTGRES_PASSWORD")
    postgres_db: str = Field("flight_assets", validation_alias="POSTGRES_DB")
    dagster_postgres_db: str = Field("dagster", validation_alias="DAGSTER_POSTGRES_DB")

    # Kafka. With it set those brokers are used and no local one starts.
    kafka_bootstrap_servers: str | None = Field(None, validation_alias="KAFKA_BOOTSTRAP_SERVERS")

    # The feed. Without a base URL it is FlightRadar24 itself.
    feed_base_url: str | None = Field(None, validation_alias="FEED_BASE_URL")
    feed_source: Literal["live", "simulated", "recorded"] = Field(
        "live", validation_alias="FEED_SOURCE"
    )
    feed_requests_per_minute: int = Field(
        80, ge=1, le=10_000, validation_alias="FEED_REQUESTS_PER_MINUTE"
    )
    feed_timeout_s: float = Field(20, gt=0, le=600, validation_alias="FEED_TIMEOUT_S")
