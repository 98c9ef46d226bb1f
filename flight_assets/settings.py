"""Every setting, its default and its environment name. Read once, by the command or the test.

Code locations read the same names through ``dg.EnvVar`` and dbt through ``env_var()``; the values
reach them in the environment that ``local.stack.Endpoints.environment`` gives.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from flight_assets.errors import FlightAssetsError
from flight_assets.secret_sources import SecretFiles, is_secret

PROJECT_ROOT = Path(__file__).resolve().parent.parent
MIN_FLEETS_DAYS = 60  # twice the days that dbt's observed_fleet_days says


def _absolute(path: Path) -> Path:
    """Return the path as every process sees it, wherever that one starts."""
    try:
        return path.expanduser().resolve()
    except RuntimeError as error:  # ~somebody
        raise ValueError(str(error)) from error


def _whole_hour(text: str) -> str:
    """Return the key of an hour's partition, as Dagster writes it."""
    try:
        is_whole = datetime.strptime(text, "%Y-%m-%d-%H:%M").minute == 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError("no whole hour, written as 2025-01-01-00:00")
    return text


def _no_age_or_long(days: int) -> int:
    """Return an age at which no fleet is lost that the country of an airline is inferred from."""
    if 0 < days < MIN_FLEETS_DAYS:
        raise ValueError(f"0 (never), or at least {MIN_FLEETS_DAYS}: 30 days are looked at")
    return days


def _web_address(text: SecretStr) -> SecretStr:
    """Return an address that begins as one; its value is in no message."""
    if not text.get_secret_value().startswith(("http://", "https://")):
        raise ValueError("no address that begins with http:// or https://")
    return text


AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Port = Annotated[int, Field(ge=1, le=65535)]
Days = Annotated[int, Field(ge=0, le=36_500)]


class Settings(BaseSettings):
    """The settings of one process: from its environment, else from ``.env`` beside it.

    A secret ``NAME`` that neither of them has is read from the file that ``NAME_FILE`` names.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,  # an error of the whole would show its passwords
    )

    # Where the local stack keeps its data, its logs and its password.
    # By its whole name: a field `home` would be read from HOME.
    flight_assets_home: AbsolutePath = Field(
        PROJECT_ROOT / ".flight-assets", validation_alias="FLIGHT_ASSETS_HOME"
    )

    # Where `flight-assets secrets` keeps passwords and certificates, one file each.
    secrets_dir: AbsolutePath = Field(
        PROJECT_ROOT / "secrets", validation_alias="FLIGHT_ASSETS_SECRETS"
    )

    # The first hour that can be answered. Older messages land in it, but get no answer.
    first_hour: Annotated[str, AfterValidator(_whole_hour)] = Field(
        "2025-01-01-00:00", validation_alias="FLIGHT_ASSETS_FIRST_HOUR"
    )

    # Postgres. With POSTGRES_HOST set that server is used and no local one starts.
    postgres_host: str | None = Field(None, validation_alias="POSTGRES_HOST")
    postgres_port: Port = Field(5432, validation_alias="POSTGRES_PORT")
    postgres_user: str | None = Field(None, validation_alias="POSTGRES_USER")
    postgres_password: SecretStr | None = Field(None, validation_alias="POSTGRES_PASSWORD")
    # Logins for one kind of work; without them POSTGRES_USER does it too.
    postgres_ingest_user: str | None = Field(None, validation_alias="POSTGRES_INGEST_USER")
    postgres_ingest_password: SecretStr | None = Field(
        None, validation_alias="POSTGRES_INGEST_PASSWORD"
    )
    dagster_postgres_user: str | None = Field(None, validation_alias="DAGSTER_POSTGRES_USER")
    dagster_postgres_password: SecretStr | None = Field(
        None, validation_alias="DAGSTER_POSTGRES_PASSWORD"
    )
    # TLS, by libpq's words. A server of one's own is known by its certificate from `require` on
    # only with a root certificate.
    postgres_sslmode: Literal[
        "disable", "allow", "prefer", "require", "verify-ca", "verify-full"
    ] = Field("prefer", validation_alias="POSTGRES_SSLMODE")
    postgres_sslrootcert: AbsolutePath | None = Field(None, validation_alias="POSTGRES_SSLROOTCERT")
    # The warehouse's database and Dagster's, here or there.
    postgres_db: str = Field("flight_assets", validation_alias="POSTGRES_DB")
    dagster_postgres_db: str = Field("dagster", validation_alias="DAGSTER_POSTGRES_DB")

    # Kafka. With it set those brokers are used and no local one starts.
    kafka_bootstrap_servers: str | None = Field(None, validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    # How they are reached: in the clear, or by TLS with a log-in (SCRAM-SHA-512). Without a
    # certificate of the authority, the system's own authorities are trusted.
    kafka_security_protocol: Literal["PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", validation_alias="KAFKA_SECURITY_PROTOCOL"
    )
    kafka_sasl_username: str | None = Field(None, validation_alias="KAFKA_SASL_USERNAME")
    kafka_sasl_password: SecretStr | None = Field(None, validation_alias="KAFKA_SASL_PASSWORD")
    kafka_ssl_ca: AbsolutePath | None = Field(None, validation_alias="KAFKA_SSL_CA")
    # The local one: Apache Kafka where Java and Maven are, else librdkafka's built-in cluster.
    kafka_kind: Literal["auto", "apache", "builtin"] = Field(
        "auto", validation_alias="FLIGHT_ASSETS_KAFKA"
    )
    # Where Apache Kafka's jars are; without it in the user's cache, shared by all homes.
    kafka_libs: AbsolutePath | None = Field(None, validation_alias="FLIGHT_ASSETS_KAFKA_LIBS")

    # The feed. Without a base URL it is FlightRadar24 itself.
    feed_base_url: str | None = Field(None, validation_alias="FEED_BASE_URL")
    feed_source: Literal["live", "simulated", "recorded"] = Field(
        "live", validation_alias="FEED_SOURCE"
    )
    feed_requests_per_minute: int = Field(
        80, ge=1, le=10_000, validation_alias="FEED_REQUESTS_PER_MINUTE"
    )
    feed_timeout_s: float = Field(20, gt=0, le=600, validation_alias="FEED_TIMEOUT_S")

    # How many days what grows is kept, 0 for ever. docs/retention.md says what of it goes when.
    retention_bronze_days: Days = Field(7, validation_alias="RETENTION_BRONZE_DAYS")
    retention_rejected_days: Days = Field(30, validation_alias="RETENTION_REJECTED_DAYS")
    retention_fleets_days: Annotated[Days, AfterValidator(_no_age_or_long)] = Field(
        90, validation_alias="RETENTION_FLEETS_DAYS"
    )
    retention_dagster_days: Days = Field(14, validation_alias="RETENTION_DAGSTER_DAYS")

    # Backups: off until a directory is named. docs/backup.md says what is in it.
    backup_dir: AbsolutePath | None = Field(None, validation_alias="BACKUP_DIR")
    # How many days back a restore can go, 0 for ever; and from which age on the newest is too old.
    backup_keep_days: Days = Field(7, validation_alias="BACKUP_KEEP_DAYS")
    backup_max_age_hours: float = Field(26, gt=0, le=8760, validation_alias="BACKUP_MAX_AGE_HOURS")
    # Who takes them and where: the user of the warehouse at its server, unless another with
    # REPLICATION is named, or another way to that server; a directory is that of its socket.
    backup_postgres_user: str | None = Field(None, validation_alias="BACKUP_POSTGRES_USER")
    backup_postgres_password: SecretStr | None = Field(
        None, validation_alias="BACKUP_POSTGRES_PASSWORD"
    )
    backup_postgres_host: str | None = Field(None, validation_alias="BACKUP_POSTGRES_HOST")

    # How long runs under way may finish when the daemon is stopped, before they are interrupted.
    runs_finish_within_s: float = Field(0, ge=0, le=3600, validation_alias="RUNS_FINISH_WITHIN_S")

    # The poller's metrics for Prometheus: served where a port is set.
    poller_metrics_port: Port | None = Field(None, validation_alias="POLLER_METRICS_PORT")
    poller_metrics_host: str = Field("127.0.0.1", validation_alias="POLLER_METRICS_HOST")

    # Alerts: off until a receiver is named. The webhook's address is a secret like a password.
    alert_webhook_url: Annotated[SecretStr, AfterValidator(_web_address)] | None = Field(
        None, validation_alias="ALERT_WEBHOOK_URL"
    )
    alert_email_to: str | None = Field(None, validation_alias="ALERT_EMAIL_TO")
    alert_email_from: str = Field("flight-assets@localhost", validation_alias="ALERT_EMAIL_FROM")
    smtp_host: str | None = Field(None, validation_alias="SMTP_HOST")
    smtp_port: Port = Field(587, validation_alias="SMTP_PORT")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", validation_alias="SMTP_SECURITY"
    )
    smtp_user: str | None = Field(None, validation_alias="SMTP_USER")
    smtp_password: SecretStr | None = Field(None, validation_alias="SMTP_PASSWORD")
    alert_warnings: bool = Field(False, validation_alias="ALERT_WARNINGS")
    alert_repeat_hours: float = Field(24, gt=0, le=8760, validation_alias="ALERT_REPEAT_HOURS")
    alert_quiet_minutes: float = Field(10, ge=1, le=1440, validation_alias="ALERT_QUIET_MINUTES")
    # Where Dagster's UI is for the one who reads an alert, for its links.
    dagster_ui_url: str | None = Field(None, validation_alias="DAGSTER_UI_URL")

    @property
    def home(self) -> Path:
        """Return the directory of the local stack's data, logs and password."""
        return self.flight_assets_home

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from, the first that has one wins."""
        assert isinstance(env_settings, EnvSettingsSource)
        assert isinstance(dotenv_settings, EnvSettingsSource)
        variables = {**dotenv_settings.env_vars, **env_settings.env_vars}
        files = SecretFiles(settings_cls, variables)
        return init_settings, env_settings, dotenv_settings, files

    @model_validator(mode="after")
    def _log_ins_are_whole(self) -> Self:
        """Refuse a log-in that is half named: it would fail later, and elsewhere."""
        for name, user, password in (
            ("POSTGRES_INGEST", self.postgres_ingest_user, self.postgres_ingest_password),
            ("DAGSTER_POSTGRES", self.dagster_postgres_user, self.dagster_postgres_password),
        ):
            if user is not None and password is None:
                raise ValueError(
                    f"{name}_USER is set without {name}_PASSWORD or {name}_PASSWORD_FILE"
                )
            if user is not None and self.postgres_host is None:
                raise ValueError(f"{name}_USER is for a server of your own: set POSTGRES_HOST too")
        needed = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers,
            "KAFKA_SASL_USERNAME": self.kafka_sasl_username,
            "KAFKA_SASL_PASSWORD (or KAFKA_SASL_PASSWORD_FILE)": self.kafka_sasl_password,
        }
        missing = [name for name, value in needed.items() if value is None]
        if self.kafka_security_protocol == "SASL_SSL" and missing:
            raise ValueError(f"KAFKA_SECURITY_PROTOCOL=SASL_SSL needs {', '.join(missing)} too")
        return self

    def for_bronze(self) -> "Settings":
        """Return the settings with the login that writes bronze, where it has one of its own."""
        if self.postgres_ingest_user is None:
            return self
        login = {
            "postgres_user": self.postgres_ingest_user,
            "postgres_password": self.postgres_ingest_password,
        }
        return self.model_copy(update=login)

    def for_dagster(self) -> "Settings":
        """Return the settings with Dagster's database, and its login where it has its own."""
        changed: dict[str, object] = {"postgres_db": self.dagster_postgres_db}
        if self.dagster_postgres_user is not None:
            changed["postgres_user"] = self.dagster_postgres_user
            changed["postgres_password"] = self.dagster_postgres_password
        return self.model_copy(update=changed)


SECRETS = {
    str(field.validation_alias) for field in Settings.model_fields.values() if is_secret(field)
}


def load_settings() -> Settings:
    """Return the settings; raises ``FlightAssetsError`` naming each variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        raise FlightAssetsError(explain(error)) from error


def explain(error: ValidationError) -> str:
    """Return one line on the settings that are wrong: name, value, problem, what to do.

    The value of a secret is never shown.
    """
    problems = []
    for problem in error.errors(include_url=False, include_context=False):
        if not problem["loc"]:  # of several together: their values are all of the settings
            problems.append(problem["msg"].removeprefix("Value error, "))
            continue
        name = str(problem["loc"][0])
        shown = "" if name in SECRETS else f"={problem['input']!r}"
        problems.append(f"{name}{shown}: {problem['msg'].lower()}")
    wrong = "; ".join(problems)
    return f"wrong setting {wrong}. Correct it in the environment or in .env (see .env.example)"
