"""docs/operations.md has every setting as the code and .env.example have it."""

from flight_assets.settings import Settings
from tests.made_pages import page_with
from tests.settings_table import MAKER, PAGE, tables


def test_the_tables_of_settings_are_those_of_the_code() -> None:
    assert PAGE.read_text() == page_with(PAGE, MAKER, tables()), f"run python -m {MAKER}"


def test_every_setting_has_its_row() -> None:
    names = [str(field.validation_alias) for field in Settings.model_fields.values()]
    made = tables()
    assert [name for name in names if made.count(f"| `{name}` |") != 1] == []
