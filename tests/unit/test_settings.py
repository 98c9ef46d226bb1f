import subprocess
import sys
from pathlib import Path

import pytest

from flight_assets import cli
from flight_assets.brokers import security_options
from flight_assets.errors import FlightAssetsError
from flight_assets.local.endpoints import security
from flight_assets.resources import PostgresResource
from flight_assets.settings import PROJECT_ROOT, SECRETS, Settings, load_settings
from flight_assets.warehouse.connection import conninfo, why_not

NAMES = [str(field.validation_alias) for field in Settings.model_fields.values()]
FILES = [f"{name}_FILE" for name in SECRETS]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*NAMES, *FILES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("POSTGRES_DB=of_file\nDAGSTER_POSTGRES_DB=of_file\n")
    monkeypatch.setenv("POSTGRES_DB", "of_environment")
    settings = load_settings()
    assert (settings.postgres_db, settings.dagster_postgres_db) == ("of_environment", "of_file")


def test_an_empty_setting_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_HOST", "")
    assert load_settings().postgres_host is None


def test_a_relative_home_is_the_same_for_every_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLIGHT_ASSETS_HOME", "here")
    assert load_settings().home == Path.cwd().resolve() / "here"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("POSTGRES_PORT", "99999", "less than or equal to 65535"),
        ("POSTGRES_PORT", "five", "valid integer"),
        ("FLIGHT_ASSETS_KAFKA", "redpanda", "'auto', 'apache' or 'builtin'"),
        ("FEED_REQUESTS_PER_MINUTE", "0", "greater than or equal to 1"),
        ("FEED_TIMEOUT_S", "inf", "less than or equal to 600"),
    ],
)
def test_a_wrong_setting_is_one_line_with_name_value_and_problem(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(FlightAssetsError, match=r"see \.env\.example") as error:
        load_settings()
    line = str(error.value)
    assert f"{name}='{value}'" in line and problem in line and "\n" not in line


def test_every_setting_is_explained_in_the_example() -> None:
    example = (PROJECT_ROOT / ".env.example").read_text()
    assert [name for name in NAMES if f"{name}=" not in example] == []


def test_the_example_holds_only_settings_and_sets_none_of_them_by_itself() -> None:
    lines = (PROJECT_ROOT / ".env.example").read_text().splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []
    shown = [line[1:].split("=")[0] for line in lines if "=" in line and not line.startswith("# ")]
    assert sorted(shown) == sorted(NAMES)


def test_the_connection_string_names_what_is_missing() -> None:
    with pytest.raises(
        FlightAssetsError, match=r"^POSTGRES_USER and POSTGRES_PASSWORD are not set"
    ):
        conninfo(Settings(postgres_host="db"))
    with pytest.raises(FlightAssetsError, match=r"^POSTGRES_PASSWORD is not set"):
        conninfo(Settings(postgres_host="db", postgres_user="me"))
    complete = Settings(postgres_host="db", postgres_user="me", postgres_password="it's")
    assert conninfo(complete) == r"host=db port=5432 user=me password=it\'s dbname=flight_assets"
    assert "dbname=dagster" in conninfo(complete, dbname="dagster")


def test_tls_is_said_where_it_is_asked_for() -> None:
    server = {"postgres_host": "db", "postgres_user": "me", "postgres_password": "hush"}
    verified = Settings(**server, postgres_sslmode="verify-full", postgres_sslrootcert="/ca")
    assert conninfo(verified).endswith(" sslmode=verify-full sslrootcert=/ca")
    assert security(verified) == {
        "POSTGRES_SSLMODE": "verify-full",
        "POSTGRES_SSLROOTCERT": "/ca",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/ca",
        "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
    }


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_every_secret_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    Path("secret").write_text("https://hush \n")
    monkeypatch.setenv(f"{name}_FILE", "secret")
    assert read(name) == "https://hush "


def read(name: str) -> str | None:
    """Return the value of a secret setting by its name in the environment."""
    fields = {str(f.validation_alias): key for key, f in Settings.model_fields.items()}
    value = getattr(load_settings(), fields[name])
    return None if value is None else str(value.get_secret_value())


def test_a_secret_itself_wins_over_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("secret").write_text("of_file")
    Path(".env").write_text("POSTGRES_PASSWORD_FILE=secret\n")
    assert read("POSTGRES_PASSWORD") == "of_file"
    monkeypatch.setenv("POSTGRES_PASSWORD", "itself")
    assert read("POSTGRES_PASSWORD") == "itself"


def test_an_empty_file_is_a_secret_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("secret").write_text("\n")
    monkeypatch.setenv("POSTGRES_PASSWORD_FILE", "secret")
    assert read("POSTGRES_PASSWORD") is None


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file or directory"), (b"\xff\xfe\x00", "no file of text")],
)
def test_a_file_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, content: bytes | None, problem: str
) -> None:
    if content is not None:
        Path("secret").write_bytes(content)
    monkeypatch.setenv("POSTGRES_PASSWORD_FILE", "secret")
    with pytest.raises(FlightAssetsError, match=f"^POSTGRES_PASSWORD_FILE=secret: {problem}"):
        load_settings()


@pytest.mark.parametrize(
    ("variables", "problem"),
    [
        ({"POSTGRES_INGEST_USER": "me"}, "set without POSTGRES_INGEST_PASSWORD or "),
        ({"DAGSTER_POSTGRES_USER": "me"}, "set without DAGSTER_POSTGRES_PASSWORD or "),
        (
            {"POSTGRES_INGEST_USER": "me", "POSTGRES_INGEST_PASSWORD": "hush"},
            "POSTGRES_INGEST_USER is for a server of your own: set POSTGRES_HOST too",
        ),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "me"},
            "needs KAFKA_BOOTSTRAP_SERVERS, KAFKA_SASL_PASSWORD (or KAFKA_SASL_PASSWORD_FILE) too",
        ),
    ],
)
def test_half_a_log_in_is_refused_without_a_word_of_the_other_settings(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], problem: str
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "hush")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(FlightAssetsError) as error:
        load_settings()
    assert problem in str(error.value)
    assert "hush" not in f"{error.value} {error.value.__cause__}"


def test_a_login_of_its_own_does_its_work_and_one_that_is_not_named_leaves_it() -> None:
    one = Settings(postgres_user="me", postgres_password="hush", dagster_postgres_db="records")
    assert one.for_bronze() == one
    assert one.for_dagster().postgres_user == "me"
    assert one.for_dagster().postgres_db == "records"
    several = one.model_copy(
        update={"postgres_ingest_user": "ingest", "dagster_postgres_user": "dagster"}
    )
    assert several.for_bronze().postgres_user == "ingest"
    assert several.for_bronze().postgres_db == "flight_assets"
    assert several.for_dagster().postgres_user == "dagster"


def test_the_resource_lands_by_the_login_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"host": "db", "port": 1, "user": "me", "password": "hush", "dbname": "w"}
    postgres = PostgresResource(**told)
    assert postgres.conninfo(writes_bronze=True) == postgres.conninfo()
    monkeypatch.setenv("POSTGRES_HOST", "db")
    monkeypatch.setenv("POSTGRES_INGEST_USER", "ingest")
    monkeypatch.setenv("POSTGRES_INGEST_PASSWORD", "hush2")
    postgres = PostgresResource(**told)  # each reads the settings once
    assert postgres.conninfo() == "host=db port=1 user=me password=hush dbname=w"
    landing = postgres.conninfo(writes_bronze=True)
    assert landing == "host=db port=1 user=ingest password=hush2 dbname=w"


def test_kafka_is_told_of_a_log_in_only_where_there_is_one() -> None:
    assert security_options(Settings(kafka_sasl_username="me")) == {}
    secured = Settings(
        kafka_bootstrap_servers="kafka:9092",
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username="me",
        kafka_sasl_password="hush",
        kafka_ssl_ca="/ca",
    )
    assert security_options(secured) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": "hush",
        "ssl.ca.location": "/ca",
    }


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("password authentication failed for user", "rejects the password of user me"),
        ('FATAL:  database "w" does not exist', "has no database w: call `flight-assets up`"),
        ("connection failed: Connection refused\n\tIs it?", "refuses connections: is it running"),
        (
            "no pg_hba.conf entry, no encryption",
            "takes no connections in the clear: set POSTGRES_SSL",
        ),
        ("SSL error: certificate verify failed", "is not who it should be by its certificate"),
        ('permission denied for database "w"', "does not let user me into the database w"),
        ("could not translate host name\nmore", "cannot be used as user me: could not translate"),
    ],
)
def test_a_failed_connection_is_one_line_without_the_password(words: str, meaning: str) -> None:
    line = why_not("host=db user=me password=hush dbname=w", Exception(words))
    assert line.startswith("Postgres at db:5432") and meaning in line
    assert "hush" not in line and "\n" not in line


def test_an_error_of_the_user_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("POSTGRES_PORT", "0")
    monkeypatch.setattr(sys, "argv", ["flight-assets", "status"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("flight-assets: wrong setting POSTGRES_PORT='0'")
    assert told.err.count("\n") == 1


def test_the_command_loads_nothing_heavy_before_it_is_needed() -> None:
    heavy = {"dagster", "pandas", "psycopg", "pydantic", "sqlalchemy", "confluent_kafka"}
    code = f"import flight_assets.cli, sys; print(sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT_ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
