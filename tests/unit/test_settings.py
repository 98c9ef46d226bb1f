import subprocess
import sys
from pathlib import Path

import pytest

from flight_assets import cli
from flight_assets.errors import FlightAssetsError
from flight_assets.settings import PROJECT_ROOT, Settings, load_settings
from flight_assets.warehouse.connection import conninfo, why_not

NAMES = [str(field.validation_alias) for field in Settings.model_fields.values()]


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in NAMES:
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


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("password authentication failed for user", "rejects the password of user me"),
        ('FATAL:  database "w" does not exist', "has no database w: call `flight-assets up`"),
        ("connection failed: Connection refused\n\tIs it?", "refuses connections: is it running"),
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
