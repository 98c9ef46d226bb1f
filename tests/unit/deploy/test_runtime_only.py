"""What of the lock the image goes without."""

from tests.deploy_scripts import script

runtime_only = script("runtime_only")


def test_markers_and_extras_decide_what_is_asked_for() -> None:
    lines = ["Psycopg[binary]>=3", "pywin32; sys_platform == 'win32'", "rich; extra == 'colour'"]
    assert runtime_only.asked_for(lines) == {("psycopg", frozenset({"binary"}))}
    coloured = runtime_only.asked_for(lines, frozenset({"colour"}))
    assert ("rich", frozenset()) in coloured


def test_what_is_needed_leads_on_to_what_that_needs() -> None:
    found = runtime_only.needed({("dagster-dbt", frozenset())})
    assert {"dagster-dbt", "dagster", "alembic"} <= found
    assert not {"ruff", "pytest", "mypy"} & found


def test_what_an_extra_brings_is_needed_only_with_it() -> None:
    assert "psycopg-binary" not in runtime_only.needed({("psycopg", frozenset())})
    assert "psycopg-binary" in runtime_only.needed({("psycopg", frozenset({"binary"}))})
