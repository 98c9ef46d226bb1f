"""The newest migration, as the names of the files have it."""

from alembic.config import Config
from alembic.script import ScriptDirectory

from flight_assets.warehouse.migrate import MIGRATIONS, newest_revision


def test_the_newest_file_is_the_only_head_that_alembic_knows() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [newest_revision()]
