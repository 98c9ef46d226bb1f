"""Run the migrations on the connection that ``warehouse.migrate`` hands over, and note them."""

from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationInfo

attributes = context.config.attributes


def note(*, step: MigrationInfo, **_: Any) -> None:
    """Tell the caller of a migration that was applied."""
    attributes.setdefault("applied", []).append(step.up_revision_id)


context.configure(
    connection=attributes["connection"], version_table_schema="public", on_version_apply=note
)
with context.begin_transaction():
    context.run_migrations()
