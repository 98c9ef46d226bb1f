"""Several stretches of events in an hour of a slice: what lies between them is not meant."""

from alembic import op

revision = "0002"
down_revision = "0001"

SEVERAL_AN_HOUR = """
alter table bronze.slice_event_hours drop constraint slice_event_hours_pkey;
alter table bronze.slice_event_hours add primary key (slice_id, event_hour, first_event_at);

comment on table bronze.slice_event_hours is
    'One row per slice, UTC hour of event time and stretch of events in it without a gap of more '
    'than five minutes: which answers the slice can change. Rows from before are whole hours.';
"""

ONE_AN_HOUR = """
create temporary table hours on commit drop as
select slice_id, event_hour, min(first_event_at), max(last_event_at), sum(row_count)
from bronze.slice_event_hours group by slice_id, event_hour;
truncate bronze.slice_event_hours;
alter table bronze.slice_event_hours drop constraint slice_event_hours_pkey;
alter table bronze.slice_event_hours add primary key (slice_id, event_hour);
insert into bronze.slice_event_hours select * from hours;
comment on table bronze.slice_event_hours is
    'One row per slice and UTC hour of event time in it: which answers the slice can change.';
"""


def upgrade() -> None:
    op.execute(SEVERAL_AN_HOUR)


def downgrade() -> None:
    op.execute(ONE_AN_HOUR)
