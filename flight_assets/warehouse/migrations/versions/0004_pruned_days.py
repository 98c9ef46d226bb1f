"""Which days of bronze are gone, and of which slices that is: what cannot be built again."""

from alembic import op

revision = "0004"
down_revision = "0003"

PRUNED_DAYS = """
create table bronze.pruned_days (
    table_name text not null,
    log_date date not null,
    topic text,
    through_slice_id bigint not null,
    row_count bigint not null,
    byte_count bigint not null,
    last_event_at timestamptz,
    pruned_at timestamptz not null default clock_timestamp(),
    run_id text,
    primary key (table_name, log_date)
);

comment on table bronze.pruned_days is
    'One row per table and day of log hours whose partition was dropped, written in the '
    'transaction that dropped it. The rows of its slices up to through_slice_id are gone; a slice '
    'that is landed again has a newer id, and its rows are there.';

create view bronze.pruned_slice_hours as
select
    slice_event_hours.slice_id,
    landed_slices.topic,
    landed_slices.log_hour,
    slice_event_hours.event_hour,
    slice_event_hours.first_event_at,
    slice_event_hours.last_event_at
from bronze.slice_event_hours
inner join bronze.landed_slices
    on slice_event_hours.slice_id = landed_slices.slice_id
inner join bronze.pruned_days
    on landed_slices.topic = pruned_days.topic
    and cast(landed_slices.log_hour at time zone 'UTC' as date) = pruned_days.log_date
    and landed_slices.slice_id <= pruned_days.through_slice_id;

comment on view bronze.pruned_slice_hours is
    'The rows of slice_event_hours whose observations or polls were pruned.';
"""


def upgrade() -> None:
    op.execute(PRUNED_DAYS)


def downgrade() -> None:
    op.execute("drop view bronze.pruned_slice_hours; drop table bronze.pruned_days;")
